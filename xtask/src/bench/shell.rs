//! Setting up peers the way their users do: by `ip` and their own tools, inside namespaces of this bench.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::run::Failed;

/// Runs a line of words separated by spaces.
///
/// # Errors
/// [`Failed::Check`] with what the program printed.
pub(crate) fn sh(line: &str) -> Result<String, Failed> {
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    finish(line, Command::new(program).args(words))
}

/// Runs a command to its end and returns its output.
///
/// # Errors
/// [`Failed::Check`] with what the program printed.
pub(crate) fn finish(what: &str, command: &mut Command) -> Result<String, Failed> {
    let out = command.stdin(Stdio::null()).output();
    let out = out.map_err(|source| Failed::Start { program: what.to_owned(), source })?;
    if out.status.success() {
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    } else {
        Err(Failed::Check(format!("`{what}`: {}", String::from_utf8_lossy(&out.stderr).trim())))
    }
}

/// A network namespace by name, removed when dropped.
#[derive(Debug)]
pub(crate) struct Netns {
    /// Its name in /run/netns.
    pub(crate) name: String,
    owned: bool,
}

impl Netns {
    /// Makes one; its name carries this process's id.
    ///
    /// # Errors
    /// [`Failed::Check`] if it cannot be made.
    pub(crate) fn make(short: &str) -> Result<Self, Failed> {
        let name = format!("nlb{}-{short}", std::process::id());
        sh(&format!("ip netns add {name}"))?;
        let made = Self { name, owned: true };
        made.ip("link set lo up")?;
        Ok(made)
    }

    /// One made by somebody else.
    pub(crate) fn borrowed(name: &str) -> Self {
        Self { name: name.to_owned(), owned: false }
    }

    /// `ip -n NAME ...`
    ///
    /// # Errors
    /// [`Failed::Check`] with what `ip` printed.
    pub(crate) fn ip(&self, line: &str) -> Result<String, Failed> {
        sh(&format!("ip -n {} {line}", self.name))
    }

    /// A command to run inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// A command that has this network and all else of ours: what it makes in /run/netns can be seen by others.
    pub(crate) fn network_of(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name)).arg(program);
        command
    }

    /// Starts the agent inside.
    ///
    /// # Errors
    /// [`Failed::Start`].
    pub(crate) fn agent(&self, line: &str) -> Result<Running, Failed> {
        let me =
            std::env::current_exe().map_err(|source| Failed::Start { program: "xtask".into(), source })?;
        let mut command = self.command(&me.to_string_lossy());
        command.arg("agent").args(line.split_whitespace());
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let child = child.map_err(|source| Failed::Start { program: "ip netns exec".into(), source })?;
        Ok(Running { line: line.to_owned(), child: Some(child) })
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        if self.owned {
            let _ = sh(&format!("ip netns del {}", self.name));
        }
    }
}

/// An agent at work; killed when dropped before its end.
#[derive(Debug)]
pub(crate) struct Running {
    line: String,
    child: Option<Child>,
}

impl Running {
    /// Waits for its line of JSON.
    ///
    /// # Errors
    /// [`Failed::Check`] if it fails or prints something else.
    pub(crate) fn result(mut self) -> Result<Value, Failed> {
        let wrong = |why: String| Failed::Check(format!("agent `{}`: {why}", self.line));
        let Some(child) = self.child.take() else { return Err(wrong("gone".into())) };
        let out = child.wait_with_output().map_err(|e| wrong(e.to_string()))?;
        serde_json::from_slice(&out.stdout).map_err(|e| wrong(e.to_string()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Seconds that all CPUs together have spent on anything but idling (user, nice, system, irq, softirq).
pub(crate) fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|f| f.parse().ok())
        .collect();
    let busy: f64 = [0, 1, 2, 5, 6].iter().filter_map(|i| fields.get(*i)).sum();
    busy / 100.0
}

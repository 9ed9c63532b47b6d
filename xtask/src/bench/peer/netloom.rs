//! netloom: the release binary, a lab of two named namespaces.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::{Bed, Rest};
use crate::bench::shell::{self, Netns};
use crate::run::{self, Failed};

/// A running lab, taken down when dropped.
#[derive(Debug)]
pub(crate) struct Lab {
    name: String,
    file: PathBuf,
}

static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Measures this binary instead of the release build.
pub(crate) fn measure(program: PathBuf) {
    // Said once, before anything runs.
    let _ = PROGRAM.set(program);
}

/// The binary that is measured.
pub(crate) fn program() -> PathBuf {
    PROGRAM.get_or_init(|| run::target().join("release/netloom")).clone()
}

impl Lab {
    /// Brings up a lab from its text.
    ///
    /// # Errors
    /// [`Failed::Check`] with what netloom printed.
    pub(crate) fn up(short: &str, text: &str) -> Result<Self, Failed> {
        Self::up_by(Command::new(program()), short, text)
    }

    /// The same on a machine that a namespace stands for.
    ///
    /// # Errors
    /// As [`Self::up`].
    pub(crate) fn up_in(machine: &Netns, short: &str, text: &str) -> Result<Self, Failed> {
        Self::up_by(machine.network_of(&program().to_string_lossy()), short, text)
    }

    fn up_by(mut up: Command, short: &str, text: &str) -> Result<Self, Failed> {
        let name = format!("nlb{}-{short}", std::process::id());
        let file = std::env::temp_dir().join(format!("{name}.loom.yml"));
        std::fs::write(&file, text)
            .map_err(|source| Failed::File { path: file.display().to_string(), source })?;
        let lab = Self { name, file };
        shell::finish("netloom up", up.arg("up").arg(&lab.file).args(["--name", &lab.name]))?;
        Ok(lab)
    }

    /// Applies another text to it while it runs.
    ///
    /// # Errors
    /// [`Failed::Check`] with what netloom printed.
    pub(crate) fn edit(&self, text: &str) -> Result<(), Failed> {
        shell::finish("netloom up", &mut self.edit_by(text)?).map(drop)
    }

    /// The command that applies another text to it.
    ///
    /// # Errors
    /// [`Failed::File`].
    pub(crate) fn edit_by(&self, text: &str) -> Result<Command, Failed> {
        std::fs::write(&self.file, text)
            .map_err(|source| Failed::File { path: self.file.display().to_string(), source })?;
        let mut up = Command::new(program());
        up.arg("up").arg(&self.file).args(["--name", &self.name]);
        Ok(up)
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs a verb on the lab and returns what it printed.
    ///
    /// # Errors
    /// [`Failed::Check`] with what netloom printed.
    pub(crate) fn verb(&self, words: &[&str]) -> Result<String, Failed> {
        shell::finish(&words.join(" "), Command::new(program()).args(["-l", &self.name]).args(words))
    }

    /// Runs a verb on the lab and reads the JSON that it printed.
    ///
    /// # Errors
    /// [`Failed::Check`] with what netloom printed.
    pub(crate) fn json(&self, words: &[&str]) -> Result<Value, Failed> {
        let text = self.verb(&[words, &["--output", "json"]].concat())?;
        serde_json::from_str(&text).map_err(|e| Failed::Check(format!("{}: {e}", words.join(" "))))
    }

    /// The daemon's process id.
    ///
    /// # Errors
    /// [`Failed::Check`] if there is none.
    pub(crate) fn pid(&self) -> Result<u32, Failed> {
        let file = PathBuf::from("/run/netloom").join(&self.name).join("daemon.pid");
        let text = std::fs::read_to_string(&file)
            .map_err(|source| Failed::File { path: file.display().to_string(), source })?;
        let who: Value = serde_json::from_str(&text).unwrap_or_default();
        who["pid"].as_u64().and_then(|pid| pid.try_into().ok()).ok_or_else(|| Failed::Check(text.clone()))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = Command::new(program()).args(["down", &self.name]).output();
        let _ = std::fs::remove_file(&self.file);
    }
}

pub(super) fn up() -> Result<Bed, Failed> {
    let id = std::process::id();
    let (one, two) = (format!("nlb{id}-h1"), format!("nlb{id}-h2"));
    let text = format!(
        "netloom: 1\nname: bench\nnodes:\n  h1: {{ netns: {one}, ip: 10.0.0.1/24 }}\n  h2: {{ netns: {two}, ip: 10.0.0.2/24 }}\nswitches: {{ s1: {{}} }}\nlinks: [h1 -- s1, h2 -- s1]\n"
    );
    let lab = Lab::up("pair", &text)?;
    let pid = lab.pid()?;
    Ok(Bed {
        hosts: [Netns::borrowed(&one), Netns::borrowed(&two)],
        switch: vec![pid],
        rest: Rest::Lab { _lab: lab },
    })
}

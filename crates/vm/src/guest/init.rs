//! The first process of a guest.

use std::path::Path;

use netloom_sys::{boot, child, clock};
use rustix::process::{WaitOptions, WaitStatus, wait};

use super::config::{Console, GuestConfig};
use super::{POWER_OFF, network, say};

/// How long to wait before a shell or the agent is started again: one that ends at once must not keep the guest busy.
const PAUSE: u64 = 500_000_000;
/// What programs have between SIGTERM and the end of the machine.
const GRACE: u64 = 300_000_000;
const SIGTERM: i32 = 15;

/// Sets the guest up, then reaps for ever. If it cannot even begin, the guest ends.
pub(super) fn run() -> i32 {
    for (kind, target) in MOUNTS {
        if let Err(error) = boot::mount(kind, Path::new(target)) {
            say(&error.to_string());
        }
    }
    let config = match GuestConfig::load() {
        Ok(config) => config,
        Err(error) => {
            say(&error);
            let _ = boot::power_off();
            return 1;
        }
    };
    for module in &config.modules {
        if let Err(error) = boot::load_module(Path::new(module)) {
            say(&error.to_string());
        }
    }
    names(&config);
    network::set_up(&config);
    say(&format!("{} is up", config.hostname));
    Init { config, agent: None, console: None }.serve()
}

/// Name, hosts and name servers.
fn names(config: &GuestConfig) {
    if let Err(error) = boot::set_host_name(&config.hostname) {
        say(&error.to_string());
    }
    write("/etc/hostname", &config.hostname);
    names_of_others(&config.hosts, config.resolver.as_deref());
}

/// Whom it knows by name, and whom it asks about others.
pub(super) fn names_of_others(hosts: &str, resolver: Option<&str>) {
    write("/etc/hosts", hosts);
    if let Some(text) = resolver {
        write("/etc/resolv.conf", text);
    }
}

fn write(path: &str, text: &str) {
    // A link of the image could lead anywhere; the file is to be this one.
    let _ = std::fs::remove_file(path);
    if let Err(error) = std::fs::write(path, text) {
        say(&format!("{path}: {error}"));
    }
}

struct Init {
    config: GuestConfig,
    /// The number of the agent's process.
    agent: Option<i32>,
    /// That of the console's program.
    console: Option<i32>,
}

impl Init {
    fn serve(&mut self) -> i32 {
        self.start_agent();
        self.start_console();
        loop {
            match wait(WaitOptions::empty()) {
                Ok(Some((pid, status))) => self.ended(pid.as_raw_nonzero().get(), status),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                // Without a child there is nothing to wait for, and nobody to serve.
                Err(_) => {
                    clock::sleep(PAUSE);
                    self.start_agent();
                }
            }
        }
    }

    fn ended(&mut self, pid: i32, status: WaitStatus) {
        if self.agent == Some(pid) && status.exit_status() == Some(POWER_OFF) {
            power_off();
        } else if self.agent == Some(pid) {
            say("the agent has ended; it is started again");
            clock::sleep(PAUSE);
            self.start_agent();
        } else if self.console == Some(pid) {
            self.console = None;
            match &self.config.console {
                Console::Shell => {
                    clock::sleep(PAUSE);
                    self.start_console();
                }
                Console::Program(argv) => {
                    let how = status.exit_status().map_or_else(
                        || format!("signal {}", status.terminating_signal().unwrap_or(0)),
                        |code| format!("exit code {code}"),
                    );
                    say(&format!("{} has ended: {how}", argv.first().map_or("", String::as_str)));
                }
            }
        }
    }

    fn start_agent(&mut self) {
        let spawned = self.config.netloom(&["agent"]).env_clear().spawn();
        self.agent = started("the agent", spawned);
    }

    fn start_console(&mut self) {
        let argv: Vec<&str> = match &self.config.console {
            Console::Shell => vec!["/bin/sh", "-l"],
            Console::Program(argv) => argv.iter().map(String::as_str).collect(),
        };
        if argv.first().is_none_or(|program| program.starts_with('/') && !Path::new(program).exists()) {
            return;
        }
        let mut words = vec!["exec", "--console"];
        let (cwd, user) = (self.config.cwd.clone(), self.config.user.clone());
        for (flag, value) in [("--cwd", &cwd), ("--user", &user)] {
            words.extend(value.iter().flat_map(|value| [flag, value.as_str()]));
        }
        words.push("--");
        words.extend(argv);
        let spawned = self.config.netloom(&words).env_clear().envs(self.config.environment()).spawn();
        self.console = started("the console's program", spawned);
    }
}

/// Asks everybody to end, and ends the machine.
fn power_off() {
    let _ = child::kill_all(SIGTERM);
    clock::sleep(GRACE);
    if let Err(error) = boot::power_off() {
        say(&error.to_string());
    }
}

fn started(what: &str, spawned: std::io::Result<std::process::Child>) -> Option<i32> {
    match spawned {
        Ok(child) => i32::try_from(child.id()).ok(),
        Err(error) => {
            say(&format!("{what} cannot be started: {error}"));
            None
        }
    }
}

/// File systems that the kernel makes.
const MOUNTS: [(&str, &str); 6] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("devpts", "/dev/pts"),
    ("tmpfs", "/run"),
    ("cgroup2", "/sys/fs/cgroup"),
];

//! What runs inside a guest: netloom's own first process, its agent, and how programs are started.
//!
//! All of it is this binary again, in the initial file system with the libraries it needs ([`crate::payload`]):
//!
//! ```text
//! netloom guest init      process 1: mounts, modules, network, names; then it reaps, and starts the agent again
//!   ├─ netloom guest agent      serves the port to the daemon: a thread or two for each stream of a program
//!   │    └─ netloom guest exec ..    becomes the program: session, terminal, user, directory
//!   └─ netloom guest exec ..    the program of the console
//! netloom guest rig       the same as init, of a machine in which netloom has labs ([`crate::rig`])
//! netloom guest processors      has those that were given work, and ends
//! netloom guest cards           sets cards up that have come, and what else of the network has changed, and ends
//! ```

mod agent;
mod cards;
mod config;
mod exec;
mod init;
mod network;
mod processors;

pub use config::{CONFIG, Console, GuestChange, GuestConfig, GuestInterface, GuestNetwork, GuestRoute, Port};

/// With this exit code the agent says that the machine is to end.
const POWER_OFF: i32 = 86;

/// Does what `words` say, `init`, `rig`, `agent`, `processors`, `cards` or `exec ..`; returns the exit code.
#[must_use]
pub fn run(words: &[String]) -> i32 {
    match words {
        [word] if word == "init" => init::run(),
        [word] if word == "rig" => rig(),
        [word] if word == "agent" => agent::run(),
        [word] if word == "processors" => processors::run(),
        [word] if word == "cards" => cards::run(),
        [word, rest @ ..] if word == "exec" => exec::run(rest),
        _ => 2,
    }
}

/// The first process of a machine in which netloom itself has labs: their nodes have roots of their own, which takes one that
/// can be left.
fn rig() -> i32 {
    if let Err(error) = netloom_sys::boot::own_root() {
        say(&error.to_string());
    }
    init::run()
}

/// A line for whoever reads the console.
pub(crate) fn say(text: &str) {
    // Nobody there to read it is nobody to tell.
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("netloom: {text}\n").as_bytes());
}

//! What a guest is told, in a file of its initial file system.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Where it lies.
pub const CONFIG: &str = "/.netloom/config.json";

/// What a guest is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GuestConfig {
    /// The words that start netloom in the guest.
    pub netloom: Vec<String>,
    /// Its name.
    pub hostname: String,
    /// Modules to be loaded, in order.
    pub modules: Vec<String>,
    /// Its interfaces.
    pub interfaces: Vec<GuestInterface>,
    /// Its routes besides those of its addresses.
    pub routes: Vec<GuestRoute>,
    /// Kernel settings, names with dots.
    pub sysctls: Vec<(String, String)>,
    /// The text of /etc/hosts.
    pub hosts: String,
    /// The text of /etc/resolv.conf; `None`: as the image has it.
    pub resolver: Option<String>,
    /// The environment of every program.
    pub env: Vec<(String, String)>,
    /// Where programs start, and whom they run as, unless they say otherwise.
    pub cwd: Option<String>,
    /// Whom they run as.
    pub user: Option<String>,
    /// What runs on the console.
    pub console: Console,
    /// Where the agent listens.
    pub port: Port,
}

/// The network of a guest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GuestNetwork {
    /// Its interfaces.
    pub interfaces: Vec<GuestInterface>,
    /// Its routes besides those of its addresses.
    pub routes: Vec<GuestRoute>,
}

/// What a guest that runs is told when its network changes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GuestChange {
    /// Its network as it was.
    pub from: GuestNetwork,
    /// Its network as it is to be.
    pub to: GuestNetwork,
    /// The text of /etc/hosts.
    pub hosts: String,
    /// The text of /etc/resolv.conf; `None`: as it is.
    pub resolver: Option<String>,
}

/// What runs on the console.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Console {
    /// A shell, started again when it ends.
    #[default]
    Shell,
    /// A program, once.
    Program(Vec<String>),
}

/// Where the agent listens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Port {
    /// A port of virtio-serial, by its name.
    Virtio(String),
    /// The second serial port.
    #[default]
    Serial,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestInterface {
    /// Its Ethernet address, by which it is found.
    pub mac: [u8; 6],
    /// The driver of a function of the machine's that the guest has: by it the interface is found, and is then given its
    /// address. A card tells its functions theirs late or not at all where it is slow to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Its name.
    pub name: String,
    /// Layer 3 bytes.
    pub mtu: u32,
    /// Its addresses with their prefix lengths in bits.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Neighbours known for ever.
    pub neighbours: Vec<(IpAddr, [u8; 6])>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestRoute {
    /// The destination with its prefix length in bits; 0 for the default route.
    pub to: (IpAddr, u8),
    /// The next hop.
    pub via: Option<IpAddr>,
    /// The interface, by name.
    pub dev: Option<String>,
    /// Preference, lower first.
    pub metric: Option<u32>,
}

impl GuestConfig {
    /// What this guest was told.
    ///
    /// # Errors
    /// The file is missing or none of ours.
    pub(super) fn load() -> Result<Self, String> {
        let text = std::fs::read(CONFIG).map_err(|error| format!("{CONFIG}: {error}"))?;
        serde_json::from_slice(&text).map_err(|error| format!("{CONFIG}: {error}"))
    }

    /// Its network.
    #[must_use]
    pub fn network(&self) -> GuestNetwork {
        GuestNetwork { interfaces: self.interfaces.clone(), routes: self.routes.clone() }
    }

    /// Netloom itself with these words, ready to be started.
    pub(super) fn netloom(&self, words: &[&str]) -> std::process::Command {
        let program = self.netloom.first().map_or("", String::as_str);
        let mut command = std::process::Command::new(program);
        command.args(self.netloom.iter().skip(1)).arg("guest").args(words);
        command
    }

    /// The environment of a program, `PATH` included.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let usual = [("PATH", PATH), ("HOME", "/root"), ("TERM", "linux")];
        let mut all: Vec<(String, String)> = usual.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        all.push(("HOSTNAME".to_owned(), self.hostname.clone()));
        all.extend(self.env.iter().cloned());
        all
    }
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

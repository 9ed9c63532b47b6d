//! Open vSwitch with its userspace datapath: daemons of our own in a folder and a namespace of our own.

use std::path::PathBuf;
use std::process::Command;

use super::{Bed, Rest};
use crate::bench::shell::{self, Netns};
use crate::run::Failed;

/// The two daemons and their folder.
#[derive(Debug)]
pub(crate) struct Daemons {
    folder: PathBuf,
}

pub(super) fn up(tso: bool) -> Result<Bed, Failed> {
    let hosts = [Netns::make("h1")?, Netns::make("h2")?];
    let switch = Netns::make("sw")?;
    let daemons = Daemons::start(&switch, tso)?;
    daemons.vsctl(&switch, "add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=standalone")?;
    for (host, n) in hosts.iter().zip(1..) {
        super::join(&switch, host, n)?;
        daemons.vsctl(&switch, &format!("add-port br0 port{n}"))?;
    }
    super::address(&hosts, "eth0")?;
    if !tso {
        // Without TSO this datapath loses the unfinished checksums of its hosts: they must finish them.
        for host in &hosts {
            shell::finish("ethtool", host.command("ethtool").args(["-K", "eth0", "tx", "off"]))?;
        }
    }
    let pid = daemons.pid("ovs-vswitchd")?;
    Ok(Bed { hosts, switch: vec![pid], rest: Rest::Ovs { daemons, switch } })
}

impl Daemons {
    /// Starts both in `switch`.
    ///
    /// # Errors
    /// [`Failed::Check`] with what they printed.
    pub(crate) fn start(switch: &Netns, tso: bool) -> Result<Self, Failed> {
        let folder = std::env::temp_dir().join(format!("{}-ovs", switch.name));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)
            .map_err(|source| Failed::File { path: folder.display().to_string(), source })?;
        let daemons = Self { folder };
        let at = |name: &str| daemons.folder.join(name).display().to_string();
        let (db, socket) = (at("conf.db"), format!("punix:{}", at("db.sock")));
        let schema = "/usr/share/openvswitch/vswitch.ovsschema";
        shell::finish("ovsdb-tool", daemons.command(switch, "ovsdb-tool").args(["create", &db, schema]))?;
        let mut server = daemons.command(switch, "ovsdb-server");
        shell::finish(
            "ovsdb-server",
            server.args([&db, "--remote", &socket, "--pidfile", "--detach", "--log-file"]),
        )?;
        daemons.vsctl(switch, "--no-wait init")?;
        if tso {
            daemons.vsctl(switch, "--no-wait set Open_vSwitch . other_config:userspace-tso-enable=true")?;
        }
        let mut vswitchd = daemons.command(switch, "ovs-vswitchd");
        let remote = format!("unix:{}", at("db.sock"));
        shell::finish("ovs-vswitchd", vswitchd.args([&remote, "--pidfile", "--detach", "--log-file"]))?;
        Ok(daemons)
    }

    /// A program of Open vSwitch, or one that talks to it, inside `switch`.
    pub(crate) fn command(&self, switch: &Netns, program: &str) -> Command {
        let mut command = switch.command(program);
        for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, &self.folder);
        }
        command
    }

    /// Runs a line of `ovs-vsctl`.
    ///
    /// # Errors
    /// [`Failed::Check`] with what it printed.
    pub(crate) fn vsctl(&self, switch: &Netns, line: &str) -> Result<String, Failed> {
        let database = format!("--db=unix:{}", self.folder.join("db.sock").display());
        let mut command = self.command(switch, "ovs-vsctl");
        shell::finish(line, command.arg(database).args(line.split_whitespace()))
    }

    /// Where their sockets are.
    pub(crate) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// The process id of one of them.
    ///
    /// # Errors
    /// [`Failed`] if it has left none.
    pub(crate) fn pid(&self, daemon: &str) -> Result<u32, Failed> {
        let file = self.folder.join(format!("{daemon}.pid"));
        let text = std::fs::read_to_string(&file)
            .map_err(|source| Failed::File { path: file.display().to_string(), source })?;
        text.trim().parse().map_err(|e| Failed::Check(format!("{}: {e}", file.display())))
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for daemon in ["ovs-vswitchd", "ovsdb-server"] {
            if let Ok(pid) = self.pid(daemon) {
                let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap_or(0));
                let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
            }
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

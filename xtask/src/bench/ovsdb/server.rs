//! A database server in a folder of its own.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::bench::peer;
use crate::bench::shell::{self, Netns};
use crate::run::Failed;

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Netloom,
    Ovs,
}

/// A running server; it ends with this.
pub(super) struct Server {
    folder: PathBuf,
    /// The programs that run, by their pid files.
    running: Vec<&'static str>,
    /// Where they run; `None`: here.
    netns: Option<Netns>,
    /// Ends them when this process is killed.
    heir: Child,
}

/// What the heir does once nobody has the other end of its input.
const INHERIT: &str = r#"cat; for file in "$1"/*.pid; do kill -9 "$(cat "$file")"; done; rm -rf "$1""#;

/// Begins to wait for the end of this process, by whatever means. It is in a group of its own: a key that ends this one does
/// not end it.
fn heir(folder: &Path) -> Result<Child, Failed> {
    let mut command = Command::new("sh");
    command.args(["-c", INHERIT, "heir"]).arg(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    command.spawn().map_err(|source| Failed::Start { program: "sh".to_owned(), source })
}

impl Server {
    /// Starts one with a fresh file, which `prepare` may fill before.
    ///
    /// # Errors
    /// [`Failed`] with what it printed.
    pub(super) fn start(
        whose: Whose,
        prepare: impl FnOnce(&Path) -> Result<(), Failed>,
    ) -> Result<Self, Failed> {
        Self::start_in(None, whose, prepare)
    }

    /// The same in a network namespace.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(super) fn start_in(
        netns: Option<Netns>,
        whose: Whose,
        prepare: impl FnOnce(&Path) -> Result<(), Failed>,
    ) -> Result<Self, Failed> {
        let folder = std::env::temp_dir().join(format!("nlb{}-ovsdb", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)
            .map_err(|source| Failed::File { path: folder.display().to_string(), source })?;
        let heir = heir(&folder)?;
        let mut server = Self { folder, running: Vec::new(), netns, heir };
        let file = server.folder.join("conf.db");
        shell::finish("ovsdb-tool", server.command("ovsdb-tool").arg("create").arg(&file).arg(SCHEMA))?;
        prepare(&file)?;
        let mut command = match whose {
            Whose::Ovs => server.command("ovsdb-server"),
            Whose::Netloom => {
                let mut command = server.command(&peer::program().display().to_string());
                command.arg("ovsdb-server");
                command
            }
        };
        command.arg(&file).arg(format!("--remote=punix:{}", server.socket().display()));
        shell::finish(
            "ovsdb-server",
            command.args(["--pidfile", "--detach", "--log-file", "-vconsole:off"]),
        )?;
        server.running.push("ovsdb-server");
        Ok(server)
    }

    /// Starts the switch of the database.
    ///
    /// # Errors
    /// [`Failed`] with what it printed.
    pub(super) fn start_switch(&mut self, whose: Whose) -> Result<(), Failed> {
        self.start_switch_with(whose, &[])
    }

    /// The same with more words on its command line.
    ///
    /// # Errors
    /// As [`Self::start_switch`].
    pub(super) fn start_switch_with(&mut self, whose: Whose, more: &[&str]) -> Result<(), Failed> {
        let mut command = match whose {
            Whose::Ovs => self.command("ovs-vswitchd"),
            Whose::Netloom => {
                let mut command = self.command(&peer::program().display().to_string());
                command.arg("switchd");
                command
            }
        };
        command.args(["--pidfile", "--detach", "--log-file", "-vconsole:off"]).args(more);
        shell::finish("ovs-vswitchd", &mut command)?;
        self.running.push("ovs-vswitchd");
        Ok(())
    }

    /// Kills the switch: it has no time for a last word.
    ///
    /// # Errors
    /// [`Failed`] if it has left no pid file, or does not end.
    pub(super) fn kill_switch(&mut self) -> Result<(), Failed> {
        let file = self.folder.join("ovs-vswitchd.pid");
        let gone = || Failed::Check(format!("{}: no switch to be killed", file.display()));
        let text = std::fs::read_to_string(&file).map_err(|_| gone())?;
        let pid = nix::unistd::Pid::from_raw(text.trim().parse().map_err(|_| gone())?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).map_err(|_| gone())?;
        // It is nobody's child here, and may stay a zombie for a while: its files are closed by then.
        let stat = format!("/proc/{pid}/stat");
        while std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z ")) {
            std::thread::yield_now();
        }
        self.running.retain(|program| *program != "ovs-vswitchd");
        Ok(())
    }

    /// Where sockets and files are.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("db.sock")
    }

    /// A program where it runs, which finds its sockets.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = match &self.netns {
            Some(netns) => netns.command(program),
            None => Command::new(program),
        };
        command.envs(["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"].map(|name| (name, &self.folder)));
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for program in &self.running {
            let file = self.folder.join(format!("{program}.pid"));
            let pid = std::fs::read_to_string(file).unwrap_or_default();
            if let Ok(pid) = pid.trim().parse() {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
        let _ = std::fs::remove_dir_all(&self.folder);
        drop(self.heir.stdin.take());
        let _ = self.heir.wait();
    }
}

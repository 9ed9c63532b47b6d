//! A database server of a test's own, in a folder of its own: ours, or Open vSwitch's.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The schema of a switch, as Open vSwitch's package brings it.
pub(super) const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// Whose server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    Ours,
    Theirs,
}

/// A folder with databases, and a server that serves them. It ends with this.
pub(super) struct Server {
    folder: tempfile::TempDir,
    program: PathBuf,
}

/// What a command came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) code: i32,
    /// Standard output, then standard error.
    pub(super) text: String,
}

impl Server {
    /// A folder with a database `conf.db`, not served yet; `None`, said aloud, where Open vSwitch's programs are missing.
    pub(super) fn prepare(whose: Whose) -> Option<Self> {
        let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !["ovsdb-tool", "ovsdb-server", "ovsdb-client", "ovs-vsctl", "ovs-appctl"].into_iter().all(there)
            || !Path::new(SCHEMA).exists()
        {
            eprintln!("skipped: there are no programs of openvswitch-switch");
            return None;
        }
        // Short, since socket paths are.
        let folder = tempfile::Builder::new().prefix("nlo").tempdir_in("/tmp").unwrap();
        let program = match whose {
            Whose::Theirs => "ovsdb-server".into(),
            Whose::Ours => {
                // By its name, as a link: that is how it takes the other one's place.
                let link = folder.path().join("bin/ovsdb-server");
                std::fs::create_dir(folder.path().join("bin")).unwrap();
                std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_netloom"), &link).unwrap();
                link
            }
        };
        let server = Self { folder, program };
        server.ok(&format!("ovsdb-tool create conf.db {SCHEMA}"));
        Some(server)
    }

    /// The same, served at db.sock and wherever the database says.
    pub(super) fn start(whose: Whose) -> Option<Self> {
        let server = Self::prepare(whose)?;
        server.serve("conf.db --remote=db:Open_vSwitch,Open_vSwitch,manager_options --log-file");
        Some(server)
    }

    /// Serves, in the background, at db.sock.
    pub(super) fn serve(&self, words: &str) {
        let done = self.try_serve(words);
        assert_eq!((done.code, done.text.as_str()), (0, ""), "{words}");
    }

    pub(super) fn try_serve(&self, words: &str) -> Done {
        let mut command = Command::new(&self.program);
        command.arg("-vconsole:off").args(words.split(' ')).args([
            "--remote=punix:db.sock",
            "--pidfile",
            "--detach",
            "--no-chdir",
        ]);
        self.done(command)
    }

    /// The program, to be started in another way.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// A file of the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a line of the shell in the folder.
    pub(super) fn run(&self, line: &str) -> Done {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        self.done(command)
    }

    /// Has a command find this folder's server.
    pub(super) fn at_home<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.current_dir(self.folder.path()).env_clear().env("PATH", path).stdin(Stdio::null());
        command.envs(["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"].map(|name| (name, self.folder.path())))
    }

    fn done(&self, mut command: Command) -> Done {
        let Output { status, stdout, stderr } = self.at_home(&mut command).output().unwrap();
        let text = [stdout, stderr].concat();
        Done { code: status.code().unwrap_or(-1), text: String::from_utf8_lossy(&text).into_owned() }
    }

    /// Runs a line that must do; what it printed.
    pub(super) fn ok(&self, line: &str) -> String {
        let done = self.run(line);
        assert_eq!(done.code, 0, "{line}: {}", done.text);
        done.text
    }

    /// The number of the server.
    pub(super) fn pid(&self) -> Option<i32> {
        std::fs::read_to_string(self.path("ovsdb-server.pid")).ok()?.trim().parse().ok()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(pid) = self.pid().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

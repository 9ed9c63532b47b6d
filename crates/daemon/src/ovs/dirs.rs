//! Where Open vSwitch's daemons keep their files.
//!
//! Source: ovs-vswitchd(8) and ovsdb-server(1), "ENVIRONMENT"; `lib/dirs.c.in` of OVS, with Debian's folders.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directories {
    /// Sockets and pid files: `OVS_RUNDIR`.
    pub run: PathBuf,
    /// Logs: `OVS_LOGDIR`.
    pub log: PathBuf,
    /// Databases: `OVS_DBDIR`, else `openvswitch` in `OVS_SYSCONFDIR`.
    pub db: PathBuf,
}

impl Directories {
    /// As the environment of this process says.
    #[must_use]
    pub fn of_environment() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let sysconf = || folder("OVS_SYSCONFDIR").unwrap_or_else(|| "/etc".into());
        Self {
            run: folder("OVS_RUNDIR").unwrap_or_else(|| "/var/run/openvswitch".into()),
            log: folder("OVS_LOGDIR").unwrap_or_else(|| "/var/log/openvswitch".into()),
            db: folder("OVS_DBDIR").unwrap_or_else(|| sysconf().join("openvswitch")),
        }
    }

    /// A file of the run directory, unless it says itself where it is.
    #[must_use]
    pub fn in_run(&self, file: impl AsRef<Path>) -> PathBuf {
        self.run.join(file)
    }

    /// The control socket of a program: `PROGRAM.PID.ctl`, or what the user wants instead.
    #[must_use]
    pub fn control_socket(&self, program: &str, wanted: Option<&Path>) -> PathBuf {
        match wanted {
            Some(wanted) => self.in_run(wanted),
            None => self.in_run(format!("{program}.{}.ctl", std::process::id())),
        }
    }

    /// The pid file of a program, where the user wants one: `Some("")` is the usual one.
    #[must_use]
    pub fn pid_file(&self, program: &str, wanted: &Path) -> PathBuf {
        match wanted.as_os_str().is_empty() {
            true => self.in_run(format!("{program}.pid")),
            false => self.in_run(wanted),
        }
    }

    /// The log file of a program, likewise.
    #[must_use]
    pub fn log_file(&self, program: &str, wanted: &Path) -> PathBuf {
        match wanted.as_os_str().is_empty() {
            true => self.log.join(format!("{program}.log")),
            false => self.log.join(wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_says_where_files_are() {
        let usual = Directories::of(|_| None);
        assert_eq!(usual.run, Path::new("/var/run/openvswitch"));
        assert_eq!(usual.db, Path::new("/etc/openvswitch"));
        let moved = Directories::of(|name| match name {
            "OVS_RUNDIR" => Some("/r".into()),
            "OVS_SYSCONFDIR" => Some("/s".into()),
            "OVS_LOGDIR" => Some(OsString::new()),
            _ => None,
        });
        assert_eq!(moved.db, Path::new("/s/openvswitch"));
        assert_eq!(moved.log, Path::new("/var/log/openvswitch"), "empty is as good as unset");
        assert_eq!(moved.pid_file("ovsdb-server", Path::new("")), Path::new("/r/ovsdb-server.pid"));
        assert_eq!(moved.pid_file("ovsdb-server", Path::new("a/b")), Path::new("/r/a/b"));
        assert_eq!(moved.pid_file("ovsdb-server", Path::new("/a")), Path::new("/a"));
        assert_eq!(moved.log_file("x", Path::new("")), Path::new("/var/log/openvswitch/x.log"));
        let own = format!("/r/ovsdb-server.{}.ctl", std::process::id());
        assert_eq!(moved.control_socket("ovsdb-server", None), Path::new(&own));
        assert_eq!(moved.control_socket("x", Some(Path::new("c"))), Path::new("/r/c"));
    }
}

//! Names under which this binary is another program: a link to it called `ovsdb-server` behaves as that daemon.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use clap::Parser;

use crate::cmd::ovsdb_server::OvsdbServer;
use crate::exit;

/// `ovsdb-server`, called by its name.
#[derive(Debug, Parser)]
#[command(name = "ovsdb-server", version = concat!("(netloom) ", env!("CARGO_PKG_VERSION")), max_term_width = 100)]
#[command(about = "Serve databases as Open vSwitch's program of that name does")]
struct ByName {
    #[command(flatten)]
    server: OvsdbServer,
}

/// Runs the program whose name this process was called by, and says how it ended; `None`: it is netloom.
pub(crate) fn run() -> Option<u8> {
    if called() != Some(OsStr::new("ovsdb-server").to_owned()) {
        return None;
    }
    Some(match ByName::try_parse_from(words()) {
        Ok(args) => args.server.run(),
        Err(error) => {
            let _ = error.print();
            if error.use_stderr() { exit::USAGE } else { exit::DONE }
        }
    })
}

/// What this process was called.
pub(crate) fn program() -> OsString {
    std::env::args_os().next().unwrap_or_else(|| "netloom".into())
}

fn called() -> Option<OsString> {
    Path::new(&program()).file_name().map(OsStr::to_owned)
}

/// The words of the command line. Those of Open vSwitch's daemons may have `-vSPEC`, whose value stands in the same
/// word or not at all: it becomes `--verbose=SPEC`.
pub(crate) fn words() -> Vec<OsString> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let is_daemon = |word: &OsString| {
        let name = Path::new(word).file_name();
        name.is_some_and(|name| name == DAEMON)
    };
    if words.iter().take(2).any(is_daemon) { words.into_iter().map(verbose).collect() } else { words }
}

const DAEMON: &str = "ovsdb-server";

fn verbose(word: OsString) -> OsString {
    match word.as_bytes().strip_prefix(b"-v") {
        Some(spec) if !spec.is_empty() => OsString::from_vec([b"--verbose=", spec].concat()),
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;
    use netloom_daemon::ovsdb_server::Source;

    use super::*;

    #[test]
    fn flags_are_those_of_the_daemon() {
        ByName::command().debug_assert();
        let words = [
            "ovsdb-server",
            "/etc/conf.db",
            "-vconsole:emer",
            "-v",
            "--remote=punix:/run/db.sock",
            "--remote",
            "ptcp:",
            "--private-key=db:Open_vSwitch,SSL,private_key",
            "--bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert",
            "--no-chdir",
            "--log-file=/var/log/x.log",
            "--pidfile",
            "--detach",
            "--monitor",
        ];
        let words = words.iter().map(|word| verbose(OsString::from(word)));
        let options = ByName::try_parse_from(words).unwrap().server.options();
        assert_eq!(options.databases, [Path::new("/etc/conf.db")]);
        assert_eq!(options.remotes, ["punix:/run/db.sock", "ptcp:"]);
        assert_eq!(options.verbose, ["console:emer", "any"]);
        assert_eq!(options.tls.key, Some(Source::Column("db:Open_vSwitch,SSL,private_key".to_owned())));
        assert!(options.tls.bootstrap && options.detach && options.monitor && options.no_chdir);
        assert_eq!(options.pidfile.as_deref(), Some(Path::new("")));
        assert_eq!(options.log_file.as_deref(), Some(Path::new("/var/log/x.log")));
        assert!(ByName::try_parse_from(["ovsdb-server", "-C", "a", "--bootstrap-ca-cert=b"]).is_err());
    }
}

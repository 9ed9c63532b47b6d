//! The switch that serves an OVSDB database, with the flags of `ovs-vswitchd`.

use std::ffi::OsString;
use std::path::PathBuf;

use netloom_daemon::switchd::{self, Dummy, Options};

/// Arguments of `switchd`. What is only accepted changes nothing here, and is there for scripts that pass it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A link to netloom that is called ovs-vswitchd does the same. The switch ends with SIGTERM, or by
ovs-appctl exit. Folders: OVS_RUNDIR, OVS_LOGDIR.")]
pub(crate) struct Switchd {
    /// The database: unix:PATH or tcp:ADDRESS:PORT [default: db.sock in OVS_RUNDIR]
    database: Option<String>,
    /// Serve the database of this file here, too, as ovsdb-server does; it is made if it is not there [default: conf.db
    /// in OVS_DBDIR]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    #[arg(conflicts_with = "database")]
    serve: Option<String>,
    /// Keep flows, groups, meters and connections over a restart, kill -9 included, in files of this folder [default:
    /// OVS_RUNDIR]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    keep_flows: Option<String>,
    /// Write the process's number [default: ovs-vswitchd.pid in OVS_RUNDIR]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pidfile: Option<String>,
    /// Take over the pid file of another process
    #[arg(long)]
    overwrite_pidfile: bool,
    /// Take commands of ovs-appctl at this socket
    #[arg(long, value_name = "SOCKET")]
    unixctl: Option<PathBuf>,
    /// Write a log [default: ovs-vswitchd.log in OVS_LOGDIR]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    log_file: Option<String>,
    /// Go into the background once the switch serves
    #[arg(long)]
    detach: bool,
    /// Start again after a crash
    #[arg(long)]
    monitor: bool,
    /// Stay in this folder when going into the background
    #[arg(long)]
    no_chdir: bool,
    /// What is logged: `[MODULE:][DESTINATION:]LEVEL`; `-vLEVEL` for short
    #[arg(long, value_name = "SPEC", num_args = 0..=1, require_equals = true, default_missing_value = "dbg")]
    verbose: Vec<String>,
    /// For tests: devices of type dummy, a clock that is set by commands; override: all devices are dummies, system:
    /// those of the machine
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    #[arg(value_parser = dummies)]
    enable_dummy: Option<Dummy>,
    /// Accepted: there is no other datapath to be kept away
    #[arg(long)]
    disable_system: bool,
    /// Accepted: tunnels are routed by the kernel in any case
    #[arg(long)]
    disable_system_route: bool,
    /// Accepted: nothing is swapped out by itself
    #[arg(long)]
    mlockall: bool,
    /// Accepted: no profile is applied
    #[arg(long)]
    no_self_confinement: bool,
    /// Accepted: nothing is sent to syslog
    #[arg(long, value_name = "METHOD")]
    syslog_method: Option<String>,
    /// Accepted: nothing is sent to syslog
    #[arg(long, value_name = "HOST:PORT")]
    syslog_target: Option<String>,
    /// Print the version
    #[arg(short = 'V', long)]
    version: bool,
}

/// Which devices are dummies.
fn dummies(which: &str) -> Result<Dummy, String> {
    match which {
        "" => Ok(Dummy::ByType),
        "system" => Ok(Dummy::System),
        "override" => Ok(Dummy::Override),
        _ => Err("override or system is wanted, or nothing".to_owned()),
    }
}

impl Switchd {
    pub(crate) fn run(self) -> u8 {
        if self.version {
            crate::output::line(&format!("{} (netloom) {}", switchd::PROGRAM, env!("CARGO_PKG_VERSION")));
            return crate::exit::DONE;
        }
        switchd::main(&Options {
            program: std::env::args_os().next().unwrap_or_else(|| switchd::PROGRAM.into()),
            database: self.database,
            serve: self.serve.map(PathBuf::from),
            unixctl: self.unixctl,
            pidfile: self.pidfile.map(PathBuf::from),
            overwrite_pidfile: self.overwrite_pidfile,
            log_file: self.log_file.map(PathBuf::from),
            detach: self.detach,
            monitor: self.monitor,
            no_chdir: self.no_chdir,
            keep_flows: self.keep_flows.map(PathBuf::from),
            dummies: self.enable_dummy.unwrap_or_default(),
            verbose: self.verbose,
        })
    }
}

/// The command line as it is read: a program called `ovs-vswitchd` is the verb, and its `-vSPEC` is `--verbose=SPEC`.
pub(crate) fn spelled(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.into_iter().collect();
    let name = arguments.first().and_then(|program| std::path::Path::new(program).file_name());
    if name.is_some_and(|name| name == switchd::PROGRAM) {
        arguments.insert(1, "switchd".into());
    }
    if arguments.get(1).is_some_and(|verb| verb == "switchd") {
        for argument in arguments.iter_mut().skip(2) {
            let spec = argument.to_str().and_then(|text| text.strip_prefix("-v"));
            *argument = match spec {
                None => continue,
                Some("") => "--verbose".into(),
                Some(spec) => format!("--verbose={spec}").into(),
            };
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spell(words: &str) -> String {
        let spelled = spelled(words.split(' ').map(OsString::from));
        spelled.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_program_called_as_the_daemon_is_the_verb() {
        let said = "/usr/sbin/ovs-vswitchd unix:/db.sock -vconsole:emer -v --verbose=file:dbg";
        let read = "/usr/sbin/ovs-vswitchd switchd unix:/db.sock --verbose=console:emer --verbose --verbose=file:dbg";
        assert_eq!(spell(said), read);
        assert_eq!(spell("netloom switchd -vdbg"), "netloom switchd --verbose=dbg");
        assert_eq!(spell("netloom exec h1 -- ls -v"), "netloom exec h1 -- ls -v");
    }
}

//! `ovsdb-server`: databases for everybody who speaks OVSDB.

use std::ffi::OsString;
use std::path::PathBuf;

use netloom_daemon::ovsdb_server::{self, Files, Options, Source};

use crate::stand_in;

/// Arguments of `ovsdb-server`, which are those of Open vSwitch's.
#[derive(Debug, clap::Args)]
pub(crate) struct OvsdbServer {
    /// Files of databases, made by `ovsdb-tool create` [default: conf.db in $OVS_DBDIR]
    #[arg(value_name = "DATABASE")]
    databases: Vec<PathBuf>,
    /// How clients come: `punix:FILE`, `ptcp:PORT[:IP]`, `pssl:..`, or are called: `unix:FILE`, `tcp:HOST:PORT`, `ssl:..`,
    /// or db:DB,TABLE,COLUMN for what a database says
    #[arg(long, value_name = "REMOTE")]
    remote: Vec<String>,
    /// The private key for TLS: FILE or db:DB,TABLE,COLUMN
    #[arg(short, long, value_name = "FILE")]
    private_key: Option<String>,
    /// The certificate of that key
    #[arg(short, long, value_name = "FILE")]
    certificate: Option<String>,
    /// The certificate of the authority that peers are signed by; none: nobody is checked
    #[arg(short = 'C', long, value_name = "FILE", conflicts_with = "bootstrap_ca_cert")]
    ca_cert: Option<String>,
    /// The same; a file that is missing is made from what the first peer shows
    #[arg(long, value_name = "FILE")]
    bootstrap_ca_cert: Option<String>,
    /// The control socket for ovs-appctl; none: there is none [default: ovsdb-server.PID.ctl in $OVS_RUNDIR]
    #[arg(long, value_name = "SOCKET")]
    unixctl: Option<PathBuf>,
    /// Make a pid file [default FILE: ovsdb-server.pid in $OVS_RUNDIR]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pidfile: Option<OsString>,
    /// Replace the pid file of a process that lives
    #[arg(long)]
    overwrite_pidfile: bool,
    /// Go into the background once clients are served
    #[arg(long)]
    detach: bool,
    /// Start it again when it dies of a bug
    #[arg(long)]
    monitor: bool,
    /// Stay in this folder in the background
    #[arg(long)]
    no_chdir: bool,
    /// Accepted: it confines itself to nothing anyway
    #[arg(long, hide = true)]
    no_self_confinement: bool,
    /// Write a log [default FILE: ovsdb-server.log in $OVS_LOGDIR]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    log_file: Option<OsString>,
    /// What is logged where: MODULE:DESTINATION:LEVEL, each of which may be left out
    #[arg(short, long, value_name = "SPEC", num_args = 0..=1, require_equals = true, default_missing_value = "any")]
    verbose: Vec<String>,
    /// Run a command of the shell, and end with it
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,
}

impl OvsdbServer {
    pub(crate) fn run(self) -> u8 {
        ovsdb_server::main(&stand_in::program(), &self.options())
    }

    /// What the daemon is told.
    pub(crate) fn options(self) -> Options {
        let source = |text: &String| Source::from(text.as_str());
        Options {
            databases: self.databases,
            remotes: self.remote,
            tls: Files {
                key: self.private_key.as_ref().map(source),
                certificate: self.certificate.as_ref().map(source),
                authority: self.bootstrap_ca_cert.as_ref().or(self.ca_cert.as_ref()).map(source),
                bootstrap: self.bootstrap_ca_cert.is_some(),
            },
            unixctl: self.unixctl,
            pidfile: self.pidfile.map(PathBuf::from),
            overwrite_pidfile: self.overwrite_pidfile,
            detach: self.detach,
            monitor: self.monitor,
            no_chdir: self.no_chdir,
            log_file: self.log_file.map(PathBuf::from),
            verbose: self.verbose,
            run: self.run,
        }
    }
}

//! The hidden verb by which this binary becomes the daemon of a lab.

use netloom_daemon::process::{self, Options};

/// Arguments of `daemon`.
#[derive(Debug, clap::Args)]
pub(crate) struct Daemon {
    /// The number of a group whose users may command the lab
    #[arg(long)]
    group: Option<u32>,
}

impl Daemon {
    pub(crate) fn run(self, lab: Option<&str>) -> u8 {
        let options = Options { lab: lab.unwrap_or_default().to_owned(), group: self.group };
        process::main(&options, netloom_daemon::engine::boot())
    }
}

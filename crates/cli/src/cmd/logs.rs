//! `netloom logs`.

use std::io::{self, Write};

use netloom_api::Command;
use netloom_api::stream::Frame;

use crate::client::Patience;
use crate::exit::Outcome;
use crate::terminal;
use crate::which;

/// Arguments of `logs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Logs {
    /// A node or controller [default: the lab's daemon]
    name: Option<String>,
    /// Go on with what is written from now on
    #[arg(short, long)]
    follow: bool,
}

impl Logs {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let conn = which::client(lab)?.stream(&Command::Logs { name: self.name, follow: self.follow })?;
        let patience = Patience::new(None);
        Ok(terminal::follow(conn, patience, &mut |frame| match frame {
            Frame::Stdout(bytes) => io::stdout().write_all(&bytes).is_ok(),
            Frame::Stderr(bytes) => io::stderr().write_all(&bytes).is_ok(),
            _ => true,
        })?)
    }
}

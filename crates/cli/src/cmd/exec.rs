//! `netloom exec` and `netloom shell`.

use std::collections::BTreeMap;

use netloom_api::Command;

use crate::exit::{Failure, Outcome};
use crate::terminal;
use crate::which;

/// Arguments of `exec`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exits with the program's own code; 125 if netloom failed, 126 if it cannot be run, 127 if there is none.
Example:  netloom exec h1 -- ping -c 3 h2")]
pub(crate) struct Exec {
    #[command(flatten)]
    place: Place,
    /// Give it a terminal [default: if input and output are one]
    #[arg(short, long, overrides_with = "no_tty")]
    tty: bool,
    /// Give it pipes
    #[arg(short = 'T', long, overrides_with = "tty")]
    no_tty: bool,
    /// The node
    node: String,
    /// The program and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "CMD")]
    argv: Vec<String>,
}

/// Arguments of `shell`.
#[derive(Debug, clap::Args)]
pub(crate) struct Shell {
    #[command(flatten)]
    place: Place,
    /// The node
    node: String,
}

/// How a program is run.
#[derive(Debug, clap::Args)]
struct Place {
    /// Run it as USER
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Run it in DIR
    #[arg(short = 'w', long, value_name = "DIR")]
    workdir: Option<String>,
    /// Set a variable of its environment
    #[arg(short, long = "env", value_name = "K=V")]
    env: Vec<String>,
}

impl Exec {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let tty = !self.no_tty && (self.tty || terminal::is_both());
        run(lab, self.node, self.argv, self.place, tty)
    }
}

impl Shell {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        run(lab, self.node, Vec::new(), self.place, terminal::is_both())
    }
}

fn run(lab: Option<&str>, node: String, argv: Vec<String>, place: Place, tty: bool) -> Outcome {
    let mut env = BTreeMap::new();
    for text in &place.env {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Failure::usage(format!("--env {text}: a name, = and a value are wanted.")));
        };
        env.insert(name.to_owned(), value.to_owned());
    }
    if tty && let Some(term) = std::env::var_os("TERM") {
        env.entry("TERM".into()).or_insert_with(|| term.to_string_lossy().into_owned());
    }
    let client = which::client(lab)?;
    let size = tty.then(|| terminal::size().unwrap_or(netloom_api::TermSize { rows: 24, columns: 80 }));
    let command = Command::Exec { node, argv, env, cwd: place.workdir, user: place.user, tty: size };
    Ok(terminal::session(client.stream(&command)?, tty)?)
}

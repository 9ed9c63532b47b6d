//! Flows, groups and meters as they are given: as words, from a file, or from standard input.

use std::path::PathBuf;

use netloom_api::{Command, TableChange};

use crate::exit::{Failure, Outcome};
use crate::output::{self, Format};
use crate::{terminal, which};

/// One or several lines in the syntax of `ovs-ofctl`.
#[derive(Debug, clap::Args)]
pub(crate) struct Lines {
    /// In the syntax of ovs-ofctl; - reads standard input, one a line
    #[arg(value_name = "TEXT")]
    words: Vec<String>,
    /// Read FILE, one a line
    #[arg(short, long, value_name = "FILE", conflicts_with = "words")]
    file: Option<PathBuf>,
}

impl Lines {
    /// All lines; nothing and comments left out.
    pub(crate) fn read(self) -> Result<Vec<String>, Failure> {
        let text = match (self.file, &self.words[..]) {
            (Some(file), _) => std::fs::read_to_string(&file)
                .map_err(|error| Failure::failed(format!("Cannot read {}.", file.display()), &error))?,
            (None, [dash]) if dash == "-" => terminal::read_all()
                .map_err(|error| Failure::failed("Cannot read standard input.", &error))?,
            (None, _) => return Ok(self.words),
        };
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(lines.map(str::to_owned).collect())
    }

    /// The same, where there must be something.
    pub(crate) fn some(self, what: &str) -> Result<Vec<String>, Failure> {
        let lines = self.read()?;
        if lines.is_empty() {
            return Err(Failure::usage(format!(
                "Which {what}? Give one, `-f FILE`, or `-` for standard input."
            )));
        }
        Ok(lines)
    }
}

/// A change of a switch's groups, or of its meters.
#[derive(Debug, clap::Args)]
pub(crate) struct Change {
    /// The switch
    switch: String,
    #[command(flatten)]
    lines: Lines,
    #[command(flatten)]
    format: Format,
}

impl Change {
    /// Asks for it; `what` is what a line is called. Nothing given means all where lines are removed.
    pub(crate) fn run(
        self,
        lab: Option<&str>,
        what: &str,
        change: TableChange,
        command: impl FnOnce(String, Vec<String>) -> Command,
    ) -> Outcome {
        let lines = if change == TableChange::Rm { self.lines.read()? } else { self.lines.some(what)? };
        let text = only(&lines);
        let reply = which::client(lab)?.ask(&command(self.switch, lines)).map_err(|error| {
            let failure = Failure::from(error);
            text.iter().fold(failure, |failure, text| failure.in_text(what, text))
        })?;
        output::reply(&reply, self.format)
    }
}

/// An error points into the only line, or says which one it is.
pub(crate) fn only(lines: &[String]) -> Option<String> {
    if let [only] = lines { Some(only.clone()) } else { None }
}

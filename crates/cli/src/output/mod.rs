//! What is printed: data on standard output, the rest on standard error.

mod compare;
mod function;
mod image;
mod migration;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod screen;
mod snapshot;
mod style;
pub(crate) mod table;
pub(crate) mod trace;
pub(crate) mod words;

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use netloom_api::{Document, Reply};

use crate::exit::{DONE, Failure, Outcome};

pub(crate) use style::{Style, Tint};

/// How lists are printed.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Format {
    /// Print a table, or JSON with `"schema": 1`
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Kind,
    /// Print names only
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    /// Leave out the table's header
    #[arg(long)]
    pub(crate) no_headers: bool,
}

impl Format {
    /// Whether only rows are wanted, no sentence in place of none.
    pub(crate) const fn is_bare(self) -> bool {
        self.quiet || self.no_headers
    }
}

/// The forms of output: for people, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Kind {
    #[default]
    Table,
    Json,
}

/// How many tasks must be brought to their end even if nobody reads on.
static MUST_END: AtomicUsize = AtomicUsize::new(0);

/// While this lives, a reader who left does not end the program: there is a lab to be taken down.
#[derive(Debug)]
pub(crate) struct MustEnd(());

impl MustEnd {
    pub(crate) fn new() -> Self {
        MUST_END.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for MustEnd {
    fn drop(&mut self) {
        MUST_END.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Writes to standard output. A reader who left (`| head`) ends the program silently, unless [`MustEnd`] lives.
pub(crate) fn put(text: &str) {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if written.is_err() && MUST_END.load(Ordering::Relaxed) == 0 {
        std::process::exit(i32::from(DONE));
    }
}

/// Writes a line to standard output.
pub(crate) fn line(text: &str) {
    put(&format!("{text}\n"));
}

/// Writes a line to standard error.
pub(crate) fn note(text: &str) {
    // Nothing can be done about it.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints a reply.
pub(crate) fn reply(reply: &Reply, format: Format) -> Outcome {
    if format.output == Kind::Json {
        json(reply)?;
    } else {
        put(&table::render(reply, format, Style::stdout()));
    }
    Ok(DONE)
}

/// Prints a reply as one JSON document.
pub(crate) fn json(reply: &Reply) -> Result<(), Failure> {
    let text =
        Document::new(reply).pretty().map_err(|error| Failure::failed("Cannot write JSON.", &error))?;
    line(&text);
    Ok(())
}

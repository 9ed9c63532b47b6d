//! `netloom test`.

use crate::cmd::run::Testing;
use crate::exit::Outcome;
use crate::output::{self, Style, screen};
use crate::which;

/// Arguments of `test`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:  netloom test
           netloom test \"h1 can reach h2 with rtt < 60ms\"
           netloom test \"red cannot reach blue\" \"throughput h1 -> h2 >= 90Mbit for 2s\"")]
pub(crate) struct Test {
    /// Expectations, as in a file's `expect:` [default: those of the file, with its events]
    #[arg(value_name = "SENTENCE")]
    sentences: Vec<String>,
    #[command(flatten)]
    testing: Testing,
}

impl Test {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let client = which::client(lab)?;
        let sentences = (!self.sentences.is_empty()).then_some(self.sentences);
        let report =
            super::run::test(&client, sentences, &mut self.testing.patience(), self.testing.is_table())?;
        if self.testing.is_table() {
            output::line(&screen::sum(&report, report.ms, Style::stdout()));
        }
        self.testing.finish(client.home().lab(), report)
    }
}

//! `netloom resize`.

use std::collections::BTreeMap;

use netloom_api::{Command, Reply};

use crate::exit::Outcome;
use crate::output::{self, Format, Kind};
use crate::which;

/// Arguments of `resize`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Programs go on. What is changed is drift: `netloom up --reset` restores the file.
Less memory than is in use and cannot be freed is refused.
Example:  netloom resize web --cpu 1.5 --memory 256MiB")]
pub(crate) struct ResizeNode {
    /// The node
    node: String,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    format: Format,
}

/// Limits of a node, spelled as in a lab file.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits, as in a lab file; `none`: no limit")]
#[group(required = true, multiple = true)]
struct Limits {
    /// Such as 1.5
    #[arg(long)]
    cpu: Option<String>,
    /// Such as 256MiB
    #[arg(long)]
    memory: Option<String>,
    /// Such as 64MiB
    #[arg(long)]
    swap: Option<String>,
    /// How many processes and threads
    #[arg(long)]
    pids: Option<String>,
}

impl ResizeNode {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let Limits { cpu, memory, swap, pids } = self.limits;
        let limits: BTreeMap<String, String> =
            [("cpu", cpu), ("memory", memory), ("swap", swap), ("pids", pids)]
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value?)))
                .collect();
        let reply = which::client(lab)?.ask(&Command::Resize { node: self.node, limits })?;
        match (reply, self.format.output == Kind::Table && !self.format.is_bare()) {
            (Reply::Nodes(rows), true) => {
                for row in rows {
                    let now = row.limits.as_deref().unwrap_or("no limits");
                    let file = row.limits_in_file.map(|file| format!("  (file: {file})")).unwrap_or_default();
                    output::line(&format!("{}  {now}{file}", row.name));
                }
                Ok(crate::exit::DONE)
            }
            (reply, _) => output::reply(&reply, self.format),
        }
    }
}

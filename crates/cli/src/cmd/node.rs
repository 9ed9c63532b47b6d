//! `netloom start`, `stop`, `restart`, `pause` and `resume`.

use netloom_api::{Command, NodeAction};

use crate::exit::{DONE, Outcome};
use crate::which;

/// Arguments of these verbs.
#[derive(Debug, clap::Args)]
pub(crate) struct Nodes {
    /// Nodes or ranges, such as h1..4
    #[arg(required = true, value_name = "NODE")]
    nodes: Vec<String>,
}

impl Nodes {
    pub(crate) fn run(self, lab: Option<&str>, action: NodeAction) -> Outcome {
        which::client(lab)?.ask(&Command::Node { nodes: self.nodes, action })?;
        Ok(DONE)
    }
}

//! Who asked for a flow or a setting.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a flow comes from. Every rule has one, so that `netloom flow ls` can tell what the file did not ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The switch itself: the NORMAL flow of a bridge without flows.
    #[default]
    Default,
    /// A lab file.
    File {
        /// As the user wrote it.
        path: String,
        /// From 1.
        line: u32,
    },
    /// A command of a user.
    Command,
    /// An OpenFlow controller.
    Controller {
        /// Its target, such as `tcp:127.0.0.1:6653`.
        target: String,
    },
    /// Packets: a flow with the action `learn` added it.
    Learned,
    /// The switch itself, while no controller takes care of it. Controllers neither see nor change such a flow.
    FailOpen,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Command => f.write_str("command"),
            Self::Controller { target } => write!(f, "controller {target}"),
            Self::Learned => f.write_str("learned"),
            Self::FailOpen => f.write_str("no controller"),
        }
    }
}

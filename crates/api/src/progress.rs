//! What a long command says while it works.

use serde::{Deserialize, Serialize};

use crate::{ApiError, PingRow, Reply, TestRow};

/// One text line of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// More to come.
    Progress(Progress),
    /// Done; the last line.
    Reply(Box<Reply>),
    /// Not done; the last line.
    Error(Box<ApiError>),
}

impl Line {
    /// Reads one line. Here, as [`Document::pretty`](crate::Document::pretty) is.
    ///
    /// # Errors
    /// The text is not JSON, or not that of a line.
    pub fn read(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text)
    }
}

/// What a long command says while it works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Progress {
    /// A phase begins.
    Phase {
        /// Its word: `nodes`, `switches`, `links`, `settle` ...
        phase: String,
        /// How many items it has; 0: not known.
        total: u64,
    },
    /// Items of the phase are done.
    Item {
        /// The phase's word.
        phase: String,
        /// How many are done.
        done: u64,
        /// The latest one.
        item: String,
    },
    /// A phase ends.
    Done {
        /// The phase's word.
        phase: String,
        /// How many were done.
        done: u64,
        /// How long it took, in milliseconds.
        ms: f64,
        /// The item that took longest, and its milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        slowest: Option<(String, f64)>,
    },
    /// Something the user should know, and which is no error.
    Note {
        /// A sentence.
        text: String,
    },
    /// An expectation's outcome.
    Tested {
        /// The outcome.
        row: TestRow,
    },
    /// A pair's outcome.
    Pinged {
        /// The outcome.
        row: PingRow,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip() {
        let line = Line::Progress(Progress::Item { phase: "nodes".into(), done: 3, item: "h3".into() });
        let text = serde_json::to_string(&line).unwrap();
        assert_eq!(text, r#"{"progress":{"event":"item","phase":"nodes","done":3,"item":"h3"}}"#);
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }
}

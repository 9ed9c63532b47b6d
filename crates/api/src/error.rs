//! What went wrong, whose fault it is, and what to type next.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A command that did not do what was asked.
///
/// `Display` prints the message alone; place, hint and what was undone are for the one who renders it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub struct ApiError {
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// A sentence with the values in it.
    pub message: String,
    /// What to type or change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The rest, often empty.
    #[serde(flatten)]
    pub detail: Box<Detail>,
}

/// The rest of an [`ApiError`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Detail {
    /// The causes below, outermost first, each a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// Places in a file or text, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What was done and is undone again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undone: Vec<String>,
    /// What could not be undone and is still there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<String>,
}

/// Whose fault an [`ApiError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Asked in a way that means nothing.
    Usage,
    /// The lab file, flow or sentence is wrong; see the findings.
    InvalidFile,
    /// No thing of this name.
    NotFound,
    /// Known, but not done by this version.
    Unsupported,
    /// Another command holds the lab.
    Busy,
    /// The host refused; what had been done is undone.
    Failed,
    /// The machine lacks something.
    Machine,
    /// The caller may not.
    Denied,
    /// Not done in the time given.
    Timeout,
    /// The caller went away, or asked to stop.
    Cancelled,
    /// A bug of ours.
    Internal,
}

/// One finding in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A sentence.
    pub message: String,
    /// What to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Where.
    pub place: Place,
}

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file's path, or a word such as `--set` or `flow`.
    pub file: String,
    /// Counted from 1; 0: the text as a whole.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// First byte of the offending text.
    pub start: usize,
    /// One past its last byte.
    pub end: usize,
}

impl ApiError {
    /// An error with nothing but a kind and a sentence.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, detail: Box::default() }
    }

    /// An error whose causes are those of `source`, `source` included.
    #[must_use]
    pub fn caused(
        kind: ErrorKind,
        message: impl Into<String>,
        source: &(dyn std::error::Error + 'static),
    ) -> Self {
        let mut error = Self::new(kind, message);
        let mut next = Some(source);
        while let Some(cause) = next {
            error.detail.causes.push(cause.to_string());
            next = cause.source();
        }
        error
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what was done and is undone again.
    #[must_use]
    pub fn undone(mut self, what: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.detail.undone.extend(what.into_iter().map(Into::into));
        self
    }

    /// With findings.
    #[must_use]
    pub fn findings(mut self, findings: Vec<Finding>) -> Self {
        self.detail.findings = findings;
        self
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_listed_outermost_first() {
        let inner = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "not yours");
        let error = ApiError::caused(ErrorKind::Failed, "Cannot start.", &inner).hint("become root");
        assert_eq!(error.detail.causes, ["not yours"]);
        assert_eq!(error.to_string(), "Cannot start.");
    }

    #[test]
    fn what_is_empty_is_not_sent() {
        let text = serde_json::to_string(&ApiError::new(ErrorKind::InvalidFile, "No.")).unwrap();
        assert_eq!(text, r#"{"kind":"invalid-file","message":"No."}"#);
        let back: ApiError = serde_json::from_str(&text).unwrap();
        assert_eq!(back.kind, ErrorKind::InvalidFile);
    }
}

//! Exit codes: the only place that knows them.

use netloom_api::{ApiError, ErrorKind};

/// Done.
pub(crate) const DONE: u8 = 0;
/// Asked, and the answer is no.
pub(crate) const NO: u8 = 1;
/// Usage or invalid file.
pub(crate) const USAGE: u8 = 2;
/// Could not be done, undone again.
pub(crate) const FAILED: u8 = 3;
/// The machine lacks something.
pub(crate) const MACHINE: u8 = 4;
/// Not faithful.
pub(crate) const NOT_FAITHFUL: u8 = 5;
/// Not done in time.
pub(crate) const TIMEOUT: u8 = 124;
/// `exec`: netloom itself failed.
pub(crate) const EXEC: u8 = 125;
/// Interrupted, after cleaning up.
pub(crate) const INTERRUPTED: u8 = 130;

/// What a command ends with: an exit code, or an error that says its own.
pub(crate) type Outcome = Result<u8, Failure>;

/// An error, and the text its findings point into, where that is not a file to be read.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: ApiError,
    pub(crate) source: Option<Box<Source>>,
}

/// A text that findings point into.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        ApiError::new(ErrorKind::Usage, message).into()
    }

    pub(crate) fn failed(message: impl Into<String>, cause: &(dyn std::error::Error + 'static)) -> Self {
        ApiError::caused(ErrorKind::Failed, message, cause).into()
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error.hint = Some(hint.into());
        self
    }

    pub(crate) fn in_text(mut self, name: &str, text: &str) -> Self {
        self.source = Some(Box::new(Source { name: name.to_owned(), text: text.to_owned() }));
        self
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self { error, source: None }
    }
}

/// The exit code of an error.
pub(crate) const fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage | ErrorKind::InvalidFile | ErrorKind::NotFound | ErrorKind::Unsupported => USAGE,
        ErrorKind::Busy | ErrorKind::Failed | ErrorKind::Internal => FAILED,
        ErrorKind::Machine | ErrorKind::Denied => MACHINE,
        ErrorKind::Timeout => TIMEOUT,
        ErrorKind::Cancelled => INTERRUPTED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_the_documented_code() {
        use ErrorKind as K;
        let all = [
            (K::Usage, 2),
            (K::InvalidFile, 2),
            (K::NotFound, 2),
            (K::Unsupported, 2),
            (K::Busy, 3),
            (K::Failed, 3),
            (K::Internal, 3),
            (K::Machine, 4),
            (K::Denied, 4),
            (K::Timeout, 124),
            (K::Cancelled, 130),
        ];
        for (kind, expected) in all {
            assert_eq!(code(kind), expected, "{kind:?}");
        }
    }
}

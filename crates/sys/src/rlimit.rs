//! The limit of open files, raised to what this process may have: a node costs up to two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::{Because, HostError};

/// Raises the soft limit of open files to the hard one; returns it (`None`: no limit).
///
/// # Errors
/// As setrlimit(2); not met in practice.
pub fn raise_open_files() -> Result<Option<u64>, HostError> {
    let now = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum })
        .because("raise the limit of", || "open files")?;
    Ok(now.maximum)
}

/// The limits of open files of this process: soft and hard (`None`: no limit).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenFiles {
    soft: Option<u64>,
    hard: Option<u64>,
}

impl OpenFiles {
    /// What holds now.
    #[must_use]
    pub fn now() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        Self { soft: current, hard: maximum }
    }

    /// Makes it hold again, so that a program started from here does not inherit a raised limit: some close or scan every
    /// number below it.
    ///
    /// # Errors
    /// As setrlimit(2); not met while the hard limit was not lowered.
    pub fn restore(self) -> Result<(), HostError> {
        setrlimit(Resource::Nofile, Rlimit { current: self.soft, maximum: self.hard })
            .because("restore the limit of", || "open files")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limit_becomes_the_hard_one() {
        let limit = raise_open_files().unwrap();
        let now = getrlimit(Resource::Nofile);
        assert_eq!((now.current, now.maximum), (limit, limit));
    }
}

//! os-ken and its cases, in a Python environment of their own under target/.

use std::path::PathBuf;

use super::Set;
use crate::run::{self, Failed};

/// The release whose cases docs/conformance.md counts.
const PINNED: &str = "os-ken==4.2.2";
/// Its cases, within the environment.
const CASES: &str = "import os, os_ken.tests.switch as s; print(os.path.dirname(s.__file__))";

/// Where the environment and the cases are.
#[derive(Debug)]
pub(super) struct Suite {
    pub(super) python: PathBuf,
    cases: PathBuf,
}

impl Suite {
    /// Makes the environment if it is not there; `None`, said aloud, if that cannot be done.
    ///
    /// # Errors
    /// [`Failed`] if it is there and broken.
    pub(super) fn ready() -> Result<Option<Self>, Failed> {
        let folder = run::target().join("conformance/venv");
        let python = folder.join("bin/python");
        let path = folder.display().to_string();
        let pip = python.display().to_string();
        let done = folder.join("installed");
        let found = std::fs::read_to_string(&done).unwrap_or_default();
        if found != PINNED {
            let made = run::step("python environment", &mut run::command("python3", &["-m", "venv", &path]));
            let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PINNED];
            let made = made.and_then(|()| run::step(PINNED, &mut run::command(&pip, &install)));
            if let Err(why) = made {
                println!("conformance: SKIPPED: {PINNED} cannot be installed: {why}");
                return Ok(None);
            }
            std::fs::write(&done, PINNED)
                .map_err(|source| Failed::File { path: done.display().to_string(), source })?;
        }
        let told = run::output("os-ken", &mut run::command(&pip, &["-c", CASES]))?;
        let cases = PathBuf::from(String::from_utf8_lossy(&told).trim());
        Ok(Some(Self { python, cases }))
    }

    /// The folder of a set.
    pub(super) fn folder(&self, set: Set) -> PathBuf {
        self.cases.join(set.name())
    }
}

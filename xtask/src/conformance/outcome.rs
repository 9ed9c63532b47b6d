//! What became of a case, and of all cases.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Set;
use super::skips::Skip;

/// A case that has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) file: String,
    /// Its place in the file, from 0.
    pub(super) number: u64,
    pub(super) case: String,
    pub(super) passed: bool,
    /// What was wrong.
    pub(super) detail: String,
}

impl Outcome {
    /// Reads a line of conformance/tester.py; `None` if it is about no case.
    pub(super) fn read(line: &Value) -> Option<Self> {
        Some(Self {
            file: line["file"].as_str()?.to_owned(),
            number: line["number"].as_u64()?,
            case: line["case"].as_str()?.to_owned(),
            passed: line["ok"].as_bool()?,
            detail: line["detail"].as_str().unwrap_or_default().to_owned(),
        })
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "file": self.file, "number": self.number, "case": self.case, "ok": self.passed, "detail": self.detail,
        })
    }

    /// `action`, `group`, `match`, `meter`: the first folder.
    fn group(&self) -> &str {
        self.file.split('/').next().unwrap_or_default()
    }
}

/// Counts of a group of cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: usize,
    pub(super) failed: usize,
    /// Failed, and wrong themselves as conformance/skips.toml says.
    pub(super) skipped: usize,
}

impl Counts {
    pub(super) fn cases(self) -> usize {
        self.passed + self.failed + self.skipped
    }
}

/// Who is wrong if a case fails that conformance/skips.toml names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Case,
    Netloom,
}

/// All cases of a run.
#[derive(Debug)]
pub(super) struct Score {
    cases: Vec<(Outcome, Option<Wrong>)>,
}

impl Score {
    pub(super) fn of(set: Set, outcomes: Vec<Outcome>, skips: &[Skip]) -> Self {
        let cases = outcomes
            .into_iter()
            .map(|case| {
                let named = skips.iter().find(|skip| skip.covers(set, &case));
                let wrong = named.map(|skip| if skip.is_failure { Wrong::Netloom } else { Wrong::Case });
                (case, wrong)
            })
            .collect();
        Self { cases }
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.cases.iter().map(|(case, _)| case)
    }

    /// Those that failed, and are not wrong themselves.
    pub(super) fn failed(&self) -> impl Iterator<Item = &Outcome> {
        let failed = |(case, wrong): &&(Outcome, Option<Wrong>)| !case.passed && *wrong != Some(Wrong::Case);
        self.cases.iter().filter(failed).map(|(case, _)| case)
    }

    /// Those of them that nobody knew of.
    pub(super) fn unexpected(&self) -> impl Iterator<Item = &Outcome> {
        self.cases.iter().filter(|(case, wrong)| !case.passed && wrong.is_none()).map(|(case, _)| case)
    }

    /// Those that passed although it is said that they do not.
    pub(super) fn surprising(&self) -> impl Iterator<Item = &Outcome> {
        self.cases.iter().filter(|(case, wrong)| case.passed && wrong.is_some()).map(|(case, _)| case)
    }

    /// By group.
    pub(super) fn counts(&self) -> BTreeMap<&str, Counts> {
        let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
        for (case, wrong) in &self.cases {
            let group = counts.entry(case.group()).or_default();
            match (case.passed, wrong) {
                (true, _) => group.passed += 1,
                (false, Some(Wrong::Case)) => group.skipped += 1,
                (false, Some(Wrong::Netloom) | None) => group.failed += 1,
            }
        }
        counts
    }
}

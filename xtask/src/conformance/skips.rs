//! conformance/skips.toml: cases that are wrong themselves, or ask for what the standard forbids (`[[skip]]`), and those
//! that netloom fails though it should not (`[[failure]]`), which count as failed.
//!
//! Of TOML it needs, and has: tables of an array, texts in double quotes without escapes, comments.

use super::Set;
use super::outcome::Outcome;
use crate::run::{self, Failed};

/// Its path.
const FILE: &str = "conformance/skips.toml";

/// Cases of one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Skip {
    /// Names of sets.
    pub(super) sets: String,
    /// Which files; `*` stands for any text.
    pub(super) files: String,
    /// Which cases by their description, likewise.
    pub(super) cases: String,
    pub(super) reason: String,
    /// netloom is wrong, not the case.
    pub(super) is_failure: bool,
}

impl Skip {
    pub(super) fn covers(&self, set: Set, case: &Outcome) -> bool {
        self.sets.split_whitespace().any(|name| name == set.name())
            && fits(&self.files, &case.file)
            && fits(&self.cases, &case.case)
    }
}

/// Reads the file.
///
/// # Errors
/// [`Failed::Check`] with the line that is wrong.
pub(super) fn read() -> Result<Vec<Skip>, Failed> {
    parse(&run::read(FILE)?).map_err(|(line, why)| Failed::Check(format!("{FILE}:{line}: {why}")))
}

fn parse(text: &str) -> Result<Vec<Skip>, (usize, &'static str)> {
    let mut skips: Vec<Skip> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let "[[skip]]" | "[[failure]]" = line {
            let is_failure = line == "[[failure]]";
            skips.push(Skip { cases: "*".to_owned(), is_failure, ..Skip::default() });
            continue;
        }
        let skip = skips.last_mut().ok_or((number, "a key before [[skip]] or [[failure]]"))?;
        let (key, value) = line.split_once('=').ok_or((number, "neither a table nor a key"))?;
        let value = value.trim().strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let value = value.ok_or((number, "no text in double quotes"))?.to_owned();
        match key.trim() {
            "sets" => skip.sets = value,
            "files" => skip.files = value,
            "cases" => skip.cases = value,
            "reason" => skip.reason = value,
            _ => return Err((number, "a key that is not known")),
        }
    }
    let whole = |skip: &Skip| ![&skip.sets, &skip.files, &skip.reason].iter().any(|text| text.is_empty());
    if skips.iter().all(whole) { Ok(skips) } else { Err((0, "an entry without sets, files or reason")) }
}

/// Whether `pattern`, in which `*` stands for any text, is all of `text`.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::{fits, parse, read};

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, is) in [
            ("*", "", true),
            ("a/*.json", "a/b.json", true),
            ("a/*.json", "b/b.json", false),
            ("*mpls*ipv4*", "ethernet/mpls/ipv4/tcp", true),
            ("*ipv4*mpls*", "ethernet/mpls/ipv4/tcp", false),
            ("ab*ba", "aba", false),
            ("ab", "abc", false),
        ] {
            assert_eq!(fits(pattern, text), is, "{pattern} {text}");
        }
    }

    #[test]
    fn entries_are_whole_and_the_one_of_this_tree_can_be_read() {
        assert!(parse("[[skip]]\nsets = \"of10\"\nfiles = \"*\"\n").is_err(), "a reason is wanted");
        assert_eq!(parse("x = \"\"").unwrap_err().0, 1);
        assert_eq!(parse("[[skip]]\nfile = \"a\"").unwrap_err().0, 2);
        read().unwrap();
    }
}

//! What is wrong with a text, where, and what would be right.

use std::ops::Range;

use super::piece::Piece;

/// Why a text is not a flow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FlowTextError {
    /// Where, in bytes of the text.
    pub span: Range<usize>,
    /// What is wrong: a sentence without a full stop.
    pub message: String,
    /// What would be right, if that can be told.
    pub hint: Option<String>,
}

impl FlowTextError {
    pub(super) fn new(at: Piece<'_>, message: impl Into<String>) -> Self {
        Self { span: at.span(), message: message.into(), hint: None }
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Suggests the closest of `known`, if one is close.
    #[must_use]
    pub(super) fn did_you_mean<'a>(mut self, word: &str, known: impl Iterator<Item = &'a str>) -> Self {
        if let Some(best) = closest(word, known) {
            self.hint = Some(format!("did you mean '{best}'?"));
        }
        self
    }
}

/// The known word that differs least, by at most a third of its letters.
fn closest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // A long word is no misspelling; measuring it would take quadratic time.
    if word.len() > 40 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let distance = |name: &str| strsim::osa_distance(&word, &name.to_ascii_lowercase());
    let limit = |name: &str| (name.len().max(word.len()) / 3).max(1);
    known
        .filter(|name| name.len().abs_diff(word.len()) <= limit(name))
        .map(|name| (distance(name), name))
        .filter(|(distance, name)| *distance <= limit(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_close() {
        let known = ["nw_src", "nw_dst", "tp_dst"];
        assert_eq!(closest("nw_dsts", known.into_iter()), Some("nw_dst"));
        assert_eq!(closest("NW_SRC", known.into_iter()), Some("nw_src"));
        assert_eq!(closest("banana", known.into_iter()), None);
        assert_eq!(closest(&"x".repeat(1_000_000), known.into_iter()), None);
    }
}

//! What is wrong with a lab file: place, sentence, hint. All of a file's errors are reported in one go.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A range of bytes of the lab file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    /// As a range, to slice the source with [`str::get`].
    #[must_use]
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// The part `inner` of the text that stands at this span, or the whole where the text does not stand there
    /// letter by letter (quoted, or from a variable).
    #[must_use]
    pub(crate) fn part(self, inner: &Range<usize>, text_len: usize) -> Self {
        if self.end - self.start == text_len && inner.start <= inner.end && inner.end <= text_len {
            Self { start: self.start + inner.start, end: self.start + inner.end }
        } else {
            self
        }
    }
}

/// A value and where it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value with its place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// One error of a lab file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// Where: bytes of the file.
    pub span: Span,
    /// What is wrong, values included.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What is wrong with a piece of text, before its place in the file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextError {
    /// Which bytes of the text; `None`: all of it.
    pub part: Option<Range<usize>>,
    /// What is wrong, values included.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl TextError {
    /// An error about all of a text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { part: None, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Narrows the error to some bytes of the text.
    #[must_use]
    pub fn at(mut self, part: Range<usize>) -> Self {
        self.part = Some(part);
        self
    }
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for TextError {}

/// All errors of one lab file, in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    /// The file.
    pub path: PathBuf,
    /// At least one.
    pub errors: Vec<FileError>,
}

impl Errors {
    /// Sorts what was collected; `Ok(value)` if that is nothing.
    ///
    /// # Errors
    /// The errors, if there are any.
    pub(crate) fn unless_empty<T>(path: &Path, errors: Vec<FileError>, value: T) -> Result<T, Self> {
        if errors.is_empty() { Ok(value) } else { Err(Self::of(path, errors)) }
    }

    /// Sorts what was collected, which is not nothing.
    pub(crate) fn of(path: &Path, mut errors: Vec<FileError>) -> Self {
        errors.sort_by(|a, b| (a.span, &a.message).cmp(&(b.span, &b.message)));
        errors.dedup();
        Self { path: path.to_owned(), errors }
    }

    /// The errors as plain lines, `file:line:column: message (hint)`, for a terminal without colours and for logs.
    #[must_use]
    pub fn render(&self, source: &str) -> String {
        let mut out = String::new();
        for error in &self.errors {
            let (line, column) = line_column(source, error.span.start);
            out.push_str(&format!("{}:{line}:{column}: {}", self.path.display(), error.message));
            if let Some(hint) = &error.hint {
                out.push_str(&format!("\n  hint: {hint}"));
            }
            out.push('\n');
        }
        out
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.errors.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{} has {count} error{plural}", self.path.display())?;
        self.errors.first().map_or(Ok(()), |e| write!(f, ": {}", e.message))
    }
}

impl std::error::Error for Errors {}

/// Line and column, both from 1, of a byte of `source`; the column counts characters.
#[must_use]
pub fn line_column(source: &str, byte: usize) -> (usize, usize) {
    let mut end = byte.min(source.len());
    while !source.is_char_boundary(end) {
        end -= 1;
    }
    let before = source.get(..end).unwrap_or_default();
    let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// "did you mean `x`?" if one of `known` is close to `word`.
#[must_use]
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, known).map(is_meant)
}

/// The hint that a word is meant.
pub(crate) fn is_meant(word: &str) -> String {
    format!("did you mean `{word}`?")
}

/// The one of `known` that is close to `word`.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut best: Option<(f64, &str)> = None;
    if word.len() > 64 {
        return None;
    }
    for candidate in known.into_iter().take(2_000) {
        // Two swapped letters of a short word are near, though Jaro and Winkler do not think so.
        let near = candidate.len() > 2 && strsim::osa_distance(word, candidate) <= 1 + candidate.len() / 5;
        let score = strsim::jaro_winkler(word, candidate).max(if near { 0.8 } else { 0.0 });
        if score > best.map_or(0.78, |(s, _)| s) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_and_in_characters() {
        let text = "a\nbé c";
        assert_eq!(line_column(text, 0), (1, 1));
        assert_eq!(line_column(text, 2), (2, 1));
        assert_eq!(line_column(text, 5), (2, 3));
        assert_eq!(line_column(text, 4), (2, 2), "inside a character: its start");
        assert_eq!(line_column(text, 99), (2, 5));
    }

    #[test]
    fn suggestions_only_for_near_words() {
        assert_eq!(did_you_mean("dealy", ["delay", "rate"]), Some("did you mean `delay`?".into()));
        assert_eq!(did_you_mean("cna", ["can", "cannot"]), Some("did you mean `can`?".into()));
        assert_eq!(did_you_mean("xyz", ["delay", "rate"]), None);
    }
}

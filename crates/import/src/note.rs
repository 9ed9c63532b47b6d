//! What comes of an import: the lab file, and what of the source is not in it.

use netloom_lab::Span;

/// A lab file that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The lab file.
    pub text: String,
    /// What was not carried over, or is otherwise than it was, in the order of the source.
    pub notes: Vec<Note>,
}

/// Something that was not carried over as it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where it stands in the source.
    pub span: Span,
    /// Its path of keys: `services.web.build`.
    pub what: String,
    /// What became of it.
    pub why: String,
}

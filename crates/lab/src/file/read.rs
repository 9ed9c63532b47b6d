//! What all readers share: collecting errors, taking maps apart by their table of keys, values with their spans.

use std::cell::Cell;

use super::gaps::Gaps;
use super::keys::{Key, Shape, Table};
use super::yaml::{Node, Value};
use crate::error::{FileError, Span, Spanned, TextError, did_you_mean, is_meant, nearest};

/// The most errors that are reported of one file.
const MAX_ERRORS: usize = 1_000;

/// Collects the errors of one file.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) errors: Vec<FileError>,
    /// What they leave out.
    gaps: Gaps,
    /// What an error leaves out where the reading is now.
    scope: Gaps,
}

impl Default for Reader {
    fn default() -> Self {
        Self { errors: Vec::new(), gaps: Gaps::NONE, scope: Gaps::ALL }
    }
}

impl Reader {
    /// Of one who looks at what was read: these are missing there, and its own errors leave out nothing.
    pub(crate) const fn after(gaps: Gaps) -> Self {
        Self { errors: Vec::new(), gaps, scope: Gaps::NONE }
    }

    /// Whether there are so many errors that nobody would read another.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    /// What the errors so far leave out.
    pub(crate) const fn gaps(&self) -> Gaps {
        self.gaps
    }

    /// Notes that these may be missing.
    pub(crate) fn lose(&mut self, gaps: Gaps) {
        self.gaps |= gaps;
    }

    /// Reads something of which an error leaves out no more than this.
    pub(crate) fn losing<T>(&mut self, gaps: Gaps, read: impl FnOnce(&mut Self) -> T) -> T {
        let scope = std::mem::replace(&mut self.scope, gaps);
        let out = read(self);
        self.scope = scope;
        out
    }

    /// Reads something that nothing else refers to.
    pub(crate) fn minor<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.losing(Gaps::NONE, read)
    }

    /// Notes an error.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, hint: Option<&str>) {
        self.note(FileError { span, message: message.into(), hint: hint.map(str::to_owned) });
    }

    /// Notes an error that may follow from another if one of these was left out.
    pub(crate) fn error_unless(
        &mut self,
        missing: Gaps,
        span: Span,
        message: impl Into<String>,
        hint: Option<&str>,
    ) {
        if !self.gaps.meets(missing) {
            self.error(span, message, hint);
        }
    }

    /// As [`Self::error_unless`], about the text that stands at `span`.
    pub(crate) fn text_error_unless(&mut self, missing: Gaps, span: Span, text_len: usize, error: TextError) {
        if !self.gaps.meets(missing) {
            self.text_error(span, text_len, error);
        }
    }

    /// Notes what is wrong with the text that stands at `span`.
    pub(crate) fn text_error(&mut self, span: Span, text_len: usize, error: TextError) {
        let span = error.part.as_ref().map_or(span, |part| span.part(part, text_len));
        self.note(FileError { span, message: error.message, hint: error.hint });
    }

    fn note(&mut self, error: FileError) {
        self.lose(self.scope);
        if !self.is_full() {
            self.errors.push(error);
        }
    }

    /// The text of a scalar.
    pub(crate) fn text<'t>(&mut self, node: &'t Node) -> Option<&'t str> {
        let text = node.text().filter(|_| !node.is_null());
        if text.is_none() {
            self.error(node.span, format!("a text is wanted here, not {}", node.kind()), None);
        }
        text
    }

    /// The text of a scalar, with its place.
    pub(crate) fn string(&mut self, node: &Node) -> Option<Spanned<String>> {
        let text = self.text(node)?.to_owned();
        Some(Spanned::new(text, node.span))
    }

    /// A scalar as `parse` understands it.
    pub(crate) fn parse<T>(
        &mut self,
        node: &Node,
        parse: impl FnOnce(&str) -> Result<T, TextError>,
    ) -> Option<Spanned<T>> {
        let text = self.text(node)?;
        match parse(text) {
            Ok(value) => Some(Spanned::new(value, node.span)),
            Err(error) => {
                self.text_error(node.span, text.len(), error);
                None
            }
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, node: &Node) -> Option<bool> {
        self.parse(node, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(TextError::new(format!("`{text}` is neither true nor false"))),
        })
        .map(|flag| flag.value)
    }

    /// A bare number within the bounds that `key` has in `table`.
    pub(crate) fn integer(&mut self, node: &Node, bounds: (u64, u64)) -> Option<Spanned<u64>> {
        self.parse(node, |text| integer(text, bounds))
    }

    /// One of some words, as its index in `words`.
    pub(crate) fn choice(&mut self, node: &Node, words: &[&str]) -> Option<usize> {
        self.parse(node, |text| {
            words.iter().position(|word| *word == text).ok_or_else(|| {
                let hint = did_you_mean(text, words.iter().copied());
                TextError::new(format!("`{text}` is not possible here"))
                    .hint(hint.unwrap_or_else(|| format!("one of {}", words.join(", "))))
            })
        })
        .map(|index| index.value)
    }

    /// The items of a list; anything else is a list of one, nothing is an empty one.
    pub(crate) fn list<'t>(&mut self, node: &'t Node) -> &'t [Node] {
        match &node.value {
            Value::Seq { items, .. } => items,
            _ if node.is_null() => &[],
            _ => std::slice::from_ref(node),
        }
    }

    /// The texts of a list.
    pub(crate) fn strings(&mut self, node: &Node) -> Vec<Spanned<String>> {
        self.list(node).iter().filter_map(|item| self.string(item)).collect()
    }

    /// The entries of a map with any keys: `(key, its span, value)`.
    pub(crate) fn entries<'t>(&mut self, node: &'t Node) -> Vec<(&'t str, Span, &'t Node)> {
        let Value::Map(entries) = &node.value else {
            if !node.is_null() {
                self.error(node.span, format!("a map is wanted here, not {}", node.kind()), None);
            }
            return Vec::new();
        };
        entries.iter().filter_map(|(key, value)| Some((self.text(key)?, key.span, value))).collect()
    }

    /// A map from texts to texts.
    pub(crate) fn text_map(&mut self, node: &Node) -> Vec<(Spanned<String>, Spanned<String>)> {
        let entries = self.entries(node);
        let pair = |(key, span, value): (&str, Span, &Node)| {
            Some((Spanned::new(key.to_owned(), span), self.string(value)?))
        };
        entries.into_iter().filter_map(pair).collect()
    }

    /// Takes a map apart; unknown keys, and keys of features to come, are errors. `what` names the map.
    pub(crate) fn fields<'t>(&mut self, node: &'t Node, table: Table, what: &str) -> Fields<'t> {
        let mut entries: Vec<Field<'t>> = Vec::new();
        let mut misspelt = Vec::new();
        for (name, span, value) in self.entries(node) {
            let field = |key| Field { key, span, value, taken: Cell::new(false) };
            match find(table, name) {
                None => misspelt.extend(self.unknown_key(span, name, table, what).map(field)),
                Some(Key { shape: Shape::Later, about, .. }) => {
                    let hint = "this version refuses the key rather than ignore it; take it out to go on";
                    let message = format!("not yet supported: `{name}` ({about})");
                    self.minor(|reader| reader.error(span, message, Some(hint)));
                }
                Some(key) => entries.push(field(key)),
            }
        }
        for field in misspelt {
            // Two of one name: nobody knows which is meant.
            if entries.iter().any(|other| other.key.name == field.key.name) {
                self.lose(self.scope);
            } else {
                entries.push(field);
            }
        }
        Fields { span: node.span, table, entries }
    }

    /// Notes that there is no such key; the key that is meant, if one is near enough to be read in its place.
    fn unknown_key(&mut self, span: Span, name: &str, table: Table, what: &str) -> Option<&'static Key> {
        let known = || table.iter().flat_map(|group| group.iter());
        let meant = nearest(name, known().map(|key| key.name)).and_then(|meant| find(table, meant));
        let hint = meant.map_or_else(
            || {
                let usable = known().filter(|key| !matches!(key.shape, Shape::Later));
                let names: Vec<_> = usable.map(|key| key.name).collect();
                if names.is_empty() {
                    "it has no keys so far".to_owned()
                } else {
                    format!("its keys are {}", names.join(", "))
                }
            },
            |key| is_meant(key.name),
        );
        self.minor(|reader| reader.error(span, format!("`{name}` is not a key of {what}"), Some(&hint)));
        meant.filter(|key| !matches!(key.shape, Shape::Later))
    }
}

/// A bare number within bounds.
pub(crate) fn integer(text: &str, (least, most): (u64, u64)) -> Result<u64, TextError> {
    let number = text.parse::<u64>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let number = number.ok_or_else(|| {
        TextError::new(format!("`{text}` is not a whole number")).hint(if most == u64::MAX {
            "write a bare number".into()
        } else {
            format!("a bare number from {least} to {most}")
        })
    })?;
    if (least..=most).contains(&number) {
        Ok(number)
    } else if least == most {
        Err(TextError::new(format!("{number} is not possible here")).hint(format!("it can only be {least}")))
    } else {
        Err(TextError::new(format!("{number} is out of range")).hint(format!("from {least} to {most}")))
    }
}

fn find(table: Table, name: &str) -> Option<&'static Key> {
    table.iter().flat_map(|group| group.iter()).find(|key| key.name == name)
}

/// A map that was taken apart.
#[derive(Debug)]
pub(crate) struct Fields<'t> {
    pub(crate) span: Span,
    table: Table,
    entries: Vec<Field<'t>>,
}

#[derive(Debug)]
struct Field<'t> {
    key: &'static Key,
    span: Span,
    value: &'t Node,
    taken: Cell<bool>,
}

impl<'t> Fields<'t> {
    /// The value of a key of the table.
    pub(crate) fn take(&self, name: &str) -> Option<&'t Node> {
        debug_assert!(find(self.table, name).is_some(), "{name} is in the table of keys");
        let field = self.entries.iter().find(|field| field.key.name == name)?;
        field.taken.set(true);
        Some(field.value)
    }

    /// The keys that are there, each with its place.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&'static str, Span)> + '_ {
        self.entries.iter().map(|field| (field.key.name, field.span))
    }

    /// The bounds of a key that holds a number.
    pub(crate) fn bounds(&self, name: &str) -> (u64, u64) {
        match find(self.table, name).map(|key| key.shape) {
            Some(Shape::Integer(least, most)) => (least, most),
            Some(Shape::Any(shapes)) => shapes
                .iter()
                .find_map(|s| if let Shape::Integer(least, most) = s { Some((*least, *most)) } else { None })
                .unwrap_or((0, u64::MAX)),
            _ => (0, u64::MAX),
        }
    }

    /// The number of a key.
    pub(crate) fn integer(&self, reader: &mut Reader, name: &str) -> Option<Spanned<u64>> {
        let node = self.take(name)?;
        reader.integer(node, self.bounds(name))
    }
}

impl Drop for Fields<'_> {
    /// Every key of a table has a reader: what the schema promises is read.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            for field in &self.entries {
                debug_assert!(field.taken.get(), "no reader took the key {}", field.key.name);
            }
        }
    }
}

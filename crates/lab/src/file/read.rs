//! What all readers share: collecting errors, taking maps apart by their table of keys, values with their spans.

use std::cell::Cell;

use super::keys::{Key, Shape, Table};
use super::yaml::{Node, Value};
use crate::error::{FileError, Span, Spanned, TextError, did_you_mean};

/// The most errors that are reported of one file.
const MAX_ERRORS: usize = 1_000;

/// Collects the errors of one file.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    pub(crate) errors: Vec<FileError>,
    /// How many of them leave everything in place that other things refer to.
    minor: usize,
}

impl Reader {
    /// Whether there are so many errors that nobody would read another.
    pub(crate) fn is_full(&self) -> bool {
        self.errors.len() >= MAX_ERRORS
    }

    /// Reads something that nothing else refers to: if it is wrong, the rest can be looked at all the same.
    pub(crate) fn minor<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let (errors, minor) = (self.errors.len(), self.minor);
        let out = read(self);
        self.minor = minor + (self.errors.len() - errors);
        out
    }

    /// Whether no thing, name or address is missing in what was read.
    pub(crate) fn is_whole(&self) -> bool {
        self.minor == self.errors.len()
    }

    /// Notes an error.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, hint: Option<&str>) {
        if self.is_full() {
            return;
        }
        self.errors.push(FileError { span, message: message.into(), hint: hint.map(str::to_owned) });
    }

    /// Notes what is wrong with the text that stands at `span`.
    pub(crate) fn text_error(&mut self, span: Span, text_len: usize, error: TextError) {
        if self.is_full() {
            return;
        }
        let span = error.part.as_ref().map_or(span, |part| span.part(part, text_len));
        self.errors.push(FileError { span, message: error.message, hint: error.hint });
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
        let mut entries = Vec::new();
        for (name, span, value) in self.entries(node) {
            match find(table, name) {
                None => self.unknown_key(span, name, table, what),
                Some(Key { shape: Shape::Later, about, .. }) => {
                    let hint = "this version refuses the key rather than ignore it; take it out to go on";
                    let message = format!("not yet supported: `{name}` ({about})");
                    self.minor(|reader| reader.error(span, message, Some(hint)));
                }
                Some(key) => entries.push(Field { key, span, value, taken: Cell::new(false) }),
            }
        }
        Fields { span: node.span, table, entries }
    }

    fn unknown_key(&mut self, span: Span, name: &str, table: Table, what: &str) {
        let known = || table.iter().flat_map(|group| group.iter());
        let meant = did_you_mean(name, known().map(|key| key.name));
        let near = meant.is_some();
        let hint = meant.unwrap_or_else(|| {
            let usable = known().filter(|key| !matches!(key.shape, Shape::Later));
            let names: Vec<_> = usable.map(|key| key.name).collect();
            if names.is_empty() {
                "it has no keys so far".to_owned()
            } else {
                format!("its keys are {}", names.join(", "))
            }
        });
        let message = format!("`{name}` is not a key of {what}");
        if near {
            // What it should have been is missing.
            self.error(span, message, Some(&hint));
        } else {
            self.minor(|reader| reader.error(span, message, Some(&hint)));
        }
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

//! Taking the source apart: maps with their merges, texts, lists, pairs; and collecting what is wrong or left out.

use netloom_lab::yaml::{self, Node, Value};
use netloom_lab::{FileError, Span};

use crate::note::Note;
use crate::outside::Outside;

/// One import under way.
pub(crate) struct Reading<'o> {
    pub(crate) outside: &'o dyn Outside,
    pub(crate) notes: Vec<Note>,
    pub(crate) errors: Vec<FileError>,
}

/// A key and what stands under it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'n> {
    pub(crate) name: &'n str,
    pub(crate) span: Span,
    pub(crate) node: &'n Node,
}

impl<'o> Reading<'o> {
    pub(crate) const fn new(outside: &'o dyn Outside) -> Self {
        Self { outside, notes: Vec::new(), errors: Vec::new() }
    }

    /// Reads YAML.
    ///
    /// # Errors
    /// What makes it none.
    pub(crate) fn parse(source: &str) -> Result<Node, Vec<FileError>> {
        let mut errors = Vec::new();
        let root = yaml::parse(source, &mut errors).map_err(|error| vec![error])?;
        if errors.is_empty() { Ok(root) } else { Err(errors) }
    }

    /// Says what became of something.
    pub(crate) fn note(&mut self, span: Span, what: impl Into<String>, why: impl Into<String>) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(Note { span, what: what.into(), why: why.into() });
        }
    }

    /// Notes an error.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>, hint: Option<&str>) {
        if self.errors.len() < MAX_NOTES {
            self.errors.push(FileError { span, message: message.into(), hint: hint.map(str::to_owned) });
        }
    }

    /// The keys of a map, those merged in by `<<` last (YAML 1.1 merge keys); anything else than a map is an error.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, what: &str) -> Vec<Field<'n>> {
        let mut out = Vec::new();
        self.collect(node, what, &mut out, 0);
        out
    }

    fn collect<'n>(&mut self, node: &'n Node, what: &str, out: &mut Vec<Field<'n>>, depth: usize) {
        if node.is_null() || depth > MAX_MERGES {
            return;
        }
        let Value::Map(entries) = &node.value else {
            self.error(node.span, format!("{what} is a map, not {}", node.kind()), None);
            return;
        };
        let mut merged = Vec::new();
        for (key, value) in entries {
            match key.text() {
                Some("<<") => merged.push(value),
                Some(name) if out.iter().all(|field| field.name != name) => {
                    out.push(Field { name, span: key.span, node: value });
                }
                Some(_) => {}
                None => self.error(key.span, format!("a key of {what} is a text, not {}", key.kind()), None),
            }
        }
        for value in merged {
            match &value.value {
                Value::Seq { items, .. } => {
                    items.iter().for_each(|item| self.collect(item, what, out, depth + 1))
                }
                _ => self.collect(value, what, out, depth + 1),
            }
        }
    }

    /// A text.
    pub(crate) fn text(&mut self, field: Field<'_>) -> Option<String> {
        let text = field.node.text().filter(|_| !field.node.is_null());
        if text.is_none() {
            self.error(
                field.node.span,
                format!("`{}` is a text, not {}", field.name, field.node.kind()),
                None,
            );
        }
        text.map(str::to_owned)
    }

    /// `true` or `false`.
    pub(crate) fn flag(&mut self, field: Field<'_>) -> bool {
        match field.node.text().map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "yes" | "on") => true,
            Some("false" | "no" | "off") => false,
            _ => {
                self.error(field.node.span, format!("`{}` is true or false", field.name), None);
                false
            }
        }
    }

    /// A text or a list of them.
    pub(crate) fn texts(&mut self, field: Field<'_>) -> Vec<String> {
        items(field.node).iter().filter_map(|node| self.text(Field { node, ..field })).collect()
    }

    /// A map, or a list of `NAME=VALUE`; without a value it is `None`.
    pub(crate) fn pairs(&mut self, field: Field<'_>) -> Vec<(String, Option<String>)> {
        if !matches!(field.node.value, Value::Map(_)) {
            let split = |text: String| match text.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (text, None),
            };
            return self.texts(field).into_iter().map(split).collect();
        }
        let fields = self.fields(field.node, field.name);
        let value = |reading: &mut Self, field: Field<'_>| {
            (field.name.to_owned(), if field.node.is_null() { None } else { reading.text(field) })
        };
        fields.into_iter().map(|field| value(self, field)).collect()
    }
}

/// The items of a list, or the one thing that is none; nothing of nothing.
pub(crate) fn items(node: &Node) -> &[Node] {
    match &node.value {
        Value::Seq { items, .. } => items,
        _ if node.is_null() => &[],
        _ => std::slice::from_ref(node),
    }
}

/// What stands under a key.
pub(crate) fn find<'n>(fields: &[Field<'n>], name: &str) -> Option<Field<'n>> {
    fields.iter().find(|field| field.name == name).copied()
}

const MAX_NOTES: usize = 1_000;
const MAX_MERGES: usize = 16;

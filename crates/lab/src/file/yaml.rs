//! YAML text to a tree whose every node knows its bytes in the file.
//!
//! The tree is built from the parser's events, not by a loader: so nesting, aliases and the number of nodes are
//! bounded whatever the file says, a key written twice is reported with both places, and scalars stay the text
//! that was written (`1e3` or `0x10` is whatever the reader of that key makes of it).

use std::collections::{BTreeMap, BTreeSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};

use crate::error::{FileError, Span};

/// Deepest nesting of a file.
const MAX_DEPTH: usize = 32;
/// Most nodes of a file, aliases expanded.
const MAX_NODES: usize = 2_000_000;

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its bytes in the file.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, a number, a word.
    Scalar {
        /// As it was written, escapes resolved.
        text: String,
        /// Written without quotes, so that `null` and `true` mean what they mean.
        plain: bool,
    },
    /// A list.
    Seq {
        /// In their order.
        items: Vec<Node>,
        /// Written in `[ ]`.
        flow: bool,
    },
    /// Keys and values in their order.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Whether it is an empty plain scalar, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// What it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } => "text",
            Value::Seq { .. } => "a list",
            Value::Map(_) => "a map",
        }
    }

    fn size(&self) -> usize {
        match &self.value {
            Value::Scalar { .. } => 1,
            Value::Seq { items, .. } => 1 + items.iter().map(Self::size).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|(k, v)| k.size() + v.size()).sum::<usize>(),
        }
    }
}

/// Reads the one document of `source`; duplicate keys go to `errors`, the first of them counts.
///
/// # Errors
/// One error where the text is no YAML, or more than the bounds allow.
pub fn parse(source: &str, errors: &mut Vec<FileError>) -> Result<Node, FileError> {
    let mut builder = Builder { source, offsets: Offsets::new(source), ..Builder::default() };
    for event in Parser::new_from_str(source) {
        let (event, span) = event.map_err(|e| builder.scan_error(&e))?;
        let span = builder.span(span.start, span.end);
        builder.event(event, span, errors)?;
    }
    let empty = Node { span: Span::default(), value: Value::Scalar { text: String::new(), plain: true } };
    errors.truncate(1_000);
    Ok(builder.root.unwrap_or(empty))
}

/// From the parser's characters to bytes: 1 to 1 in ASCII.
#[derive(Default)]
struct Offsets(Option<Vec<u32>>);

impl Offsets {
    fn new(source: &str) -> Self {
        if source.is_ascii() {
            return Self(None);
        }
        let bytes = source.char_indices().map(|(i, _)| u32::try_from(i).unwrap_or(u32::MAX));
        Self(Some(bytes.collect()))
    }

    fn byte(&self, mark: Marker, len: usize) -> usize {
        match &self.0 {
            None => mark.index().min(len),
            Some(table) => table.get(mark.index()).map_or(len, |b| (*b as usize).min(len)),
        }
    }
}

/// A container that is still open.
struct Open {
    span: Span,
    anchor: usize,
    container: Container,
}

enum Container {
    Seq { items: Vec<Node>, flow: bool },
    Map { entries: Vec<(Node, Node)>, key: Option<Node>, seen: BTreeSet<String> },
}

#[derive(Default)]
struct Builder<'s> {
    source: &'s str,
    offsets: Offsets,
    stack: Vec<Open>,
    anchors: BTreeMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
}

impl Builder<'_> {
    fn span(&self, start: Marker, end: Marker) -> Span {
        let len = self.source.len();
        let (start, end) = (self.offsets.byte(start, len), self.offsets.byte(end, len));
        Span { start, end: end.max(start) }
    }

    fn scan_error(&self, error: &ScanError) -> FileError {
        let span = self.span(*error.marker(), *error.marker());
        let hint = error.info().contains("tab").then(|| "indent with spaces".to_owned());
        FileError { span, message: format!("This is not YAML: {}", error.info()), hint }
    }

    fn event(&mut self, event: Event<'_>, span: Span, errors: &mut Vec<FileError>) -> Result<(), FileError> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let node = Node { span, value: Value::Scalar { text: text.into_owned(), plain } };
                self.add(node, anchor, errors)
            }
            Event::SequenceStart(anchor, _) => {
                let flow = self.source.as_bytes().get(span.start) == Some(&b'[');
                self.open(span, anchor, Container::Seq { items: Vec::new(), flow })
            }
            Event::MappingStart(anchor, _) => {
                let map = Container::Map { entries: Vec::new(), key: None, seen: BTreeSet::new() };
                self.open(span, anchor, map)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span, errors),
            Event::Alias(id) => {
                // An alias within its own anchor is not known yet.
                let Some(node) = self.anchors.get(&id).cloned() else {
                    return Err(fail(span, "this alias names no anchor before it"));
                };
                self.nodes += node.size();
                self.add(Node { span, ..node }, 0, errors)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(fail(span, "a file is one document; a second begins here"))
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, span: Span, anchor: usize, container: Container) -> Result<(), FileError> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(fail(span, &format!("this is nested more than {MAX_DEPTH} deep")));
        }
        self.stack.push(Open { span, anchor, container });
        Ok(())
    }

    fn close(&mut self, span: Span, errors: &mut Vec<FileError>) -> Result<(), FileError> {
        let Some(open) = self.stack.pop() else { return Ok(()) };
        let end = self.trim_end(open.span.start, span.end);
        let value = match open.container {
            Container::Seq { items, flow } => Value::Seq { items, flow },
            Container::Map { entries, .. } => Value::Map(entries),
        };
        self.add(Node { span: Span { start: open.span.start, end }, value }, open.anchor, errors)
    }

    fn add(&mut self, node: Node, anchor: usize, errors: &mut Vec<FileError>) -> Result<(), FileError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(fail(node.span, &format!("the file has more than {MAX_NODES} values")));
        }
        if anchor > 0 {
            self.nodes += node.size();
            self.anchors.insert(anchor, node.clone());
        }
        match self.stack.last_mut().map(|open| &mut open.container) {
            None => self.root = Some(node),
            Some(Container::Seq { items, .. }) => items.push(node),
            Some(Container::Map { entries, key, seen }) => match key.take() {
                None => *key = Some(node),
                Some(key) => {
                    let name = key.text().unwrap_or_default().to_owned();
                    if seen.insert(name.clone()) {
                        entries.push((key, node));
                    } else {
                        errors.push(FileError {
                            span: key.span,
                            message: format!("`{name}` stands here a second time"),
                            hint: Some("keep one of the two, or join what they say".to_owned()),
                        });
                    }
                }
            },
        }
        Ok(())
    }

    /// The parser ends a block where the next one begins; we mean the last byte that says something.
    fn trim_end(&self, start: usize, end: usize) -> usize {
        self.source.get(start..end).map_or(end, |text| start + text.trim_end().len())
    }
}

fn fail(span: Span, message: &str) -> FileError {
    FileError { span, message: message.to_owned(), hint: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(source: &str) -> Node {
        let mut errors = Vec::new();
        let node = parse(source, &mut errors).expect("valid");
        assert_eq!(errors, []);
        node
    }

    #[test]
    fn spans_are_bytes_of_the_file() {
        let source = "é: [a, bü]\nx:\n  y: 1\n";
        let Value::Map(entries) = tree(source).value else { panic!("a map") };
        let Value::Seq { items, flow } = &entries[0].1.value else { panic!("a list") };
        assert!(flow);
        assert_eq!(source.get(items[1].span.range()), Some("bü"));
        assert_eq!(source.get(entries[1].1.span.range()), Some("y: 1"));
    }

    #[test]
    fn keys_written_twice_are_reported() {
        let mut errors = Vec::new();
        parse("a: 1\nb: 2\na: 3\n", &mut errors).expect("a tree");
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].span, Span { start: 10, end: 11 });
    }

    #[test]
    fn bombs_are_refused() {
        let mut errors = Vec::new();
        assert!(parse(&"[".repeat(100_000), &mut errors).is_err());
        assert!(parse(&"- ".repeat(100_000), &mut errors).is_err());
        let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(", ");
            laughs.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        assert!(parse(&laughs, &mut errors).is_err_and(|e| e.message.contains("more than")));
        assert!(parse("a: 1\n---\nb: 2\n", &mut errors).is_err());
        assert!(parse("a: &x [*x]", &mut errors).is_err());
        assert!(parse("a:\n\tb: 1\n\tc: 2", &mut errors).is_err());
    }
}

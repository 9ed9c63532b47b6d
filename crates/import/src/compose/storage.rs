//! Volumes, file systems in memory, and the files of `configs` and `secrets`.

use netloom_lab::yaml::{Node, Value};

use crate::made::Map;
use crate::names::label;
use crate::read::{Field, Reading, find, items};
use crate::size;

/// `volumes:` of a service.
pub(super) fn volumes(reading: &mut Reading<'_>, field: Field<'_>, service: &str, what: &str, map: &mut Map) {
    let (mut all, mut memory) = (Vec::new(), Vec::new());
    for node in items(field.node) {
        let item = Field { node, ..field };
        if matches!(node.value, Value::Map(_)) {
            long(reading, item, service, what, &mut all, &mut memory);
        } else if let Some(text) = reading.text(item) {
            all.extend(short(reading, node, &text, service, what));
        }
    }
    map.append("volumes", all);
    map.append("tmpfs", memory);
}

/// `[SOURCE:]TARGET[:MODE]`
fn short(reading: &mut Reading<'_>, node: &Node, text: &str, service: &str, what: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (from, target, mode) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, mode] => (Some(source), target, mode),
        _ => {
            reading.error(
                node.span,
                format!("`{text}` is no volume"),
                Some("such as ./data:/var/lib/data:ro"),
            );
            return None;
        }
    };
    let read_only = mode.split(',').any(|word| word == "ro");
    let from = source(reading, node, from, target, service, what)?;
    Some(written(&from, target, read_only, true))
}

/// A volume in the lab file's form. Compose makes directories that are not there; a lab does so only beside its file.
fn written(from: &str, target: &str, read_only: bool, make: bool) -> String {
    let make = make && from.starts_with("./");
    let options = [(read_only, "ro"), (make, "make")];
    let words: Vec<&str> = options.into_iter().filter(|(is, _)| *is).map(|(_, word)| word).collect();
    if words.is_empty() { format!("{from}:{target}") } else { format!("{from}:{target}:{}", words.join(",")) }
}

/// A path, or the name of a volume; one without a name is the service's own.
fn source(
    reading: &mut Reading<'_>,
    node: &Node,
    source: Option<&str>,
    target: &str,
    service: &str,
    what: &str,
) -> Option<String> {
    let Some(source) = source.filter(|source| !source.is_empty()) else {
        return Some(label(&format!("{service}{}", target.replace('/', "-"))));
    };
    if let Some(rest) = source.strip_prefix('~') {
        let Some(home) = reading.outside.variable("HOME") else {
            reading.note(node.span, what, format!("`{source}` is left out: nobody is at home here"));
            return None;
        };
        return Some(format!("{home}{rest}"));
    }
    Some(if source.starts_with(['.', '/']) { source.to_owned() } else { label(source) })
}

/// A map with `type`, `source` and `target`.
fn long(
    reading: &mut Reading<'_>,
    item: Field<'_>,
    service: &str,
    what: &str,
    all: &mut Vec<String>,
    memory: &mut Vec<String>,
) {
    let keys = reading.fields(item.node, "a volume");
    let mut part = |name: &str| find(&keys, name).and_then(|field| reading.text(field));
    let (kind, from, target) = (part("type"), part("source"), part("target"));
    let Some(target) = target else {
        reading.error(item.node.span, "a volume needs a `target`", None);
        return;
    };
    let read_only = find(&keys, "read_only").is_some_and(|field| reading.flag(field));
    match kind.as_deref().unwrap_or("volume") {
        "tmpfs" => {
            let options =
                find(&keys, "tmpfs").map(|field| reading.fields(field.node, "`tmpfs`")).unwrap_or_default();
            let words =
                options.iter().filter_map(|field| Some(format!("{}={}", field.name, field.node.text()?)));
            memory.push(in_memory(reading, item.node, &target, words, what));
        }
        kind @ ("bind" | "volume") => {
            let from = match from {
                Some(path) if kind == "bind" && !path.starts_with(['.', '/', '~']) => {
                    Some(format!("./{path}"))
                }
                other => other,
            };
            let from = source(reading, item.node, from.as_deref(), &target, service, what);
            let bind =
                find(&keys, "bind").map(|field| reading.fields(field.node, "`bind`")).unwrap_or_default();
            let make = find(&bind, "create_host_path").is_none_or(|field| reading.flag(field));
            all.extend(from.map(|from| written(&from, &target, read_only, make)));
        }
        other => {
            reading.note(item.node.span, what, format!("a volume of type `{other}` is not carried over"))
        }
    }
}

/// `tmpfs:` of a service.
pub(super) fn tmpfs(reading: &mut Reading<'_>, field: Field<'_>, what: &str, map: &mut Map) {
    let mut all = Vec::new();
    for text in reading.texts(field) {
        let (target, options) = text.split_once(':').unwrap_or((&text, ""));
        let words = options.split(',').filter(|word| !word.is_empty()).map(str::to_owned);
        all.push(in_memory(reading, field.node, target, words, what));
    }
    map.append("tmpfs", all);
}

/// Size and mode; a lab's are `nosuid`, `nodev` anyway.
fn in_memory(
    reading: &mut Reading<'_>,
    node: &Node,
    target: &str,
    words: impl Iterator<Item = String>,
    what: &str,
) -> String {
    let mut options = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some(("size", text)) => match size::bytes(text) {
                Some(bytes) if bytes > 0 => options.push(format!("size={}", size::written(bytes))),
                _ => reading.error(node.span, format!("`{text}` is no size"), Some("such as 64m")),
            },
            Some(("mode", mode)) => options.push(format!("mode={mode}")),
            None if matches!(word.as_str(), "rw" | "nosuid" | "nodev" | "noexec" | "exec") => {}
            _ => reading.note(node.span, what, format!("the option `{word}` is not carried over")),
        }
    }
    if options.is_empty() { target.to_owned() } else { format!("{target}:{}", options.join(",")) }
}

/// Files that `configs` and `secrets` of the whole file name.
#[derive(Debug, Default)]
pub(super) struct Files {
    configs: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
}

/// Reads them.
pub(super) fn files(reading: &mut Reading<'_>, top: &[Field<'_>]) -> Files {
    let mut of = |name: &str| {
        let Some(field) = find(top, name) else { return Vec::new() };
        let mut all = Vec::new();
        for field in reading.fields(field.node, name) {
            let keys = reading.fields(field.node, name);
            match find(&keys, "file").and_then(|field| reading.text(field)) {
                Some(file) if file.starts_with(['.', '/']) => all.push((field.name.to_owned(), file)),
                Some(file) => all.push((field.name.to_owned(), format!("./{file}"))),
                None => reading.note(
                    field.span,
                    format!("{name}.{}", field.name),
                    "not carried over: it is no file",
                ),
            }
        }
        all
    };
    Files { configs: of("configs"), secrets: of("secrets") }
}

impl Files {
    /// Adds those that a service asks for to its volumes, read-only.
    pub(super) fn mount(&self, reading: &mut Reading<'_>, service: Field<'_>, path: &str, map: &mut Map) {
        let keys = reading.fields(service.node, "a service");
        let mut all = Vec::new();
        for (name, known, directory) in
            [("configs", &self.configs, "/"), ("secrets", &self.secrets, "/run/secrets/")]
        {
            let Some(field) = find(&keys, name) else { continue };
            for node in items(field.node) {
                let (source, target) = one(reading, Field { node, ..field });
                let Some(source) = source else { continue };
                let Some((_, file)) = known.iter().find(|(known, _)| *known == source) else {
                    reading.note(node.span, format!("{path}.{name}.{source}"), "not carried over");
                    continue;
                };
                let target = target.unwrap_or_else(|| source.clone());
                let target = if target.starts_with('/') { target } else { format!("{directory}{target}") };
                all.push(format!("{file}:{target}:ro"));
            }
        }
        map.append("volumes", all);
    }
}

/// Which one, and where it is to be.
fn one(reading: &mut Reading<'_>, item: Field<'_>) -> (Option<String>, Option<String>) {
    if !matches!(item.node.value, Value::Map(_)) {
        return (reading.text(item), None);
    }
    let keys = reading.fields(item.node, item.name);
    let mut part = |name: &str| find(&keys, name).and_then(|field| reading.text(field));
    (part("source"), part("target"))
}

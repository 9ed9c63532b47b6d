//! What a node may use of the machine, and a tenant, as the file has it.

use super::keys;
use super::read::{Fields, Reader};
use super::yaml::{Node, Value};
use crate::error::{Spanned, TextError};
use crate::limits::{Amount, Io, cpuset};
use crate::quantity;

/// What of a node's limits was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LimitsSpec {
    pub(crate) cpu: Option<Spanned<Amount>>,
    pub(crate) memory: Option<Spanned<Amount>>,
    pub(crate) swap: Option<u64>,
    pub(crate) pids: Option<u64>,
    pub(crate) io: Option<Io>,
    pub(crate) cpuset: Option<String>,
    pub(crate) best_effort: Option<bool>,
}

impl LimitsSpec {
    /// These keys where written, else those of `base`.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            cpu: self.cpu.clone().or_else(|| base.cpu.clone()),
            memory: self.memory.clone().or_else(|| base.memory.clone()),
            swap: self.swap.or(base.swap),
            pids: self.pids.or(base.pids),
            io: self.io.or(base.io),
            cpuset: self.cpuset.clone().or_else(|| base.cpuset.clone()),
            best_effort: self.best_effort.or(base.best_effort),
        }
    }
}

/// What of a tenant was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TenantEntry {
    pub(crate) name: Spanned<String>,
    pub(crate) cpu: Option<Spanned<u64>>,
    pub(crate) memory: Option<Spanned<u64>>,
    pub(crate) nodes: Option<Spanned<u64>>,
    pub(crate) bandwidth: Option<Spanned<u64>>,
    pub(crate) best_effort: bool,
}

/// Reads the limits of a node.
pub(super) fn read(reader: &mut Reader, fields: &Fields<'_>) -> LimitsSpec {
    // Nothing else refers to a limit.
    reader.minor(|reader| LimitsSpec {
        cpu: fields.take("cpu").and_then(|node| amount(reader, node, quantity::processors)),
        memory: fields.take("memory").and_then(|node| amount(reader, node, quantity::memory)),
        swap: fields.take("swap").and_then(|node| reader.parse(node, quantity::size)).map(|it| it.value),
        pids: fields.integer(reader, "pids").map(|it| it.value),
        io: fields.take("io").map(|node| io(reader, node)),
        cpuset: fields.take("cpuset").and_then(|node| processors(reader, node)),
        best_effort: fields.take("limits").and_then(|node| best_effort(reader, node)),
    })
}

fn best_effort(reader: &mut Reader, node: &Node) -> Option<bool> {
    reader.choice(node, keys::LIMITS).map(|index| index == 1)
}

/// `0.5`, or `0.5..2`: what it is at first and the most it can be set to.
fn amount(
    reader: &mut Reader,
    node: &Node,
    parse: fn(&str) -> Result<u64, TextError>,
) -> Option<Spanned<Amount>> {
    reader.parse(node, |text| {
        let Some((start, most)) = text.split_once("..") else { return parse(text).map(Amount::of) };
        let (start, most) = (parse(start.trim())?, parse(most.trim())?);
        if most < start {
            let error = TextError::new(format!("`{text}` ends below where it begins"));
            return Err(error.hint("what it is at first, then the most it can be set to"));
        }
        Ok(Amount { start, most: Some(most) })
    })
}

/// A size is for both ways; a map says more.
fn io(reader: &mut Reader, node: &Node) -> Io {
    if !matches!(node.value, Value::Map(_)) {
        let both = reader.parse(node, bytes).map(|it| it.value);
        return Io { read: both, write: both, ..Io::default() };
    }
    let fields = reader.fields(node, keys::IO, "io");
    Io {
        read: fields.take("read").and_then(|node| reader.parse(node, bytes)).map(|it| it.value),
        write: fields.take("write").and_then(|node| reader.parse(node, bytes)).map(|it| it.value),
        reads: fields.integer(reader, "reads").map(|it| it.value),
        writes: fields.integer(reader, "writes").map(|it| it.value),
    }
}

/// Bytes each second; the kernel knows no 0.
fn bytes(text: &str) -> Result<u64, TextError> {
    match quantity::size(text)? {
        0 => Err(TextError::new("nothing can be read or written at 0 bytes a second")
            .hint("such as 10MiB, which means each second")),
        bytes => Ok(bytes),
    }
}

/// Processors, in one text or a list.
fn processors(reader: &mut Reader, node: &Node) -> Option<String> {
    if let Value::Seq { .. } = &node.value {
        let parts = reader.strings(node);
        let text = parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(",");
        return match cpuset(&text) {
            Ok(set) => Some(set),
            Err(error) => {
                reader.text_error(node.span, 0, error);
                None
            }
        };
    }
    reader.parse(node, cpuset).map(|it| it.value)
}

/// Reads `tenants:`.
pub(super) fn tenants(reader: &mut Reader, node: &Node) -> Vec<TenantEntry> {
    let mut out = Vec::new();
    for (name, span, value) in reader.entries(node) {
        let mut entry = TenantEntry {
            name: Spanned::new(name.to_owned(), span),
            cpu: None,
            memory: None,
            nodes: None,
            bandwidth: None,
            best_effort: false,
        };
        let fields = reader.fields(value, keys::TENANT, "a tenant");
        if let Some(node) = fields.take("quota") {
            reader.minor(|reader| quota(reader, node, &mut entry));
        }
        let effort = fields.take("limits").and_then(|node| reader.minor(|r| best_effort(r, node)));
        entry.best_effort = effort.unwrap_or(false);
        match crate::names::check_label(name) {
            Ok(()) => out.push(entry),
            Err(error) => reader.text_error(span, name.len(), error),
        }
    }
    out
}

fn quota(reader: &mut Reader, node: &Node, entry: &mut TenantEntry) {
    let fields = reader.fields(node, keys::QUOTA, "a quota");
    entry.cpu = fields.take("cpu").and_then(|node| reader.parse(node, quantity::processors));
    entry.memory = fields.take("memory").and_then(|node| reader.parse(node, quantity::memory));
    entry.nodes = fields.integer(reader, "nodes");
    entry.bandwidth = fields.take("bandwidth").and_then(|node| reader.parse(node, quantity::rate));
}

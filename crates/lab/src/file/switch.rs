//! A switch as the file has it.

use super::keys;
use super::node::pattern;
use super::read::Reader;
use super::yaml::{Node, Value};
use crate::error::Spanned;
use crate::lab::FailMode;
use crate::names::Pattern;

/// Keys of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SwitchSpec {
    pub(crate) fail_mode: Option<FailMode>,
    pub(crate) flows: Option<Vec<Spanned<String>>>,
    pub(crate) groups: Option<Vec<Spanned<String>>>,
    pub(crate) meters: Option<Vec<Spanned<String>>>,
}

impl SwitchSpec {
    /// These keys where written, else those of `base`.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            fail_mode: self.fail_mode.or(base.fail_mode),
            flows: self.flows.clone().or_else(|| base.flows.clone()),
            groups: self.groups.clone().or_else(|| base.groups.clone()),
            meters: self.meters.clone().or_else(|| base.meters.clone()),
        }
    }
}

/// Where a switch is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SwitchEntry {
    pub(crate) pattern: Spanned<Pattern>,
    pub(crate) spec: SwitchSpec,
}

/// Reads `switches:`.
pub(crate) fn read_all(reader: &mut Reader, node: &Node) -> Vec<SwitchEntry> {
    let mut out = Vec::new();
    for (name, span, value) in reader.entries(node) {
        let pattern = pattern(reader, name, span);
        let spec = read(reader, value);
        let Some(pattern) = pattern else { continue };
        if pattern.value.tenant.is_some() {
            reader.error(
                span,
                format!("the switch `{name}` names a tenant"),
                Some("switches serve all tenants; name it without one"),
            );
        } else {
            out.push(SwitchEntry { pattern, spec });
        }
    }
    out
}

/// Reads the keys of a switch.
pub(crate) fn read(reader: &mut Reader, node: &Node) -> SwitchSpec {
    let fields = reader.fields(node, keys::SWITCH, "a switch");
    if let Some(node) = fields.take("controller")
        && reader.text(node).is_some_and(|text| text != "none")
    {
        reader.error(
            node.span,
            "not yet supported: `controller` (OpenFlow controllers)",
            Some("only `controller: none` so far"),
        );
    }
    let list = |reader: &mut Reader, key: &'static str, word| {
        let node = fields.take(key)?;
        Some(reader.minor(|reader| lines(reader, node, key, word)))
    };
    SwitchSpec {
        fail_mode: fields
            .take("fail_mode")
            .and_then(|node| reader.choice(node, keys::FAIL_MODES))
            .map(|i| if i == 0 { FailMode::Standalone } else { FailMode::Secure }),
        flows: list(reader, "flows", "actions"),
        groups: list(reader, "groups", "bucket"),
        meters: list(reader, "meters", "bands"),
    }
}

/// One flow (group, meter) a line; each has `word` in it. A list in `[ ]` is split by YAML at every comma, also those
/// within a flow: said, not guessed.
fn lines(reader: &mut Reader, node: &Node, key: &str, word: &str) -> Vec<Spanned<String>> {
    if let Value::Seq { items, flow: true } = &node.value {
        let torn = |item: &Node| match &item.value {
            Value::Scalar { text, plain } => *plain && !text.contains(word),
            _ => true,
        };
        if items.iter().any(torn) {
            let hint = "write one a line, each behind `- `, or put each in quotes";
            reader.error(
                node.span,
                format!("YAML has split this list of {key} at the commas within them"),
                Some(hint),
            );
            return Vec::new();
        }
    }
    reader.strings(node)
}

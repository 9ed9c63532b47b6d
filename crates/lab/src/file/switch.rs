//! A switch as the file has it.

use super::keys;
use super::node::pattern;
use super::qos::{self, PortSpecs};
use super::read::Reader;
use super::yaml::{Node, Value};
use crate::error::{Spanned, TextError};
use crate::lab::FailMode;
use crate::names::Pattern;

/// Keys of a switch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SwitchSpec {
    pub(crate) fail_mode: Option<FailMode>,
    pub(crate) flows: Option<Vec<Spanned<String>>>,
    pub(crate) groups: Option<Vec<Spanned<String>>>,
    pub(crate) meters: Option<Vec<Spanned<String>>>,
    pub(crate) zones: Option<Vec<Spanned<String>>>,
    /// Names of controllers, or targets; empty: `none`.
    pub(crate) controllers: Option<Vec<Spanned<String>>>,
    /// Versions of OpenFlow, by name.
    pub(crate) openflow: Option<Vec<String>>,
    pub(crate) dpid: Option<Spanned<u64>>,
    pub(crate) qos: Option<PortSpecs>,
}

impl SwitchSpec {
    /// These keys where written, else those of `base`.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            fail_mode: self.fail_mode.or(base.fail_mode),
            flows: self.flows.clone().or_else(|| base.flows.clone()),
            groups: self.groups.clone().or_else(|| base.groups.clone()),
            meters: self.meters.clone().or_else(|| base.meters.clone()),
            zones: self.zones.clone().or_else(|| base.zones.clone()),
            controllers: self.controllers.clone().or_else(|| base.controllers.clone()),
            openflow: self.openflow.clone().or_else(|| base.openflow.clone()),
            dpid: self.dpid.clone().or_else(|| base.dpid.clone()),
            qos: self.qos.clone().or_else(|| base.qos.clone()),
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
        let spec = reader.minor(|reader| read(reader, value));
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
    let list = |reader: &mut Reader, key: &'static str, word| {
        let node = fields.take(key)?;
        Some(lines(reader, node, key, word))
    };
    let openflow = fields.take("openflow").map(|node| versions(reader, node));
    SwitchSpec {
        controllers: fields.take("controller").map(|node| controllers(reader, node)),
        openflow: openflow.filter(|versions| !versions.is_empty()),
        dpid: fields.take("dpid").and_then(|node| reader.parse(node, dpid)),
        fail_mode: fields
            .take("fail_mode")
            .and_then(|node| reader.choice(node, keys::FAIL_MODES))
            .map(|i| if i == 0 { FailMode::Standalone } else { FailMode::Secure }),
        flows: list(reader, "flows", "actions"),
        groups: list(reader, "groups", "bucket"),
        meters: list(reader, "meters", "bands"),
        qos: fields.take("qos").map(|node| qos::of_switch(reader, node)),
        zones: list(reader, "zones", "zone="),
    }
}

/// The controllers of a switch.
fn controllers(reader: &mut Reader, node: &Node) -> Vec<Spanned<String>> {
    let mut words = reader.strings(node);
    if let [only] = &words[..]
        && only.value == "none"
    {
        words.clear();
    }
    words
}

fn versions(reader: &mut Reader, node: &Node) -> Vec<String> {
    let mut found: Vec<usize> =
        reader.list(node).iter().filter_map(|item| reader.choice(item, keys::VERSIONS)).collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().filter_map(|at| keys::VERSIONS.get(at)).map(|name| (*name).to_owned()).collect()
}

/// `0000000000000001`, `0x1`, or with colons as controllers print it.
fn dpid(text: &str) -> Result<u64, TextError> {
    let digits = text.trim_start_matches("0x").replace(':', "");
    let number = u64::from_str_radix(&digits, 16).ok().filter(|id| *id != 0 && digits.len() <= 16);
    number.ok_or_else(|| {
        TextError::new(format!("`{text}` is no datapath id"))
            .hint("1 to 16 hexadecimal digits that are not all 0, such as 0000000000000001")
    })
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

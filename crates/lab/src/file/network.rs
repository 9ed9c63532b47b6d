//! Networks and subnets as the file has them.

use super::gaps::Gaps;
use super::keys;
use super::node::pattern;
use super::read::Reader;
use super::yaml::Node;
use crate::address::{Cidr, parse_prefix};
use crate::error::Spanned;
use crate::names::Pattern;

/// A network, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkEntry {
    pub(crate) pattern: Spanned<Pattern>,
    pub(crate) subnet: Vec<Spanned<Cidr>>,
    /// Whether it hands out addresses and advertises routers.
    pub(crate) dhcp: bool,
    /// Whether a gateway leads out of it.
    pub(crate) internet: bool,
}

/// Reads `networks:`.
pub(crate) fn read_all(reader: &mut Reader, node: &Node) -> Vec<NetworkEntry> {
    let mut out = Vec::new();
    for (name, span, value) in reader.entries(node) {
        let pattern = pattern(reader, name, span);
        let fields = reader.fields(value, keys::NETWORK, "a network");
        let subnet = fields.take("subnet");
        let subnet = subnet.map(|node| reader.losing(Gaps::ADDRESSES, |reader| subnets(reader, node)));
        let mut flag = |name| fields.take(name).and_then(|node| reader.minor(|reader| reader.flag(node)));
        let (dhcp, internet) = (flag("dhcp").unwrap_or(true), flag("internet").unwrap_or(false));
        let subnet = subnet.unwrap_or_default();
        out.extend(pattern.map(|pattern| NetworkEntry { pattern, subnet, dhcp, internet }));
    }
    out
}

/// Reads `subnet:`, at most one prefix per family.
pub(crate) fn subnets(reader: &mut Reader, node: &Node) -> Vec<Spanned<Cidr>> {
    let mut out: Vec<Spanned<Cidr>> = Vec::new();
    for item in reader.list(node) {
        let Some(prefix) = reader.parse(item, parse_prefix) else { continue };
        let family = prefix.value.family();
        if out.iter().any(|other| other.value.family() == family) {
            reader.error(prefix.span, format!("a second {family} subnet"), Some("one per family"));
        } else if prefix.value.hosts() == 0 {
            reader.error(prefix.span, format!("`{}` has no room for hosts", prefix.value), None);
        } else {
            out.push(prefix);
        }
    }
    out
}

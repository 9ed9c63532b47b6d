//! A link, and settings of one, as the file has them.

use netloom_flow::{Distribution, Loss, Probability};

use super::gaps::Gaps;
use super::keys;
use super::network::subnets;
use super::read::{Fields, Reader, integer};
use super::tunnel::TenantKeys;
use super::yaml::{Node, Value};
use crate::address::Cidr;
use crate::error::{Spanned, TextError};
use crate::names::{Pattern, check_interface};
use crate::quantity;
use crate::settings::SettingsPatch;
use crate::tunnel::Tunnel;

/// One end, or many: `blue/h1..4`, `gw:eth1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndPattern {
    pub(crate) names: Pattern,
    pub(crate) interface: Option<String>,
}

/// Settings of both directions, and of each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct BothWays {
    pub(crate) both: SettingsPatch,
    pub(crate) forth: SettingsPatch,
    pub(crate) back: SettingsPatch,
}

impl BothWays {
    /// What this says for each direction: `(forth, back)`.
    pub(crate) fn split(&self) -> (SettingsPatch, SettingsPatch) {
        (self.forth.or(&self.both), self.back.or(&self.both))
    }
}

/// A link, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkEntry {
    pub(crate) ends: Spanned<(EndPattern, EndPattern)>,
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) settings: BothWays,
    pub(crate) vlan: Option<Spanned<u16>>,
    pub(crate) trunk: Option<Spanned<Vec<u16>>>,
    pub(crate) native: Option<Spanned<u16>>,
    pub(crate) tenant: Option<Spanned<String>>,
    pub(crate) subnet: Vec<Spanned<Cidr>>,
    /// It is a tunnel between two switches; with the keys of tenants.
    pub(crate) tunnel: Option<(Tunnel, TenantKeys)>,
}

impl LinkEntry {
    /// A link without settings.
    pub(crate) const fn plain(ends: Spanned<(EndPattern, EndPattern)>) -> Self {
        Self {
            ends,
            name: None,
            settings: BothWays { both: EMPTY, forth: EMPTY, back: EMPTY },
            vlan: None,
            trunk: None,
            native: None,
            tenant: None,
            subnet: Vec::new(),
            tunnel: None,
        }
    }
}

const EMPTY: SettingsPatch = SettingsPatch {
    rate: None,
    delay: None,
    jitter: None,
    distribution: None,
    loss: None,
    duplicate: None,
    reorder: None,
    corrupt: None,
    queue: None,
    mtu: None,
    up: None,
};

/// Reads `links:`.
pub(crate) fn read_all(reader: &mut Reader, node: &Node) -> Vec<LinkEntry> {
    reader.list(node).iter().filter_map(|item| read(reader, item)).collect()
}

fn read(reader: &mut Reader, node: &Node) -> Option<LinkEntry> {
    if !matches!(node.value, Value::Map(_)) {
        return reader.parse(node, ends).map(LinkEntry::plain);
    }
    let fields = reader.minor(|reader| reader.fields(node, keys::LINK, "a link"));
    let ends = match fields.take("link") {
        Some(node) => reader.parse(node, ends),
        None => {
            reader.error(fields.span, "a link lacks its two ends", Some("add `link: A -- B`"));
            None
        }
    };
    let (vlan, native, trunk) = reader.losing(Gaps::DOMAINS, |reader| port_vlans(reader, &fields));
    let tenant = fields.take("tenant");
    let entry = LinkEntry {
        ends: ends.clone().unwrap_or_else(|| Spanned::new(nothing(), fields.span)),
        name: fields.take("name").and_then(|node| reader.parse(node, link_name)),
        settings: reader.minor(|reader| both_ways(reader, &fields)),
        vlan,
        trunk,
        native,
        tenant: tenant.and_then(|node| reader.losing(Gaps::DOMAINS, |reader| reader.string(node))),
        subnet: fields
            .take("subnet")
            .map(|node| reader.losing(Gaps::ADDRESSES, |reader| subnets(reader, node)))
            .unwrap_or_default(),
        tunnel: None,
    };
    ends.map(|_| entry)
}

/// `vlan`, `native` and `trunk`.
type PortVlans = (Option<Spanned<u16>>, Option<Spanned<u16>>, Option<Spanned<Vec<u16>>>);

fn port_vlans(reader: &mut Reader, fields: &Fields<'_>) -> PortVlans {
    let vlan = vid(reader, fields, "vlan");
    let native = vid(reader, fields, "native");
    let trunk = fields.take("trunk").map(|node| Spanned::new(vlans(reader, node), node.span));
    if let (Some(vlan), true) = (&vlan, trunk.is_some() || native.is_some()) {
        reader.error(
            vlan.span,
            "a port is either an access port or a trunk",
            Some("keep `vlan`, or `trunk` with `native`"),
        );
    }
    (vlan, native, trunk)
}

fn nothing() -> (EndPattern, EndPattern) {
    let end = || EndPattern { names: Pattern::of("x"), interface: None };
    (end(), end())
}

/// `A -- B`
fn ends(text: &str) -> Result<(EndPattern, EndPattern), TextError> {
    let Some(at) = text.find(" -- ") else {
        let hint =
            if text.contains("--") { "put blanks around the two dashes" } else { "write it as `A -- B`" };
        return Err(TextError::new(format!("`{text}` is not a link")).hint(hint));
    };
    let (left, right) = (text.get(..at).unwrap_or_default(), text.get(at + 4..).unwrap_or_default());
    let part = |inner: &str, from: usize, error: TextError| {
        let start = from + (inner.len() - inner.trim_start().len());
        error.at(start..start + inner.trim().len())
    };
    let a = end(left.trim()).map_err(|e| part(left, 0, e))?;
    let b = end(right.trim()).map_err(|e| part(right, at + 4, e))?;
    Ok((a, b))
}

/// `blue/h1..4` or `gw:eth1`
pub(super) fn end(text: &str) -> Result<EndPattern, TextError> {
    let (names, interface) = text.split_once(':').map_or((text, None), |(n, i)| (n, Some(i)));
    if let Some(interface) = interface {
        check_interface(interface)?;
    }
    Ok(EndPattern { names: Pattern::parse(names)?, interface: interface.map(str::to_owned) })
}

pub(super) fn link_name(text: &str) -> Result<String, TextError> {
    crate::names::check_label(text)?;
    if text.contains("--") {
        return Err(TextError::new(format!(
            "the name of a link cannot contain two dashes, as `{text}` does"
        ))
        .hint("`A--B` is what a link without a name goes by"));
    }
    Ok(text.to_owned())
}

fn vid(reader: &mut Reader, fields: &Fields<'_>, name: &str) -> Option<Spanned<u16>> {
    let number = fields.integer(reader, name)?;
    u16::try_from(number.value).ok().map(|vid| Spanned::new(vid, number.span))
}

/// `[10, 20..29]`
fn vlans(reader: &mut Reader, node: &Node) -> Vec<u16> {
    let mut out = Vec::new();
    for item in reader.list(node) {
        let range = reader.parse(item, |text| {
            let (first, last) = text.split_once("..").unwrap_or((text, text));
            let first = integer(first.trim(), (1, 4094))?;
            let last = integer(last.trim(), (1, 4094))?;
            if first > last {
                return Err(TextError::new(format!("the range `{text}` runs backwards")));
            }
            Ok(first..=last)
        });
        out.extend(range.into_iter().flat_map(|r| r.value).filter_map(|v| u16::try_from(v).ok()));
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// Reads settings with `forth:` and `back:`.
pub(crate) fn both_ways(reader: &mut Reader, fields: &Fields<'_>) -> BothWays {
    let both = settings(reader, fields);
    let mut direction = |name: &str| {
        fields.take(name).map(|node| {
            let inner = reader.fields(node, keys::SETTINGS, "one direction of a link");
            settings(reader, &inner)
        })
    };
    BothWays {
        both,
        forth: direction("forth").unwrap_or_default(),
        back: direction("back").unwrap_or_default(),
    }
}

/// Reads `defaults: link:`.
pub(crate) fn defaults(reader: &mut Reader, node: &Node) -> BothWays {
    reader.minor(|reader| {
        let fields = reader.fields(node, keys::SETTINGS_BOTH, "the settings of a link");
        both_ways(reader, &fields)
    })
}

fn settings(reader: &mut Reader, fields: &Fields<'_>) -> SettingsPatch {
    let rate = fields.take("rate").and_then(|node| {
        reader.parse(node, |text| if text == "none" { Ok(None) } else { quantity::rate(text).map(Some) })
    });
    let mut time =
        |name: &str| fields.take(name).and_then(|n| reader.parse(n, quantity::duration)).map(|d| d.value);
    let (delay, jitter) = (time("delay"), time("jitter"));
    let mut share =
        |name: &str| fields.take(name).and_then(|n| reader.parse(n, quantity::percent)).map(|p| p.value);
    let (duplicate, reorder, corrupt) = (share("duplicate"), share("reorder"), share("corrupt"));
    SettingsPatch {
        rate: rate.map(|r| r.value),
        delay,
        jitter,
        distribution: fields
            .take("distribution")
            .and_then(|node| reader.choice(node, keys::DISTRIBUTIONS))
            .map(|i| match i {
                0 => Distribution::Uniform,
                1 => Distribution::Normal,
                _ => Distribution::Pareto,
            }),
        loss: fields.take("loss").and_then(|node| loss(reader, node)),
        duplicate,
        reorder,
        corrupt,
        queue: fields.take("queue").and_then(|node| reader.parse(node, quantity::queue)).map(|q| q.value),
        mtu: fields.integer(reader, "mtu").and_then(|m| u32::try_from(m.value).ok()),
        up: fields.take("state").and_then(|node| reader.choice(node, keys::STATES)).map(|i| i == 0),
    }
}

fn loss(reader: &mut Reader, node: &Node) -> Option<Loss> {
    if !matches!(node.value, Value::Map(_)) {
        return reader.parse(node, quantity::percent).map(|p| Loss::Random(p.value));
    }
    let fields = reader.fields(node, keys::LOSS_MAP, "loss");
    let Some(inner) = fields.take("gilbert-elliott") else {
        reader.error(node.span, "the loss is missing", Some("such as `loss: 1%`"));
        return None;
    };
    let inner = reader.fields(inner, keys::GILBERT, "gilbert-elliott");
    let mut share =
        |name: &str| inner.take(name).and_then(|n| reader.parse(n, quantity::percent)).map(|p| p.value);
    let (p, r, bad, good) = (share("p"), share("r"), share("bad"), share("good"));
    let Some(p) = p else {
        reader.error(
            inner.span,
            "gilbert-elliott lacks `p`, the chance to turn bad",
            Some("such as `p: 1%, r: 20%`"),
        );
        return None;
    };
    let rest = Probability(Probability::ONE.0 - p.0.min(Probability::ONE.0));
    Some(Loss::GilbertElliott {
        p,
        r: r.unwrap_or(rest),
        bad: bad.unwrap_or(Probability::ONE),
        good: good.unwrap_or_default(),
    })
}

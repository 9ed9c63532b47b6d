//! A tunnel as the file has it.

use std::net::IpAddr;

use super::keys;
use super::link::{EndPattern, both_ways, end, link_name};
use super::read::{Fields, Reader, integer};
use super::yaml::{Node, Value};
use super::{BothWays, LinkEntry};
use crate::error::{Span, Spanned, TextError};
use crate::tunnel::{Tunnel, TunnelField, TunnelKeyOut, TunnelLocal, TunnelType, VxlanExtension};

/// A tunnel, or one for each tenant that has a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TunnelEntry {
    pub(crate) span: Span,
    pub(crate) near: EndPattern,
    pub(crate) far: Far,
    pub(crate) name: Option<Spanned<String>>,
    pub(crate) tenant: Option<Spanned<String>>,
    pub(crate) settings: BothWays,
    /// All but the key.
    pub(crate) tunnel: Tunnel,
    /// Keys by tenant; empty: `tunnel` has the key.
    pub(crate) keys: TenantKeys,
}

/// Tenants and the keys of their packets.
pub(crate) type TenantKeys = Vec<(Spanned<String>, u64)>;

/// The other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Far {
    /// A switch of the lab.
    Here(EndPattern),
    /// An address, or what flows say.
    Elsewhere,
}

/// The MTU of an underlay of which nothing else is said.
const UNDERLAY_MTU: u16 = 1_500;
/// As OVS has it.
const TTL: u8 = 64;

/// Reads `tunnels:`.
pub(crate) fn read_all(reader: &mut Reader, node: &Node) -> Vec<TunnelEntry> {
    reader.list(node).iter().filter_map(|item| read(reader, item)).collect()
}

fn read(reader: &mut Reader, node: &Node) -> Option<TunnelEntry> {
    let fields = reader.fields(node, keys::TUNNEL, "a tunnel");
    let ends = match fields.take("link") {
        Some(node) => reader.parse(node, ends),
        None => {
            let hint = "add `link: SWITCH -- ADDRESS`, such as `link: s1 -- 192.0.2.2`";
            reader.error(fields.span, "a tunnel lacks its two ends", Some(hint));
            None
        }
    };
    let words = TunnelType::ALL.map(|(word, _)| word);
    let kind = match fields.take("type") {
        Some(node) => {
            reader.choice(node, &words).and_then(|at| TunnelType::ALL.get(at)).map(|(_, kind)| *kind)
        }
        None => {
            reader.error(
                fields.span,
                "a tunnel lacks its type",
                Some("add `type: vxlan`, geneve, gre, erspan or stt"),
            );
            None
        }
    };
    let local = fields.take("local_ip").and_then(|node| reader.parse(node, local)).map(|local| local.value);
    let (key, in_key, out_key) = (fields.take("key"), fields.take("in_key"), fields.take("out_key"));
    let kind_or = kind.unwrap_or(TunnelType::Vxlan);
    let keys = keys_of(reader, kind_or, key, in_key, out_key);
    let tos = fields.take("tos").and_then(|node| reader.parse(node, |text| field(text, 0)));
    let ttl = fields.take("ttl").and_then(|node| reader.parse(node, |text| field(text, TTL)));
    let mut flag = |name: &str| fields.take(name).and_then(|node| reader.flag(node));
    let (df, csum, seq, clamp) = (flag("df_default"), flag("csum"), flag("seq"), flag("mss_clamp"));
    let dst_port = small(reader, &fields, "dst_port").unwrap_or(kind_or.port());
    let exts = fields.take("exts").and_then(|node| reader.choice(node, keys::EXTENSIONS));
    let erspan_ver = small(reader, &fields, "erspan_ver");
    let erspan_idx = fields.integer(reader, "erspan_idx").and_then(|it| u32::try_from(it.value).ok());
    let erspan_dir = small(reader, &fields, "erspan_dir");
    let erspan_hwid = small(reader, &fields, "erspan_hwid");
    let underlay_mtu = small(reader, &fields, "underlay_mtu").unwrap_or(UNDERLAY_MTU);
    let name = fields.take("name").and_then(|node| reader.parse(node, link_name));
    let tenant = fields.take("tenant").and_then(|node| reader.string(node));
    let settings = reader.minor(|reader| both_ways(reader, &fields));
    let (near, far, remote) = ends?.value;
    let local_address = match local {
        Some(TunnelLocal::Address(ip)) => Some(ip),
        _ => None,
    };
    if let (Some(remote), Some(local)) = (remote, local_address)
        && remote.is_ipv6() != local.is_ipv6()
    {
        reader.error(
            fields.span,
            format!("the tunnel's ends {local} and {remote} are of two families"),
            None,
        );
    }
    let (in_key, out_key, by_tenant) = keys;
    let narrow = |value: Option<u16>| value.and_then(|value| u8::try_from(value).ok()).unwrap_or(0);
    let tunnel = Tunnel {
        kind: kind?,
        remote,
        local: local.unwrap_or(TunnelLocal::Any),
        v6: remote.or(local_address).is_some_and(|ip| ip.is_ipv6()),
        in_key,
        out_key,
        tos: tos.map_or(TunnelField { inherit: false, value: 0 }, |tos| tos.value),
        ttl: ttl.map_or(TunnelField { inherit: false, value: TTL }, |ttl| ttl.value),
        df: df.unwrap_or(true),
        csum: csum.unwrap_or(kind_or == TunnelType::Geneve && remote.is_some_and(|ip| ip.is_ipv6())),
        seq: seq.unwrap_or(false),
        dst_port,
        exts: exts.map(|at| if at == 0 { VxlanExtension::Gbp } else { VxlanExtension::Gpe }),
        erspan_ver: narrow(erspan_ver.or(Some(1))),
        erspan_idx: erspan_idx.unwrap_or(0),
        erspan_dir: narrow(erspan_dir),
        erspan_hwid: narrow(erspan_hwid),
        underlay_mtu,
        mss_clamp: clamp.unwrap_or(false),
    };
    check(reader, fields.span, &tunnel);
    Some(TunnelEntry { span: fields.span, near, far, name, tenant, settings, tunnel, keys: by_tenant })
}

/// What does not go together.
fn check(reader: &mut Reader, span: Span, tunnel: &Tunnel) {
    let mut refuse = |is_wrong: bool, message: &str, hint: &str| {
        if is_wrong {
            reader.error(span, message, Some(hint));
        }
    };
    let kind = tunnel.kind;
    refuse(
        tunnel.exts.is_some() && kind != TunnelType::Vxlan,
        "`exts` are extensions of VXLAN",
        "leave it out, or choose `type: vxlan`",
    );
    refuse(tunnel.seq && kind != TunnelType::Gre, "`seq` is an option of GRE", "leave it out");
    refuse(
        tunnel.mtu() < 576,
        "the underlay's MTU leaves no room for packets in the tunnel",
        "say more in `underlay_mtu`",
    );
}

fn small(reader: &mut Reader, fields: &Fields<'_>, name: &str) -> Option<u16> {
    fields.integer(reader, name).and_then(|number| u16::try_from(number.value).ok())
}

/// `s1 -- 192.0.2.2`, `s1:vx0 -- 2001:db8::2`, `s1 -- flow`, `s1 -- s3`
fn ends(text: &str) -> Result<(EndPattern, Far, Option<IpAddr>), TextError> {
    let Some((left, right)) = text.split_once(" -- ") else {
        return Err(TextError::new(format!("`{text}` is not a tunnel"))
            .hint("write it as `SWITCH -- ADDRESS`, such as `s1 -- 192.0.2.2`"));
    };
    let near = end(left.trim())?;
    let right = right.trim();
    if right == "flow" {
        return Ok((near, Far::Elsewhere, None));
    }
    if let Ok(address) = right.parse::<IpAddr>() {
        let is_host = !address.is_unspecified() && !address.is_multicast();
        return if is_host {
            Ok((near, Far::Elsewhere, Some(address)))
        } else {
            Err(TextError::new(format!("`{address}` is not the address of one machine")))
        };
    }
    if right.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(TextError::new(format!("`{right}` is not an IP address")));
    }
    Ok((near, Far::Here(end(right)?), None))
}

fn local(text: &str) -> Result<TunnelLocal, TextError> {
    match text {
        "flow" => Ok(TunnelLocal::Flow),
        _ => text
            .parse()
            .map(TunnelLocal::Address)
            .map_err(|_| TextError::new(format!("`{text}` is neither an IP address nor `flow`"))),
    }
}

/// `inherit`, or a number.
fn field(text: &str, otherwise: u8) -> Result<TunnelField, TextError> {
    if text == "inherit" {
        return Ok(TunnelField { inherit: true, value: otherwise });
    }
    let value = integer(text, (0, 255)).map_err(|error| error.hint("a number up to 255, or `inherit`"))?;
    Ok(TunnelField { inherit: false, value: u8::try_from(value).unwrap_or(u8::MAX) })
}

type Keys = (Option<u64>, TunnelKeyOut, TenantKeys);

/// The keys: of both directions, of each, or of each tenant.
fn keys_of(
    reader: &mut Reader,
    kind: TunnelType,
    key: Option<&Node>,
    in_key: Option<&Node>,
    out_key: Option<&Node>,
) -> Keys {
    let bounds = (0, kind.most());
    let number = |text: &str| if text == "flow" { Ok(None) } else { integer(text, bounds).map(Some) };
    if let Some(node) = key.filter(|node| matches!(node.value, Value::Map(_))) {
        let entries = reader.entries(node);
        let pair = |(name, span, value): (&str, Span, &Node)| {
            let key = reader.integer(value, bounds)?;
            Some((Spanned::new(name.to_owned(), span), key.value))
        };
        let keys: Vec<_> = entries.into_iter().filter_map(pair).collect();
        if let Some(other) = in_key.or(out_key) {
            reader.error(other.span, "the tenants have the tunnel's keys already", Some("leave it out"));
        }
        return (None, TunnelKeyOut::None, keys);
    }
    let mut read =
        |node: Option<&Node>| node.and_then(|node| reader.parse(node, number)).map(|key| key.value);
    let both = read(key);
    let (inward, outward) = (read(in_key).or(both), read(out_key).or(both));
    let out = match outward {
        None => TunnelKeyOut::None,
        Some(None) => TunnelKeyOut::Flow,
        Some(Some(key)) => TunnelKeyOut::Fixed(key),
    };
    (inward.unwrap_or(Some(0)), out, Vec::new())
}

/// A link of the lab that stands for a tunnel between two of its switches.
pub(crate) fn as_link(entry: &TunnelEntry, far: &EndPattern) -> LinkEntry {
    let ends = Spanned::new((entry.near.clone(), far.clone()), entry.span);
    LinkEntry {
        name: entry.name.clone(),
        settings: entry.settings.clone(),
        tenant: entry.tenant.clone(),
        tunnel: Some((entry.tunnel.clone(), entry.keys.clone())),
        ..LinkEntry::plain(ends)
    }
}

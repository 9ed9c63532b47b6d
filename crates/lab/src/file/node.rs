//! A node as the file has it.

use std::net::IpAddr;

use super::container::{self, ContainerSpec, WrittenAfter};
use super::gaps::Gaps;
use super::keys;
use super::limits::{self, LimitsSpec};
use super::nic;
use super::read::Reader;
use super::vf::{self, VfSpec};
use super::vm::{self, VmSpec};
use super::yaml::{Node, Value};
use crate::address::{Family, parse_address};
use crate::container::HealthRule;
use crate::error::{Span, Spanned, TextError, did_you_mean};
use crate::lab::{PortKind, Restart};
use crate::mac::Mac;
use crate::names::check_interface;
use crate::publish::{self, Published};

/// A value for the first interface, or one by interface.
pub(crate) type ByInterface<T> = Vec<(Option<Spanned<String>>, T)>;

/// An address, and the length of its prefix if one is written.
pub(crate) type Address = Spanned<(IpAddr, Option<u8>)>;

/// `routes:`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RouteSpec {
    /// Shortest paths, computed from the lab.
    Auto,
    /// As written.
    List(Vec<Spanned<WrittenRoute>>),
}

/// `DEST [via GATEWAY] [dev INTERFACE] [metric N]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrittenRoute {
    /// The network; `None`: default.
    pub(crate) to: Option<(IpAddr, u8)>,
    pub(crate) via: Option<IpAddr>,
    pub(crate) dev: Option<String>,
    pub(crate) metric: Option<u32>,
}

/// Keys of a node; what is `None` or empty was not written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NodeSpec {
    pub(crate) ip: Option<ByInterface<Vec<Address>>>,
    pub(crate) mac: Option<ByInterface<Spanned<Mac>>>,
    pub(crate) mtu: Option<ByInterface<u32>>,
    /// `Some(empty)`: none is wanted.
    pub(crate) gateway: Option<Vec<Spanned<IpAddr>>>,
    pub(crate) routes: Option<RouteSpec>,
    pub(crate) forward: Option<bool>,
    pub(crate) sysctl: Vec<(Spanned<String>, Spanned<String>)>,
    pub(crate) files: Vec<(Spanned<String>, Spanned<String>)>,
    pub(crate) env: Vec<(Spanned<String>, Spanned<String>)>,
    pub(crate) run: Option<Vec<Spanned<String>>>,
    pub(crate) restart: Option<Restart>,
    pub(crate) networks: Option<Vec<Spanned<String>>>,
    pub(crate) aliases: Option<Vec<Spanned<String>>>,
    pub(crate) privileged: Option<bool>,
    pub(crate) netns: Option<Spanned<String>>,
    pub(crate) port: Option<PortKind>,
    pub(crate) container: ContainerSpec,
    pub(crate) vm: Option<Spanned<VmSpec>>,
    pub(crate) vf: Option<Spanned<VfSpec>>,
    pub(crate) interface: Option<Spanned<String>>,
    pub(crate) health: Option<HealthRule>,
    pub(crate) after: Option<Vec<WrittenAfter>>,
    pub(crate) limits: LimitsSpec,
    pub(crate) ports: Option<Vec<Spanned<Published>>>,
}

impl NodeSpec {
    /// These keys where written, else those of `base`; maps join, entry by entry.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            ip: self.ip.clone().or_else(|| base.ip.clone()),
            mac: self.mac.clone().or_else(|| base.mac.clone()),
            mtu: self.mtu.clone().or_else(|| base.mtu.clone()),
            gateway: self.gateway.clone().or_else(|| base.gateway.clone()),
            routes: self.routes.clone().or_else(|| base.routes.clone()),
            forward: self.forward.or(base.forward),
            sysctl: join(&self.sysctl, &base.sysctl),
            files: join(&self.files, &base.files),
            env: join(&self.env, &base.env),
            run: self.run.clone().or_else(|| base.run.clone()),
            restart: self.restart.or(base.restart),
            networks: self.networks.clone().or_else(|| base.networks.clone()),
            aliases: self.aliases.clone().or_else(|| base.aliases.clone()),
            privileged: self.privileged.or(base.privileged),
            netns: self.netns.clone().or_else(|| base.netns.clone()),
            port: self.port.or(base.port),
            container: self.container.over(&base.container),
            vm: self.vm.clone().or_else(|| base.vm.clone()),
            vf: self.vf.clone().or_else(|| base.vf.clone()),
            interface: self.interface.clone().or_else(|| base.interface.clone()),
            health: self.health.clone().or_else(|| base.health.clone()),
            after: self.after.clone().or_else(|| base.after.clone()),
            limits: self.limits.over(&base.limits),
            ports: self.ports.clone().or_else(|| base.ports.clone()),
        }
    }
}

type Pairs = Vec<(Spanned<String>, Spanned<String>)>;

fn join(own: &Pairs, base: &Pairs) -> Pairs {
    let extra = base.iter().filter(|(key, _)| own.iter().all(|(mine, _)| mine.value != key.value));
    own.iter().chain(extra).cloned().collect()
}

/// Reads the keys of a node.
pub(crate) fn read(reader: &mut Reader, node: &Node) -> NodeSpec {
    reader.losing(Gaps::ADDRESSES, |reader| read_keys(reader, node))
}

fn read_keys(reader: &mut Reader, node: &Node) -> NodeSpec {
    let fields = reader.fields(node, keys::NODE, "a node");
    let run = fields.take("run").map(|node| reader.strings(node));
    let interface = fields
        .take("interface")
        .and_then(|node| reader.losing(Gaps::THINGS, |reader| nic::read(reader, node, &fields)));
    NodeSpec {
        interface,
        ip: fields.take("ip").map(|node| by_interface(reader, node, addresses)),
        mac: fields.take("mac").map(|node| {
            let macs = by_interface(reader, node, |reader, node| reader.parse(node, str::parse::<Mac>));
            macs.into_iter().filter_map(|(name, mac)| Some((name, mac?))).collect()
        }),
        mtu: fields.take("mtu").map(|node| {
            let mtus = by_interface(reader, node, |reader, node| mtu(reader, node, fields.bounds("mtu")));
            mtus.into_iter().filter_map(|(name, mtu)| Some((name, mtu?))).collect()
        }),
        gateway: fields.take("gateway").map(|node| gateways(reader, node)),
        routes: fields.take("routes").map(|node| routes(reader, node)),
        forward: fields.take("forward").and_then(|node| reader.minor(|r| r.flag(node))),
        sysctl: fields.take("sysctl").map(|node| reader.minor(|r| sysctls(r, node))).unwrap_or_default(),
        files: fields.take("files").map(|node| reader.minor(|r| files(r, node))).unwrap_or_default(),
        env: fields.take("env").map(|node| reader.minor(|r| env(r, node))).unwrap_or_default(),
        restart: fields.take("restart").and_then(|node| match reader.choice(node, keys::RESTARTS)? {
            0 => Some(Restart::Never),
            1 => Some(Restart::OnFailure),
            _ => Some(Restart::Always),
        }),
        networks: fields
            .take("networks")
            .map(|node| reader.losing(Gaps::LINKS | Gaps::DOMAINS, |reader| reader.strings(node))),
        aliases: fields.take("aliases").map(|node| reader.minor(|r| aliases(r, node))),
        privileged: fields.take("privileged").and_then(|node| reader.minor(|r| r.flag(node))),
        netns: fields.take("netns").and_then(|node| reader.parse(node, netns)),
        port: fields.take("port").and_then(|node| match reader.choice(node, keys::PORTS)? {
            0 => Some(PortKind::Auto),
            1 => Some(PortKind::Tap),
            _ => Some(PortKind::Packet),
        }),
        container: reader.minor(|r| container::read(r, &fields)),
        vm: fields.take("vm").map(|node| reader.minor(|r| vm::read(r, node))),
        vf: fields.take("vf").map(|node| reader.minor(|r| vf::read(r, node))),
        health: fields.take("health").and_then(|node| reader.minor(|r| container::health(r, node))),
        after: fields.take("after").map(|node| reader.minor(|r| container::after(r, node))),
        limits: limits::read(reader, &fields),
        ports: fields.take("ports").map(|node| reader.minor(|r| published(r, node))),
        run,
    }
}

/// Either a map by interface, or a value for the first interface.
fn by_interface<T>(
    reader: &mut Reader,
    node: &Node,
    mut read: impl FnMut(&mut Reader, &Node) -> T,
) -> ByInterface<T> {
    if !matches!(node.value, Value::Map(_)) {
        return vec![(None, read(reader, node))];
    }
    let mut out = Vec::new();
    for (name, span, value) in reader.entries(node) {
        if let Err(error) = check_interface(name) {
            reader.text_error(span, name.len(), error);
        }
        out.push((Some(Spanned::new(name.to_owned(), span)), read(reader, value)));
    }
    out
}

fn addresses(reader: &mut Reader, node: &Node) -> Vec<Address> {
    reader.list(node).iter().filter_map(|item| reader.parse(item, interface_address)).collect()
}

/// An address that an interface can have.
fn interface_address(text: &str) -> Result<(IpAddr, Option<u8>), TextError> {
    let (ip, len) = parse_address(text)?;
    if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST) {
        return Err(TextError::new(format!("`{text}` cannot be the address of an interface")));
    }
    if len == Some(0) {
        return Err(TextError::new(format!("`{text}` has a prefix of length 0")).hint("such as 10.0.0.1/24"));
    }
    Ok((ip, len))
}

fn mtu(reader: &mut Reader, node: &Node, bounds: (u64, u64)) -> Option<u32> {
    reader.integer(node, bounds).and_then(|n| u32::try_from(n.value).ok())
}

fn gateways(reader: &mut Reader, node: &Node) -> Vec<Spanned<IpAddr>> {
    if node.text() == Some("none") {
        return Vec::new();
    }
    let mut out: Vec<Spanned<IpAddr>> = Vec::new();
    for item in reader.list(node) {
        let parsed = reader.parse(item, |text| match parse_address(text)? {
            (ip, None) => Ok(ip),
            (ip, Some(_)) => Err(TextError::new(format!("a gateway is an address, not `{text}`"))
                .hint(format!("write `{ip}`"))),
        });
        let Some(ip) = parsed else { continue };
        if out.iter().any(|other| Family::of(other.value) == Family::of(ip.value)) {
            reader.error(
                ip.span,
                format!("a second {} gateway", Family::of(ip.value)),
                Some("one per family; use `routes` for more"),
            );
        } else {
            out.push(ip);
        }
    }
    out
}

fn routes(reader: &mut Reader, node: &Node) -> RouteSpec {
    if node.text() == Some("auto") {
        return RouteSpec::Auto;
    }
    RouteSpec::List(reader.list(node).iter().filter_map(|item| reader.parse(item, route)).collect())
}

/// `default via 192.0.2.254`, `10.1.0.0/16 via 10.0.0.1 dev eth1 metric 10`
fn route(text: &str) -> Result<WrittenRoute, TextError> {
    let bad = |what: String| {
        TextError::new(what).hint("such as `default via 192.0.2.254` or `10.1.0.0/16 dev eth1`")
    };
    let mut words = text.split_whitespace();
    let to = match words.next() {
        None => return Err(bad("a route is missing".to_owned())),
        Some("auto") => return Err(bad("`auto` stands alone: `routes: auto`".to_owned())),
        Some("default") => None,
        Some(word) => {
            let (ip, len) = parse_address(word)?;
            let len = len.unwrap_or(Family::of(ip).bits());
            let network = crate::address::parse_prefix(&format!("{ip}/{len}"))?;
            Some((network.ip, network.len))
        }
    };
    let mut route = WrittenRoute { to, via: None, dev: None, metric: None };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| bad(format!("`{word}` lacks its value in `{text}`")))?;
        match word {
            "via" => route.via = Some(parse_address(value)?.0),
            "dev" => {
                check_interface(value)?;
                route.dev = Some(value.to_owned());
            }
            "metric" => {
                let metric = value.parse().map_err(|_| bad(format!("`{value}` is not a metric")))?;
                route.metric = Some(metric);
            }
            _ => {
                let hint = did_you_mean(word, ["via", "dev", "metric"]);
                let error = TextError::new(format!("`{word}` is not part of a route"));
                return Err(error.hint(hint.unwrap_or_else(|| "via, dev and metric are".into())));
            }
        }
    }
    if route.via.is_none() && route.dev.is_none() {
        return Err(bad(format!("`{text}` leads nowhere: it has neither `via` nor `dev`")));
    }
    if let (Some((to, _)), Some(via)) = (route.to, route.via)
        && Family::of(to) != Family::of(via)
    {
        return Err(bad(format!("`{text}` mixes IPv4 and IPv6")));
    }
    Ok(route)
}

/// `8080:80`, a range taken apart.
fn published(reader: &mut Reader, node: &Node) -> Vec<Spanned<Published>> {
    let mut all: Vec<Spanned<Published>> = Vec::new();
    for item in reader.list(node) {
        let Some(ports) = reader.parse(item, publish::parse) else { continue };
        if all.len() + ports.value.len() > publish::MOST {
            reader.error(ports.span, format!("more than {} ports of one node", publish::MOST), None);
            break;
        }
        all.extend(ports.value.iter().map(|port| Spanned::new(*port, ports.span)));
    }
    all
}

fn sysctls(reader: &mut Reader, node: &Node) -> Pairs {
    let mut pairs = reader.text_map(node);
    pairs.retain(|(key, _)| {
        let clean =
            key.value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/'));
        let good = key.value.starts_with("net.") && clean && !key.value.contains("..");
        if !good {
            let hint = "only settings of a node's own network, `net.*`, can be changed";
            reader.error(key.span, format!("`{}` is not a setting of the node", key.value), Some(hint));
        }
        good
    });
    pairs
}

fn files(reader: &mut Reader, node: &Node) -> Pairs {
    let mut pairs = reader.text_map(node);
    pairs.retain(|(to, _)| {
        let absolute = to.value.starts_with('/') && to.value.split('/').all(|part| part != "..");
        if !absolute || to.value.len() < 2 {
            reader.error(
                to.span,
                format!("`{}` is not the full path of a file", to.value),
                Some("such as /etc/motd"),
            );
        }
        absolute && to.value.len() >= 2
    });
    pairs
}

fn env(reader: &mut Reader, node: &Node) -> Pairs {
    let mut pairs = reader.text_map(node);
    pairs.retain(|(name, value)| {
        let good = !name.value.is_empty() && !name.value.contains(['=', '\0']) && !value.value.contains('\0');
        if !good {
            reader.error(name.span, format!("`{}` is not a variable of an environment", name.value), None);
        }
        good
    });
    pairs
}

fn aliases(reader: &mut Reader, node: &Node) -> Vec<Spanned<String>> {
    let mut all = reader.strings(node);
    all.retain(|name| match alias(&name.value) {
        Ok(()) => true,
        Err(error) => {
            reader.text_error(name.span, name.value.len(), error);
            false
        }
    });
    all
}

/// One label of a name, underscores allowed: other systems have them in names of machines.
fn alias(text: &str) -> Result<(), TextError> {
    let good = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if good && (1..=63).contains(&text.len()) && !text.starts_with('-') {
        return Ok(());
    }
    Err(TextError::new(format!("`{text}` is no name for a node"))
        .hint("letters, digits, hyphens and underscores, at most 63"))
}

/// A name under /run/netns.
fn netns(text: &str) -> Result<String, TextError> {
    let fine = !text.is_empty() && text.len() <= 64 && !text.starts_with(['.', '-']);
    if fine && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        Ok(text.to_owned())
    } else {
        Err(TextError::new(format!("`{text}` is not a name of a network namespace")))
    }
}

/// Where a node is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeEntry {
    pub(crate) pattern: Spanned<crate::names::Pattern>,
    pub(crate) spec: NodeSpec,
}

/// Reads `nodes:`.
pub(crate) fn read_all(reader: &mut Reader, node: &Node) -> Vec<NodeEntry> {
    let entries = reader.entries(node);
    entries
        .into_iter()
        .filter_map(|(name, span, value)| {
            let pattern = pattern(reader, name, span);
            let spec = read(reader, value);
            Some(NodeEntry { pattern: pattern?, spec })
        })
        .collect()
}

/// A name or range that stands as a key.
pub(crate) fn pattern(reader: &mut Reader, name: &str, span: Span) -> Option<Spanned<crate::names::Pattern>> {
    match crate::names::Pattern::parse(name) {
        Ok(pattern) => Some(Spanned::new(pattern, span)),
        Err(error) => {
            reader.text_error(span, name.len(), error);
            None
        }
    }
}

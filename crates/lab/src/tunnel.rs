//! A tunnel: the way from a switch of the lab to one elsewhere, or to another one of the lab.
//!
//! The options are those of OVS's interfaces (ovs-vswitchd.conf.db(5), "Tunnel Options").

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::lab::{End, Lab};

/// Bytes of an Ethernet header, which is inside.
const ETHERNET: u32 = 14;

/// A tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunnel {
    /// What is in front of the frames.
    #[serde(rename = "type")]
    pub kind: TunnelType,
    /// The other end; `None`: flows say (`flow`), or it is a switch of the lab.
    pub remote: Option<IpAddr>,
    /// This end.
    pub local: TunnelLocal,
    /// Over IPv6.
    pub v6: bool,
    /// The key of packets that come in; `None`: any (`flow`).
    pub in_key: Option<u64>,
    /// The key of packets that go out.
    pub out_key: TunnelKeyOut,
    /// DSCP of the outer header.
    pub tos: TunnelField,
    /// TTL of the outer header.
    pub ttl: TunnelField,
    /// Outer packets must not be fragmented.
    pub df: bool,
    /// With a checksum of UDP or GRE.
    pub csum: bool,
    /// GRE with sequence numbers.
    pub seq: bool,
    /// UDP or TCP port.
    pub dst_port: u16,
    /// Extension of VXLAN.
    pub exts: Option<VxlanExtension>,
    /// Version of ERSPAN, as OVS counts: 1 is type II, 2 type III.
    pub erspan_ver: u8,
    /// Index of ERSPAN type II.
    pub erspan_idx: u32,
    /// Direction of ERSPAN type III.
    pub erspan_dir: u8,
    /// Hardware id of ERSPAN type III.
    pub erspan_hwid: u8,
    /// MTU of the underlay.
    pub underlay_mtu: u16,
    /// Lower the segment size that TCP announces to what fits.
    pub mss_clamp: bool,
}

/// A tunnel between two switches of the lab. Nothing is put in front of the frames; but flows see and set what would be
/// there, and frames are as long as would fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fused {
    /// The tunnel, as its left end has it. It has no other end's address.
    pub tunnel: Tunnel,
    /// Keys by tenant; empty: the tunnel's hold.
    pub keys: Vec<(String, u64)>,
}

impl Fused {
    /// The key that frames get at the left end, or at the right one; `None`: what flows say. The right end takes for its
    /// own what the left one expects.
    #[must_use]
    pub const fn key(&self, left: bool) -> Option<u64> {
        match (left, self.tunnel.out_key) {
            (false, _) => self.tunnel.in_key,
            (true, TunnelKeyOut::None) => Some(0),
            (true, TunnelKeyOut::Fixed(key)) => Some(key),
            (true, TunnelKeyOut::Flow) => None,
        }
    }

    /// The addresses of the ends: what `local_ip` says of the left one, else this machine.
    #[must_use]
    pub const fn ends(&self) -> (IpAddr, IpAddr) {
        let here = if self.tunnel.v6 {
            IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
        } else {
            IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)
        };
        match self.tunnel.local {
            TunnelLocal::Address(local) => (local, here),
            TunnelLocal::Any | TunnelLocal::Flow => (here, here),
        }
    }

    /// The longest IP packet that fits; `None` where the underlay might fragment.
    #[must_use]
    pub fn mtu(&self) -> Option<u16> {
        self.tunnel.df.then(|| u16::try_from(self.tunnel.mtu()).unwrap_or(u16::MAX))
    }

    /// `vxlan, key 77, mtu 1450`
    #[must_use]
    pub fn words(&self) -> String {
        let word = |key: Option<u64>| key.map_or_else(|| "flow".to_owned(), |key| key.to_string());
        let keys: Vec<_> = self.keys.iter().map(|(tenant, key)| format!("{tenant} {key}")).collect();
        let key = match (self.key(true), self.key(false)) {
            _ if !keys.is_empty() => keys.join(", "),
            (out, back) if out == back => word(out),
            (out, back) => format!("{} back {}", word(out), word(back)),
        };
        format!("{}, key {key}, mtu {}", self.tunnel.kind, self.tunnel.mtu())
    }
}

/// What is in front of a tunnel's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelType {
    /// VXLAN, RFC 7348.
    Vxlan,
    /// Geneve, RFC 8926.
    Geneve,
    /// GRE, RFC 2784 and 2890.
    Gre,
    /// ERSPAN over GRE.
    Erspan,
    /// STT, draft-davie-stt-08.
    Stt,
}

impl TunnelType {
    /// All of them, by their words.
    pub const ALL: [(&'static str, Self); 5] = [
        ("vxlan", Self::Vxlan),
        ("geneve", Self::Geneve),
        ("gre", Self::Gre),
        ("erspan", Self::Erspan),
        ("stt", Self::Stt),
    ];

    /// The port that IANA gave to it; 0: it has none.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Vxlan => 4789,
            Self::Geneve => 6081,
            Self::Gre | Self::Erspan => 0,
            Self::Stt => 7471,
        }
    }

    /// The largest key that it has room for.
    #[must_use]
    pub const fn most(self) -> u64 {
        match self {
            Self::Vxlan | Self::Geneve => (1 << 24) - 1,
            Self::Gre => (1 << 32) - 1,
            Self::Erspan => (1 << 10) - 1,
            Self::Stt => u64::MAX,
        }
    }
}

impl fmt::Display for TunnelType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::ALL.iter().find(|(_, kind)| kind == self).map_or("", |(word, _)| word))
    }
}

/// This end of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelLocal {
    /// Any address of the machine; for what goes out, the one its routes choose.
    Any,
    /// This address.
    Address(IpAddr),
    /// What flows say.
    Flow,
}

/// The key of packets that go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelKeyOut {
    /// None.
    None,
    /// This one.
    Fixed(u64),
    /// What flows say.
    Flow,
}

/// A field of the outer header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelField {
    /// Taken from the inner packet, if that is IP.
    pub inherit: bool,
    /// Else this.
    pub value: u8,
}

/// An extension of VXLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VxlanExtension {
    /// Group policy.
    Gbp,
    /// Generic protocol.
    Gpe,
}

impl Tunnel {
    /// Bytes between a packet of the underlay and the IP packet inside.
    #[must_use]
    pub fn overhead(&self) -> u32 {
        let ip = if self.v6 { 40 } else { 20 };
        let key = if self.out_key == TunnelKeyOut::None { 0 } else { 4 };
        let option = |present: bool| if present { 4 } else { 0 };
        let header = match self.kind {
            TunnelType::Vxlan | TunnelType::Geneve => 16,
            TunnelType::Gre => 4 + key + option(self.csum) + option(self.seq),
            TunnelType::Erspan => match self.erspan_ver {
                0 => 4,
                1 => 16,
                _ => 20,
            },
            TunnelType::Stt => 20 + 18,
        };
        ip + header + ETHERNET
    }

    /// The MTU of what is inside. STT cuts what the underlay does not take, so only its length fields are a limit.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        let room = if self.kind == TunnelType::Stt { u16::MAX } else { self.underlay_mtu };
        u32::from(room).saturating_sub(self.overhead())
    }

    /// Whether flows say some of it.
    #[must_use]
    pub fn is_flow_based(&self) -> bool {
        self.remote.is_none()
            || self.local == TunnelLocal::Flow
            || self.in_key.is_none()
            || self.out_key == TunnelKeyOut::Flow
            || self.exts == Some(VxlanExtension::Gbp)
    }

    /// The other end, for a person.
    #[must_use]
    pub fn peer(&self) -> String {
        self.remote.map_or_else(|| "flow".to_owned(), |ip| ip.to_string())
    }

    /// `vxlan to 192.0.2.2, key 77`
    #[must_use]
    pub fn words(&self) -> String {
        let key = match (self.in_key, self.out_key) {
            (_, TunnelKeyOut::None) => String::new(),
            (Some(key), TunnelKeyOut::Fixed(out)) if key == out => format!(", key {key}"),
            (None, TunnelKeyOut::Flow) => ", key flow".to_owned(),
            (in_key, out_key) => {
                let word = |key: Option<u64>| key.map_or_else(|| "flow".to_owned(), |key| key.to_string());
                let out = if let TunnelKeyOut::Fixed(key) = out_key { Some(key) } else { None };
                format!(", key in {} out {}", word(in_key), word(out))
            }
        };
        format!("{} to {}{key}, mtu {}", self.kind, self.peer(), self.mtu())
    }
}

/// What of a lab's nodes does not fit through its tunnels, for a person.
#[must_use]
pub fn warnings(lab: &Lab) -> Vec<String> {
    let mut warnings = Vec::new();
    for (switch, port) in lab.switches.iter().flat_map(|s| s.ports.iter().map(move |port| (s, port))) {
        let End::Tunnel { .. } = port.peer else { continue };
        let tunnel = lab.links.iter().find(|link| link.id == port.link).and_then(|link| link.tunnel.as_ref());
        let Some(tunnel) = tunnel.filter(|tunnel| !tunnel.mss_clamp) else { continue };
        let on_switch = switch.ports.iter().filter_map(|port| match &port.peer {
            End::Node { node, interface } => lab.node(node)?.interface(interface).map(|i| (node, i)),
            _ => None,
        });
        let domains: std::collections::BTreeSet<usize> = on_switch
            .filter(|(_, i)| Some(&i.tenant) == port.tenant.as_ref())
            .map(|(_, i)| i.domain)
            .collect();
        let interfaces = lab.nodes.iter().flat_map(|node| node.interfaces.iter().map(move |i| (node, i)));
        let large = interfaces.filter(|(_, i)| domains.contains(&i.domain) && i.mtu > tunnel.mtu());
        let names: Vec<_> = large.map(|(node, i)| format!("{}:{} ({})", node.name, i.name, i.mtu)).collect();
        if let Some((first, rest)) = names.split_first() {
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            warnings.push(format!(
                "the MTU of {first}{more} does not fit through the tunnel {}, which takes {}: leave `mtu` out, or set \
                 `mss_clamp: true`",
                port.link,
                tunnel.mtu()
            ));
        }
    }
    warnings
}

//! What a tunnel is like: OVS's options of an interface.

use std::net::IpAddr;

use netloom_packet::parse::ip_proto;
use netloom_packet::tunnel::erspan::Erspan;
use netloom_packet::tunnel::inherit::Source;
use netloom_packet::tunnel::mtu::Shape;
use netloom_packet::tunnel::vxlan::Extension;
use netloom_packet::tunnel::{Header, geneve, gre, stt, vxlan};
use netloom_sys::underlay::Protocol;

/// What is in front of the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TunnelKind {
    /// VXLAN with this extension.
    Vxlan(Extension),
    /// Geneve.
    Geneve,
    /// GRE, with a sequence number or without.
    Gre {
        /// `options:seq`
        sequence: bool,
    },
    /// ERSPAN: type I without a version, else II or III.
    Erspan {
        /// 0, 1 (type II) or 2 (type III): `options:erspan_ver`, 0 for none.
        version: u8,
        /// `options:erspan_idx`, 20 bits; type II.
        index: u32,
        /// `options:erspan_dir` and `options:erspan_hwid`; type III.
        direction: u8,
        /// See above.
        hardware: u8,
    },
    /// STT.
    Stt,
}

/// Which key packets must have that come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InKey {
    /// Any: `key=flow`. Flows see it as `tun_id`.
    Any,
    /// This one; of GRE, 0 is also one without.
    Exactly(u64),
}

/// Which key packets get that go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutKey {
    /// What flows say: `tun_id`.
    Flow,
    /// This one.
    Fixed(u64),
    /// None: of VXLAN and Geneve 0, of GRE a header without.
    None,
}

/// A tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelSettings {
    /// What is in front of the frames.
    pub kind: TunnelKind,
    /// The other end; `None`: flows say (`remote_ip=flow`), and anybody may send.
    pub remote: Option<IpAddr>,
    /// This end; `None`: any address of the machine, for what goes out the one its routes choose.
    pub local: Option<IpAddr>,
    /// Flows say from which address: `local_ip=flow`.
    pub local_flow: bool,
    /// Over IPv6.
    pub v6: bool,
    /// Key of packets that come in.
    pub in_key: InKey,
    /// Key of packets that go out.
    pub out_key: OutKey,
    /// DSCP of the outer header.
    pub tos: Source,
    /// TTL of the outer header.
    pub ttl: Source,
    /// Outer packets must not be fragmented.
    pub df: bool,
    /// With a checksum of UDP or GRE.
    pub csum: bool,
    /// UDP or TCP port, of the other end and of this one.
    pub dst_port: u16,
    /// MTU of the underlay.
    pub underlay_mtu: u16,
    /// Lower the segment size that TCP announces through the tunnel to what fits.
    pub clamp: bool,
}

/// Which socket a tunnel listens at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DoorKey {
    /// Protocol and port.
    pub protocol: Protocol,
    /// Over IPv6.
    pub v6: bool,
    /// At this address of the machine only.
    pub local: Option<IpAddr>,
}

impl DoorKey {
    /// A number by which doors are dealt out to threads: those of the usual protocols follow each other.
    #[must_use]
    pub const fn number(&self) -> u32 {
        let protocol = match self.protocol {
            Protocol::Udp(vxlan::PORT) => 0,
            Protocol::Udp(geneve::PORT) => 1,
            Protocol::Ip(gre::PROTO, _) => 2,
            Protocol::Ip(..) => 3,
            Protocol::Udp(port) => port as u32,
        };
        protocol + self.v6 as u32
    }
}

impl TunnelSettings {
    /// Which socket it listens at.
    #[must_use]
    pub const fn door(&self) -> DoorKey {
        let protocol = match self.kind {
            TunnelKind::Vxlan(_) | TunnelKind::Geneve => Protocol::Udp(self.dst_port),
            TunnelKind::Gre { .. } | TunnelKind::Erspan { .. } => Protocol::Ip(gre::PROTO, None),
            TunnelKind::Stt => Protocol::Ip(ip_proto::TCP, Some(self.dst_port)),
        };
        DoorKey { protocol, v6: self.v6, local: self.local }
    }

    /// The MTU of what is inside.
    #[must_use]
    pub fn inner_mtu(&self) -> u16 {
        self.inner_mtu_with_tags(0)
    }

    /// The same for frames with VLAN tags.
    #[must_use]
    pub(crate) fn inner_mtu_with_tags(&self, tags: usize) -> u16 {
        let gre = gre::Gre {
            protocol: gre::TEB,
            csum: self.csum,
            key: (self.out_key != OutKey::None).then_some(0),
            seq: None,
        };
        let erspan = |erspan| {
            // As it is sent: type I has no number.
            let seq = (erspan != Erspan::One).then_some(0);
            Header::Erspan { gre: gre::Gre { csum: false, key: None, seq, ..gre }, erspan }
        };
        let header = match self.kind {
            TunnelKind::Vxlan(_) => Header::Vxlan(vxlan::Vxlan::new(0)),
            TunnelKind::Geneve => Header::Geneve(geneve::Geneve::new(0, &[])),
            TunnelKind::Gre { sequence } => Header::Gre(gre::Gre { seq: sequence.then_some(0), ..gre }),
            TunnelKind::Erspan { .. } => erspan(super::header::erspan_of(self.kind, 0)),
            TunnelKind::Stt => Header::Stt { stt: stt::Stt::new(0), id: 0 },
        };
        Shape { v6: self.v6, header, ethernet: true, tags }.inner_mtu(self.underlay_mtu)
    }

    /// Whether flows have a say in it.
    #[must_use]
    pub fn is_flow_based(&self) -> bool {
        self.remote.is_none()
            || self.local_flow
            || self.out_key == OutKey::Flow
            || self.in_key == InKey::Any
            || matches!(self.kind, TunnelKind::Vxlan(Extension::Gbp))
    }
}

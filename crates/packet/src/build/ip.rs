//! The IPv4 or IPv6 packet around L4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Csum;
use crate::build::{L4, Tcp};
use crate::bytes::{put, put16, put32};
use crate::checksum::{Sum, pseudo_v4, pseudo_v6};
use crate::ethernet::eth_type;
use crate::{ipv4, ipv6};

/// Source and destination, of one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// IPv4.
    V4(Ipv4Addr, Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr, Ipv6Addr),
}

/// An IPv4 or IPv6 packet to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ip<'a> {
    /// Addresses.
    pub ends: Ends,
    /// TTL or hop limit.
    pub ttl: u8,
    /// DSCP and ECN.
    pub tos: u8,
    /// IPv4's identification.
    pub id: u16,
    /// IPv4's flags and fragment offset; [`ipv4::DF`] unless changed.
    pub fragment: u16,
    /// IPv6's flow label.
    pub label: u32,
    /// What is in it.
    pub l4: L4<'a>,
}

impl<'a> Ip<'a> {
    /// A packet between `ends`, TTL 64, don't fragment, all else 0.
    #[must_use]
    pub const fn new(ends: Ends, l4: L4<'a>) -> Self {
        Self { ends, ttl: 64, tos: 0, id: 0, fragment: ipv4::DF, label: 0, l4 }
    }

    /// An IPv4 packet, empty yet.
    #[must_use]
    pub fn v4(src: impl Into<Ipv4Addr>, dst: impl Into<Ipv4Addr>) -> Self {
        Self::new(Ends::V4(src.into(), dst.into()), L4::Raw { proto: 59, bytes: &[] })
    }

    /// An IPv6 packet, empty yet.
    #[must_use]
    pub fn v6(src: impl Into<Ipv6Addr>, dst: impl Into<Ipv6Addr>) -> Self {
        Self::new(Ends::V6(src.into(), dst.into()), L4::Raw { proto: 59, bytes: &[] })
    }

    /// A packet between addresses of one family, empty yet. `None` if they differ in it.
    #[must_use]
    pub fn between(src: IpAddr, dst: IpAddr) -> Option<Self> {
        match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => Some(Self::v4(src, dst)),
            (IpAddr::V6(src), IpAddr::V6(dst)) => Some(Self::v6(src, dst)),
            _ => None,
        }
    }

    /// With UDP in it.
    #[must_use]
    pub const fn udp(self, src: u16, dst: u16, data: &'a [u8]) -> Self {
        Self { l4: L4::Udp { src, dst, data }, ..self }
    }

    /// With TCP in it.
    #[must_use]
    pub const fn tcp(self, tcp: Tcp<'a>) -> Self {
        Self { l4: L4::Tcp(tcp), ..self }
    }

    /// With an echo request in it.
    #[must_use]
    pub const fn echo(self, id: u16, seq: u16, data: &'a [u8]) -> Self {
        Self { l4: L4::Echo { reply: false, id, seq, data }, ..self }
    }

    /// With this TTL or hop limit.
    #[must_use]
    pub const fn ttl(self, ttl: u8) -> Self {
        Self { ttl, ..self }
    }

    /// Bytes of the packet.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.header_len() + self.l4.len()
    }

    /// Never: there is always an IP header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    const fn header_len(&self) -> usize {
        match self.ends {
            Ends::V4(..) => ipv4::HEADER,
            Ends::V6(..) => ipv6::HEADER,
        }
    }

    pub(super) const fn eth_type(&self) -> u16 {
        match self.ends {
            Ends::V4(..) => eth_type::IPV4,
            Ends::V6(..) => eth_type::IPV6,
        }
    }

    /// `out` is exactly the packet, which begins at `l3` of its frame.
    pub(super) fn write(&self, out: &mut [u8], partial: bool, l3: usize) -> Option<Csum> {
        let v6 = matches!(self.ends, Ends::V6(..));
        let proto = self.l4.proto(v6);
        let (head, l4) = out.split_at_mut_checked(self.header_len())?;
        let len = u32::try_from(l4.len()).ok()?;
        let field = |len: usize| match u16::try_from(len) {
            Err(_) if partial => Some(0),
            len => len.ok(),
        };
        let pseudo = match self.ends {
            Ends::V4(src, dst) => {
                put(head, 0, [0x45, self.tos]);
                put16(head, 2, field(self.len())?);
                put16(head, 4, self.id);
                put16(head, 6, self.fragment);
                put(head, 8, [self.ttl, proto, 0, 0]);
                put(head, 12, src.octets());
                put(head, 16, dst.octets());
                let check = Sum::ZERO.bytes(head).finish();
                put16(head, 10, check);
                pseudo_v4(src.octets(), dst.octets(), proto, len)
            }
            Ends::V6(src, dst) => {
                put32(head, 0, 0x6000_0000 | u32::from(self.tos) << 20 | self.label & 0x000f_ffff);
                put16(head, 4, field(l4.len())?);
                put(head, 6, [proto, self.ttl]);
                put(head, 8, src.octets());
                put(head, 24, dst.octets());
                pseudo_v6(&src.octets(), &dst.octets(), proto, len)
            }
        };
        let partial = partial.then_some(l3 + self.header_len());
        self.l4.write(l4, v6, pseudo, partial)
    }
}

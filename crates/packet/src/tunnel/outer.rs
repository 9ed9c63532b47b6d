//! The outer packet: Ethernet, and IPv4 or IPv6 of the underlay.

use crate::Mac;
use crate::build::Ends;
use crate::bytes::{put, put16, put32};
use crate::checksum::{Sum, checksum, pseudo_v4, pseudo_v6};
use crate::ethernet::{HEADER as ETHERNET, eth_type};
use crate::{ipv4, ipv6};

/// What the underlay sees of a tunnel packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outer {
    /// Source on the underlay's link.
    pub src_mac: Mac,
    /// The next hop on the underlay's link.
    pub dst_mac: Mac,
    /// The ends of the tunnel.
    pub ends: Ends,
    /// DSCP and ECN; see [`inherit::outer_tos`](super::inherit::outer_tos).
    pub tos: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4's "don't fragment"; OVS's `df_default`.
    pub df: bool,
    /// IPv4's identification, of meaning without `df` only (RFC 6864 §4).
    pub id: u16,
    /// IPv6's flow label.
    pub label: u32,
    /// UDP or TCP source port; see [`entropy::source_port`](super::entropy::source_port). Not used by GRE.
    pub src_port: u16,
    /// UDP or TCP destination port. Not used by GRE.
    pub dst_port: u16,
    /// With a UDP checksum. Without one, IPv6 needs the other end's consent (RFC 6935 §5). STT always has one.
    pub csum: bool,
    /// The underlay's MTU: STT cuts by it.
    pub mtu: u16,
}

impl Outer {
    /// Between two ends: TTL 64, don't fragment, no checksum, MTU 1500; ports and all else 0.
    #[must_use]
    pub const fn new(src_mac: Mac, dst_mac: Mac, ends: Ends) -> Self {
        let (tos, ttl, df, id, label, mtu) = (0, 64, true, 0, 0, 1500);
        let (src_port, dst_port, csum) = (0, 0, false);
        Self { src_mac, dst_mac, ends, tos, ttl, df, id, label, src_port, dst_port, csum, mtu }
    }

    /// Bytes of the IP header.
    #[must_use]
    pub const fn ip_len(&self) -> usize {
        match self.ends {
            Ends::V4(..) => ipv4::HEADER,
            Ends::V6(..) => ipv6::HEADER,
        }
    }

    /// Bytes of Ethernet and IP.
    #[must_use]
    pub const fn len(&self) -> usize {
        ETHERNET + self.ip_len()
    }

    /// Never: there is Ethernet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Writes Ethernet and IP at the front of `frame`, which is the whole outer frame. `false` if there is no room,
    /// or more than IP's length can say.
    pub(super) fn emit(&self, frame: &mut [u8], proto: u8) -> bool {
        self.emit_for(frame, frame.len(), proto)
    }

    /// The same at the front of `frame` for an outer frame of `len` bytes, of which the rest may be elsewhere.
    pub(super) fn emit_for(&self, frame: &mut [u8], len: usize, proto: u8) -> bool {
        let Some(length) = len.checked_sub(ETHERNET) else { return false };
        let Mac([d0, d1, d2, d3, d4, d5]) = self.dst_mac;
        let Mac([s0, s1, s2, s3, s4, s5]) = self.src_mac;
        let addresses = [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5];
        put(frame, 0, addresses)
            && match self.ends {
                Ends::V4(src, dst) => {
                    let Ok(length) = u16::try_from(length) else { return false };
                    put16(frame, 12, eth_type::IPV4)
                        && self.emit_v4(frame, length, proto, src.octets(), dst.octets())
                }
                Ends::V6(src, dst) => {
                    let payload = length.checked_sub(ipv6::HEADER).and_then(|n| u16::try_from(n).ok());
                    let Some(payload) = payload else { return false };
                    let first = 6 << 28 | u32::from(self.tos) << 20 | self.label & 0x000f_ffff;
                    put16(frame, 12, eth_type::IPV6)
                        && put32(frame, 14, first)
                        && put16(frame, 18, payload)
                        && put(frame, 20, [proto, self.ttl])
                        && put(frame, 22, src.octets())
                        && put(frame, 38, dst.octets())
                }
            }
    }

    fn emit_v4(&self, frame: &mut [u8], length: u16, proto: u8, src: [u8; 4], dst: [u8; 4]) -> bool {
        let [l0, l1] = length.to_be_bytes();
        let [i0, i1] = self.id.to_be_bytes();
        let [f0, f1] = (if self.df { ipv4::DF } else { 0 }).to_be_bytes();
        let head = [0x45, self.tos, l0, l1, i0, i1, f0, f1, self.ttl, proto, 0, 0];
        let fits = put(frame, 14, head) && put(frame, 26, src) && put(frame, 30, dst);
        let sum = frame.get(14..34).map_or(0, checksum);
        fits && put16(frame, 24, sum)
    }

    /// The sum of the pseudo header over `len` bytes of `proto`.
    pub(super) fn pseudo(&self, proto: u8, len: usize) -> Sum {
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        match self.ends {
            Ends::V4(src, dst) => pseudo_v4(src.octets(), dst.octets(), proto, len),
            Ends::V6(src, dst) => pseudo_v6(&src.octets(), &dst.octets(), proto, len),
        }
    }
}

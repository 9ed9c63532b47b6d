//! VXLAN, with the group policy (GBP) and generic protocol (GPE) extensions.
//!
//! ```text
//! 0       1              2              4     7          8
//! | flags | reserved     | reserved     | vni | reserved |     flags: I 0x08
//! | flags | GBP D 40 A 8 | group policy | vni | reserved |     flags: I 0x08, G 0x80
//! | flags | reserved 16       | next u8 | vni | reserved |     flags: I 0x08, P 0x04, version 0x30, OAM 0x01
//! ```
//!
//! Source: RFC 7348 §5; draft-smith-vxlan-group-policy-05; draft-ietf-nvo3-vxlan-gpe-12. The RFC ignores reserved
//! bits on receipt; OVS (`netdev_vxlan_pop_header`) refuses them, and so do we: an extension that nobody asked for
//! must not be taken for plain VXLAN.

use super::{BadTunnel, Layer};
use crate::bytes::{array, put};

/// The UDP port IANA gave to VXLAN.
pub const PORT: u16 = 4789;
/// The UDP port IANA gave to VXLAN-GPE.
pub const PORT_GPE: u16 = 4790;
/// Bytes of the header.
pub const HEADER: usize = 8;

const F_VNI: u8 = 0x08;
const F_GBP: u8 = 0x80;
const F_GPE: u8 = 0x04;
const GPE_VERSION: u8 = 0x30;
const GBP_BITS: u8 = 0x48;

/// The extension that both ends of a tunnel agreed on: OVS's `options:exts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Extension {
    /// Plain VXLAN.
    #[default]
    None,
    /// `gbp`
    Gbp,
    /// `gpe`
    Gpe,
}

/// What the group policy extension carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Gbp {
    /// Group policy id.
    pub policy: u16,
    /// Do not learn 0x40, policy applied 0x08; OVS's `tun_gbp_flags`.
    pub flags: u8,
}

/// What is inside VXLAN-GPE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Next {
    /// An IPv4 packet.
    Ipv4,
    /// An IPv6 packet.
    Ipv6,
    /// An Ethernet frame.
    Ethernet,
}

/// A VXLAN header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Vxlan {
    /// Network identifier, 24 bits.
    pub vni: u32,
    /// Group policy, if that extension is used.
    pub gbp: Option<Gbp>,
    /// What is inside, if the generic protocol extension is used.
    pub next: Option<Next>,
}

impl Vxlan {
    /// Plain VXLAN of a network.
    #[must_use]
    pub const fn new(vni: u32) -> Self {
        Self { vni, gbp: None, next: None }
    }

    /// Reads the header at the front of `bytes`, the payload of a UDP datagram: 8 bytes, big-endian.
    ///
    /// # Errors
    /// [`BadTunnel::Truncated`] under 8 bytes; [`BadTunnel::VxlanFlags`], [`BadTunnel::VxlanReserved`],
    /// [`BadTunnel::GpeVersion`] and [`BadTunnel::GpeProtocol`] for what does not fit `extension`.
    pub fn parse(bytes: &[u8], extension: Extension) -> Result<Self, BadTunnel> {
        let [flags, a, b, c, v0, v1, v2, last] =
            *array::<HEADER>(bytes, 0).ok_or(BadTunnel::Truncated(Layer::Vxlan))?;
        let mut vxlan = Self::new(u32::from_be_bytes([0, v0, v1, v2]));
        // What is left of flags and reserved fields after the extension took its own.
        let (mut left, mut reserved) = (flags, [a, b, c, last]);
        match extension {
            Extension::Gbp if flags & F_GBP != 0 => {
                vxlan.gbp = Some(Gbp { policy: u16::from_be_bytes([b, c]), flags: a & GBP_BITS });
                (left, reserved) = (flags & !F_GBP, [a & !GBP_BITS, 0, 0, last]);
            }
            Extension::Gpe if flags & F_GPE != 0 => {
                if flags & GPE_VERSION != 0 {
                    return Err(BadTunnel::GpeVersion((flags & GPE_VERSION) >> 4));
                }
                vxlan.next = Some(match c {
                    1 => Next::Ipv4,
                    2 => Next::Ipv6,
                    3 => Next::Ethernet,
                    _ => return Err(BadTunnel::GpeProtocol(c)),
                });
                (left, reserved) = (flags & !F_GPE, [a, b, 0, last]);
            }
            _ => {}
        }
        match (left == F_VNI, reserved == [0; 4]) {
            (false, _) => Err(BadTunnel::VxlanFlags(flags)),
            (_, false) => Err(BadTunnel::VxlanReserved),
            _ => Ok(vxlan),
        }
    }

    /// Writes the header at the front of `out`, every byte. `false`, and nothing written, if it does not fit.
    pub fn emit(&self, out: &mut [u8]) -> bool {
        let [_, v0, v1, v2] = self.vni.to_be_bytes();
        let head = match (self.gbp, self.next) {
            (Some(gbp), _) => {
                let [high, low] = gbp.policy.to_be_bytes();
                [F_VNI | F_GBP, gbp.flags & GBP_BITS, high, low]
            }
            (None, Some(next)) => {
                let number = match next {
                    Next::Ipv4 => 1,
                    Next::Ipv6 => 2,
                    Next::Ethernet => 3,
                };
                [F_VNI | F_GPE, 0, 0, number]
            }
            _ => [F_VNI, 0, 0, 0],
        };
        let [f, a, b, c] = head;
        put(out, 0, [f, a, b, c, v0, v1, v2, 0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7348 §5: I flag, VNI 0xabcdef.
    const PLAIN: [u8; 8] = [0x08, 0, 0, 0, 0xab, 0xcd, 0xef, 0];
    const GBP: [u8; 8] = [0x88, 0x48, 0x12, 0x34, 0, 0, 7, 0];
    const GPE: [u8; 8] = [0x0c, 0, 0, 3, 0, 0, 7, 0];

    fn both_ways(bytes: [u8; 8], extension: Extension, vxlan: Vxlan) {
        assert_eq!(Vxlan::parse(&bytes, extension), Ok(vxlan));
        let mut out = [0xa5; 8];
        assert!(vxlan.emit(&mut out) && !vxlan.emit(&mut out[..7]));
        assert_eq!(out, bytes);
        for end in 0..8 {
            let short = Vxlan::parse(&bytes[..end], extension);
            assert_eq!(short, Err(BadTunnel::Truncated(Layer::Vxlan)));
        }
    }

    #[test]
    fn bytes_of_the_documents() {
        both_ways(PLAIN, Extension::None, Vxlan::new(0x00ab_cdef));
        both_ways(PLAIN, Extension::Gbp, Vxlan::new(0x00ab_cdef));
        both_ways(PLAIN, Extension::Gpe, Vxlan::new(0x00ab_cdef));
        let gbp = Some(Gbp { policy: 0x1234, flags: 0x48 });
        both_ways(GBP, Extension::Gbp, Vxlan { gbp, ..Vxlan::new(7) });
        both_ways(GPE, Extension::Gpe, Vxlan { next: Some(Next::Ethernet), ..Vxlan::new(7) });
        both_ways(
            [0x0c, 0, 0, 1, 0, 0, 7, 0],
            Extension::Gpe,
            Vxlan { next: Some(Next::Ipv4), ..Vxlan::new(7) },
        );
    }

    #[test]
    fn each_other_form_has_its_reason() {
        let with = |at: usize, byte: u8, extension| {
            let mut bytes = if extension == Extension::Gpe { GPE } else { PLAIN };
            bytes[at] = byte;
            Vxlan::parse(&bytes, extension)
        };
        assert_eq!(with(0, 0x00, Extension::None), Err(BadTunnel::VxlanFlags(0)));
        assert_eq!(with(0, 0x88, Extension::None), Err(BadTunnel::VxlanFlags(0x88)));
        assert_eq!(with(0, 0x0c, Extension::Gbp), Err(BadTunnel::VxlanFlags(0x0c)));
        for at in [1, 2, 3, 7] {
            assert_eq!(with(at, 0x20, Extension::None), Err(BadTunnel::VxlanReserved), "{at}");
        }
        assert_eq!(with(0, 0x1c, Extension::Gpe), Err(BadTunnel::GpeVersion(1)));
        assert_eq!(with(0, 0x0d, Extension::Gpe), Err(BadTunnel::VxlanFlags(0x0d)), "OAM");
        assert_eq!(with(3, 9, Extension::Gpe), Err(BadTunnel::GpeProtocol(9)));
        assert_eq!(with(1, 1, Extension::Gpe), Err(BadTunnel::VxlanReserved));
    }
}

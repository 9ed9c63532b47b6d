//! Ethernet: addresses and the type field.
//!
//! ```text
//! 0        6        12     14
//! | dst 6  | src 6  | type | payload ...       type < 0x600: an 802.3 length, LLC follows
//! ```
//!
//! Source: IEEE 802.3 §3; types from IEEE's registry, under the names of OVS.

use std::fmt;
use std::str::FromStr;

/// Bytes of the Ethernet header.
pub const HEADER: usize = 14;

/// Values of the type field.
pub mod eth_type {
    /// The lowest value that is a type and not an 802.3 length.
    pub const MIN: u16 = 0x0600;
    /// What OVS calls a frame that has no type (802.3 with an LLC other than SNAP): `FLOW_DL_TYPE_NONE`.
    pub const NONE: u16 = 0x05ff;
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// RARP.
    pub const RARP: u16 = 0x8035;
    /// 802.1Q VLAN tag.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// MPLS unicast.
    pub const MPLS: u16 = 0x8847;
    /// MPLS with an upstream-assigned label (once "multicast").
    pub const MPLS_MCAST: u16 = 0x8848;
    /// 802.1ad service VLAN tag.
    pub const QINQ: u16 = 0x88a8;
    /// Link layer discovery.
    pub const LLDP: u16 = 0x88cc;
}

/// A 48-bit address, in the order of the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// `ff:ff:ff:ff:ff:ff`
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// `00:00:00:00:00:00`
    pub const ZERO: Self = Self([0; 6]);

    /// Multicast or broadcast: the group bit.
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Assigned locally rather than by a vendor.
    #[must_use]
    pub const fn is_local(self) -> bool {
        self.0[0] & 2 == 2
    }

    /// The low 48 bits of a number, the highest byte first on the wire.
    #[must_use]
    pub const fn from_u64(n: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = n.to_be_bytes();
        Self([a, b, c, d, e, f])
    }

    /// The address as a number below 2^48, the first byte the highest.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([0, 0, a, b, c, d, e, f])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not six pairs of hexadecimal digits with colons between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadMac;

impl fmt::Display for BadMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("An Ethernet address is six pairs of hexadecimal digits, as in 02:00:00:00:00:01")
    }
}

impl std::error::Error for BadMac {}

impl FromStr for Mac {
    type Err = BadMac;

    /// Reads `aa:bb:cc:dd:ee:ff`; as in OVS a pair may be one digit.
    fn from_str(text: &str) -> Result<Self, BadMac> {
        let mut mac = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut mac {
            let part = parts.next().filter(|p| matches!(p.len(), 1 | 2)).ok_or(BadMac)?;
            if !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(BadMac); // from_str_radix would take a sign
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| BadMac)?;
        }
        parts.next().is_none().then_some(Self(mac)).ok_or(BadMac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        let mac = Mac([0x02, 0, 0x5e, 0xff, 0x10, 1]);
        assert_eq!(mac.to_string(), "02:00:5e:ff:10:01");
        assert_eq!("02:00:5e:ff:10:01".parse(), Ok(mac));
        assert_eq!("2:0:5E:ff:10:1".parse(), Ok(mac));
        assert_eq!(Mac::from_u64(mac.to_u64()), mac);
        assert_eq!(Mac::from_u64(0xffff_0000_0000_0001), Mac([0, 0, 0, 0, 0, 1]));
    }

    #[test]
    fn bad_text_is_refused() {
        for text in
            ["", "02:00:00:00:00", "02:00:00:00:00:01:02", "02:00:00:00:00:0g", "02:00:00:00:00:+1", "0200"]
        {
            assert_eq!(text.parse::<Mac>(), Err(BadMac), "{text}");
        }
    }

    #[test]
    fn kinds() {
        assert!(Mac::BROADCAST.is_multicast() && Mac([0x33, 0x33, 0, 0, 0, 1]).is_multicast());
        assert!(!Mac([2, 0, 0, 0, 0, 1]).is_multicast() && Mac([2, 0, 0, 0, 0, 1]).is_local());
    }
}

//! MAC addresses: written ones, and those made from names and the lab's seed.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::TextError;

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address of an interface: locally administered, unicast, the same on every run for the same names and
    /// seed. `again` counts the collisions that were met before.
    #[must_use]
    pub fn derive(seed: u64, node: &str, interface: &str, again: u32) -> Self {
        let hash = hash(seed.wrapping_add(u64::from(again).rotate_left(32)), &[node, interface]);
        let [a, b, c, d, e, f, ..] = hash.to_be_bytes();
        Self([(a & 0xfc) | 0x02, b, c, d, e, f])
    }

    /// The link-local address made of it (RFC 4291 appendix A).
    #[must_use]
    pub const fn link_local(self) -> Ipv6Addr {
        let [a, b, c, d, e, f] = self.0;
        let bytes = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 0x02, b, c, 0xff, 0xfe, d, e, f];
        Ipv6Addr::from_bits(u128::from_be_bytes(bytes))
    }

    /// Whether it addresses a group.
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 0x01 != 0
    }
}

/// A hash that is the same on every machine and in every version: FNV-1a, finished by SplitMix64's mixer.
///
/// Sources: RFC 9923 (FNV); Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
pub(crate) fn hash(seed: u64, words: &[&str]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |byte: u8| state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    seed.to_be_bytes().into_iter().for_each(&mut eat);
    for word in words {
        word.bytes().for_each(&mut eat);
        eat(0xff);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

impl fmt::Display for Mac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(out, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl FromStr for Mac {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let bad =
            || TextError::new(format!("`{text}` is not a MAC address")).hint("such as 02:00:00:00:00:01");
        let mut bytes = [0u8; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = part.and_then(|p| u8::from_str_radix(p, 16).ok()).ok_or_else(bad)?;
        }
        let mac = Self(bytes);
        if parts.next().is_some() {
            return Err(bad());
        }
        if mac.is_multicast() || bytes == [0; 6] {
            return Err(TextError::new(format!("`{text}` cannot be the address of an interface"))
                .hint("the first byte must be even, as in 02:00:00:00:00:01"));
        }
        Ok(mac)
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl TryFrom<String> for Mac {
    type Error = TextError;
    fn try_from(text: String) -> Result<Self, TextError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_addresses_are_stable_local_and_differ() {
        let a = Mac::derive(42, "red/web", "eth0", 0);
        assert_eq!(a, Mac::derive(42, "red/web", "eth0", 0));
        assert_eq!(a.0[0] & 0x03, 0x02, "locally administered, unicast");
        for other in [
            Mac::derive(43, "red/web", "eth0", 0),
            Mac::derive(42, "blue/web", "eth0", 0),
            Mac::derive(42, "red/web", "eth1", 0),
            Mac::derive(42, "red/we", "beth0", 0),
            Mac::derive(42, "red/web", "eth0", 1),
        ] {
            assert_ne!(a, other);
        }
    }

    #[test]
    fn text_both_ways() {
        let mac: Mac = "02:00:0A:ff:00:01".parse().expect("valid");
        assert_eq!(mac.to_string(), "02:00:0a:ff:00:01");
        for bad in [
            "",
            "02:00",
            "02:00:00:00:00:00:01",
            "01:00:00:00:00:01",
            "00:00:00:00:00:00",
            "+2:00:00:00:00:01",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }
}

//! IP addresses with the length of their prefix, and how a range of addresses is handed out.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::TextError;

/// Which version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Both, in order.
    pub const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    /// The family of an address.
    #[must_use]
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// Bits of an address.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

/// An address and the length of its network's prefix: `10.0.0.1/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Cidr {
    /// The address.
    pub ip: IpAddr,
    /// Bits of the prefix, at most 32 or 128.
    pub len: u8,
}

impl Cidr {
    /// The family.
    #[must_use]
    pub const fn family(self) -> Family {
        Family::of(self.ip)
    }

    /// The network the address is in: all host bits 0.
    #[must_use]
    pub fn network(self) -> Self {
        Self {
            ip: from_number(self.family(), to_number(self.ip) & mask(self.family(), self.len)),
            len: self.len,
        }
    }

    /// Whether the network holds the address.
    #[must_use]
    pub fn contains(self, ip: IpAddr) -> bool {
        Family::of(ip) == self.family()
            && (to_number(ip) ^ to_number(self.ip)) & mask(self.family(), self.len) == 0
    }

    /// Whether the two networks share an address.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        if self.len <= other.len { self.contains(other.ip) } else { other.contains(self.ip) }
    }

    /// The address `n` after the network's first, with the network's length.
    #[must_use]
    pub fn nth(self, n: u64) -> Self {
        let number = to_number(self.network().ip).saturating_add(u128::from(n));
        Self { ip: from_number(self.family(), number), len: self.len }
    }

    /// How many hosts it can number: without the network's own and, in IPv4, the broadcast address.
    #[must_use]
    pub fn hosts(self) -> u64 {
        let bits = u32::from(self.family().bits() - self.len.min(self.family().bits()));
        let size = 1u64.checked_shl(bits).unwrap_or(u64::MAX);
        match (self.family(), bits) {
            (_, 0) => 0,
            (Family::Ipv4, 1) => 2,
            (Family::Ipv4, _) => size - 2,
            (Family::Ipv6, _) => size - 1,
        }
    }

    /// The number of an address within its network: the inverse of [`Self::nth`].
    #[must_use]
    pub fn host_number(self) -> u64 {
        let host = to_number(self.ip) & !mask(self.family(), self.len);
        u64::try_from(host).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.len)
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl TryFrom<String> for Cidr {
    type Error = TextError;
    fn try_from(text: String) -> Result<Self, TextError> {
        text.parse()
    }
}

impl FromStr for Cidr {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        let (ip, len) = parse_address(text)?;
        let len = len.ok_or_else(|| {
            TextError::new(format!("`{text}` lacks the length of its prefix"))
                .hint(format!("write it as {ip}/24"))
        })?;
        Ok(Self { ip, len })
    }
}

/// An address with or without the length of its prefix.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse_address(text: &str) -> Result<(IpAddr, Option<u8>), TextError> {
    let (ip, len) = text.split_once('/').map_or((text, None), |(ip, len)| (ip, Some(len)));
    let ip: IpAddr = ip.trim().parse().map_err(|_| {
        TextError::new(format!("`{text}` is not an IP address")).hint("such as 10.0.0.1/24 or 2001:db8::1/64")
    })?;
    let most = Family::of(ip).bits();
    let len = match len {
        None => None,
        Some(len) => {
            let number = len.parse::<u8>().ok().filter(|n| *n <= most);
            Some(number.ok_or_else(|| {
                TextError::new(format!("`/{len}` is not the length of a prefix")).hint(format!("0 to {most}"))
            })?)
        }
    };
    Ok((ip, len))
}

/// A network: a prefix without host bits.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse_prefix(text: &str) -> Result<Cidr, TextError> {
    let cidr: Cidr = text.parse()?;
    let network = cidr.network();
    if network != cidr {
        return Err(TextError::new(format!("`{text}` is an address, not a network"))
            .hint(format!("did you mean `{network}`?")));
    }
    Ok(cidr)
}

/// Hands out subnets of one prefix, one after the other, around what is taken.
#[derive(Debug, Clone)]
pub(crate) struct Subnets {
    pool: Cidr,
    next: u128,
    taken: Vec<(u128, u128)>,
}

impl Subnets {
    /// Subnets of `pool`, none of which overlaps `taken`.
    pub(crate) fn new(pool: Cidr, taken: impl IntoIterator<Item = Cidr>) -> Self {
        let mut taken: Vec<_> =
            taken.into_iter().filter(|t| t.family() == pool.family()).map(|t| bounds(t.network())).collect();
        taken.sort_unstable();
        // Apart from each other, so that one look finds a clash.
        taken.dedup_by(|next, last| {
            let inside = next.0 <= last.1;
            if inside {
                last.1 = last.1.max(next.1);
            }
            inside
        });
        Self { pool, next: to_number(pool.network().ip), taken }
    }

    /// The next free subnet with this length; `None` if the pool is used up.
    pub(crate) fn take(&mut self, len: u8) -> Option<Cidr> {
        let family = self.pool.family();
        let (_, last) = bounds(self.pool.network());
        if len < self.pool.len || len > family.bits() {
            return None;
        }
        let host = !mask(family, len) & mask_all(family);
        loop {
            // Up to the next multiple of the subnet's size.
            let start = self.next.checked_add(host)? & !host;
            let end = start.checked_add(host)?;
            if end > last {
                return None;
            }
            let before = self.taken.partition_point(|(from, _)| *from <= end);
            let clash = before.checked_sub(1).and_then(|i| self.taken.get(i)).filter(|(_, to)| start <= *to);
            self.next = match clash {
                Some((_, to)) => to.max(&end).checked_add(1)?,
                None => end.checked_add(1)?,
            };
            if clash.is_none() {
                return Some(Cidr { ip: from_number(family, start), len });
            }
        }
    }
}

fn bounds(network: Cidr) -> (u128, u128) {
    let first = to_number(network.ip);
    (first, first | (!mask(network.family(), network.len) & mask_all(network.family())))
}

fn to_number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

fn from_number(family: Family, number: u128) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

fn mask_all(family: Family) -> u128 {
    match family {
        Family::Ipv4 => u128::from(u32::MAX),
        Family::Ipv6 => u128::MAX,
    }
}

/// The bits of the prefix, in the low 32 bits for IPv4.
fn mask(family: Family, len: u8) -> u128 {
    let host = u32::from(family.bits().saturating_sub(len));
    mask_all(family) & u128::MAX.checked_shl(host).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c(text: &str) -> Cidr {
        text.parse().expect(text)
    }

    #[test]
    fn networks_and_numbers() {
        assert_eq!(c("10.1.2.3/8").network(), c("10.0.0.0/8"));
        assert_eq!(c("10.0.0.0/8").nth(1), c("10.0.0.1/8"));
        assert_eq!(c("fd00::/64").nth(10).to_string(), "fd00::a/64");
        assert_eq!(c("10.0.1.7/24").host_number(), 7);
        assert_eq!(c("10.0.0.0/24").hosts(), 254);
        assert_eq!(c("10.0.0.0/31").hosts(), 2);
        assert_eq!(c("fd00::/64").hosts(), u64::MAX - 1);
        assert!(c("10.0.0.0/8").contains("10.255.1.1".parse().expect("ip")));
        assert!(!c("10.0.0.0/8").contains("fd00::1".parse().expect("ip")));
        assert!(c("0.0.0.0/0").overlaps(c("192.0.2.0/24")));
        assert!(!c("10.0.0.0/24").overlaps(c("10.0.1.0/24")));
    }

    #[test]
    fn subnets_go_around_what_is_taken() {
        let mut subnets = Subnets::new(c("10.0.0.0/8"), [c("10.0.1.0/24"), c("fd00::/64")]);
        assert_eq!(subnets.take(24), Some(c("10.0.0.0/24")));
        assert_eq!(subnets.take(24), Some(c("10.0.2.0/24")));
        assert_eq!(subnets.take(22), Some(c("10.0.4.0/22")));
        assert_eq!(subnets.take(24), Some(c("10.0.8.0/24")));
        assert_eq!(subnets.take(4), None);
        let mut small = Subnets::new(c("192.0.2.0/25"), []);
        assert_eq!(small.take(25), Some(c("192.0.2.0/25")));
        assert_eq!(small.take(25), None);
        let mut all = Subnets::new(c("::/0"), [c("::/0")]);
        assert_eq!(all.take(64), None);
    }

    #[test]
    fn bad_addresses_say_why() {
        for bad in ["", "10.0.0", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "x", "::1/129"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
        assert!(
            parse_prefix("10.0.0.1/24").is_err_and(|e| e.hint == Some("did you mean `10.0.0.0/24`?".into()))
        );
    }
}

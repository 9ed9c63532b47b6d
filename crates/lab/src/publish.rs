//! Ports of the machine that lead into a node: `ports:`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::error::TextError;

/// What a port is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port of the machine that leads to one of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Published {
    /// TCP or UDP.
    pub transport: Transport,
    /// Where the machine listens; the unspecified address: at all its own of that family.
    pub address: IpAddr,
    /// The machine's port.
    pub port: u16,
    /// The node's port.
    pub target: u16,
}

impl Published {
    /// Where the machine listens.
    #[must_use]
    pub const fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// Whether both listen to some packets alike, so that only one of them can be.
    #[must_use]
    pub fn clashes(&self, other: &Self) -> bool {
        let same_place = self.address == other.address
            || self.address.is_ipv4() == other.address.is_ipv4()
                && (self.address.is_unspecified() || other.address.is_unspecified());
        (self.transport, self.port) == (other.transport, other.port) && same_place
    }
}

/// `127.0.0.1:8080 -> 80/tcp`
impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}/{}", self.socket(), self.target, self.transport)
    }
}

/// The most ports that one entry, or one node, publishes.
pub const MOST: usize = 1024;

/// Reads `[[ADDRESS:]PORT:]PORT[/tcp|/udp]`; a port is a number or a range, `8000..8010:80..90`. Without an address
/// the machine listens at 127.0.0.1, without a port of its own at the node's.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Published>, TextError> {
    let bad = |what: &str| {
        TextError::new(format!("`{text}` publishes no port: {what}"))
            .hint("such as 8080:80, 0.0.0.0:8080:80, 5353:53/udp, \"[::1]:8080:80\" or 8000..8009:80..89")
    };
    let (ports, transport) = match text.rsplit_once('/') {
        None => (text, Transport::Tcp),
        Some((ports, "tcp")) => (ports, Transport::Tcp),
        Some((ports, "udp")) => (ports, Transport::Udp),
        Some((_, other)) => return Err(bad(&format!("`{other}` is neither tcp nor udp"))),
    };
    let (front, target) = match ports.rsplit_once(':') {
        Some((front, target)) => (Some(front), target),
        None => (None, ports),
    };
    let (address, port) = match front.map(|front| (front, front.rsplit_once(':'))) {
        None => (None, None),
        // `[::1]` alone has colons of its own, but no port.
        Some((front, Some(_))) if front.ends_with(']') => return Err(bad("the machine's port is missing")),
        Some((_, Some((address, port)))) => (Some(address), Some(port)),
        Some((front, None)) => (None, Some(front)),
    };
    let address = match address {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(address) => listened(address).ok_or_else(|| {
            bad(&format!("`{address}` is not an address that a machine can have, IPv6 in brackets"))
        })?,
    };
    let target = range(target).ok_or_else(|| bad(&format!("`{target}` is no port, nor a range of them")))?;
    let port = match port {
        None => target,
        Some(port) => range(port).ok_or_else(|| bad(&format!("`{port}` is no port, nor a range of them")))?,
    };
    let count = usize::from(target.1 - target.0) + 1;
    if usize::from(port.1 - port.0) + 1 != count {
        return Err(bad("the two ranges have different lengths"));
    }
    if count > MOST {
        return Err(bad(&format!("{count} ports are more than {MOST}")));
    }
    let pairs = (port.0..=port.1).zip(target.0..=target.1);
    Ok(pairs.map(|(port, target)| Published { transport, address, port, target }).collect())
}

/// An address to listen at.
fn listened(text: &str) -> Option<IpAddr> {
    let address = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(inner) => IpAddr::V6(inner.parse::<Ipv6Addr>().ok()?),
        None => IpAddr::V4(text.parse::<Ipv4Addr>().ok()?),
    };
    let fine = !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST);
    fine.then_some(address)
}

/// First and last of `80` or `8000..8009`.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let port = |text: &str| -> Option<u16> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|port| digits && *port > 0)
    };
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        parse(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_forms_are_read() {
        for (text, wanted) in [
            ("8080:80", "127.0.0.1:8080 -> 80/tcp"),
            ("80", "127.0.0.1:80 -> 80/tcp"),
            ("127.0.0.2:8080:80", "127.0.0.2:8080 -> 80/tcp"),
            ("0.0.0.0:8080:80/tcp", "0.0.0.0:8080 -> 80/tcp"),
            ("5353:53/udp", "127.0.0.1:5353 -> 53/udp"),
            ("[::1]:8080:80", "[::1]:8080 -> 80/tcp"),
            ("[::]:1:65535/udp", "[::]:1 -> 65535/udp"),
        ] {
            assert_eq!(shown(text), [wanted], "{text}");
        }
        assert_eq!(shown("8000..8001:90..91/udp"), ["127.0.0.1:8000 -> 90/udp", "127.0.0.1:8001 -> 91/udp"]);
        assert_eq!(shown("1..1024").len(), MOST);
    }

    #[test]
    fn what_is_no_port_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "no port"),
            ("a", "no port"),
            ("0:80", "no port"),
            ("80:0", "no port"),
            ("65536", "no port"),
            ("+80", "no port"),
            (":80", "no port"),
            ("127.0.0.1::80", "no port"),
            ("80/sctp", "neither"),
            ("1..2:1..3", "lengths"),
            ("2..1", "no port"),
            ("1..2000", "more than"),
            ("::1:8080:80", "address"),
            ("[::1]:80", "missing"),
            ("[127.0.0.1]:1:1", "address"),
            ("localhost:1:1", "address"),
            ("224.0.0.1:1:1", "address"),
            ("1:2:3:4", "address"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(why), "{text}: {}", error.message);
        }
    }

    #[test]
    fn two_cannot_listen_to_the_same() {
        let clash = |a: &str, b: &str| parse(a).unwrap()[0].clashes(&parse(b).unwrap()[0]);
        assert!(clash("8080:80", "8080:81"));
        assert!(clash("8080:80", "0.0.0.0:8080:80"));
        assert!(!clash("8080:80", "8080:80/udp"));
        assert!(!clash("8080:80", "127.0.0.2:8080:80"));
        assert!(!clash("0.0.0.0:8080:80", "[::]:8080:80"));
        assert!(!clash("8080:80", "8081:80"));
    }
}

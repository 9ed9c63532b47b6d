//! Ports published on the machine, as both kinds of files write them.

use std::net::IpAddr;

use netloom_lab::Span;

use crate::made::{Made, Map};
use crate::read::Reading;

/// Adds `ports:` to a node.
///
/// Docker listens at all addresses of the machine where none is written, a lab at 127.0.0.1: that is said.
pub(crate) fn put(reading: &mut Reading<'_>, span: Span, what: &str, ports: Vec<String>, map: &mut Map) {
    if ports.is_empty() {
        return;
    }
    if ports.iter().any(|port| port.matches(':').count() < 2) {
        let why = "where no address is written, the machine listens at 127.0.0.1 only; 0.0.0.0:PORT:PORT is everywhere";
        reading.note(span, what, why);
    }
    map.put("ports", Made::List(ports.into_iter().map(Made::Text).collect()));
}

/// Checks `[[ADDRESS:]PORT[-PORT]:]PORT[-PORT][/PROTOCOL]`; a port alone is published as itself.
pub(crate) fn forward(text: &str) -> Option<String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    if !matches!(protocol, "tcp" | "udp") {
        return None;
    }
    let (front, target) = ports.rsplit_once(':').unwrap_or(("", ports));
    let (address, published) = match front.rsplit_once(':') {
        Some((address, port)) => (address, port),
        None => ("", front),
    };
    let published = if published.is_empty() { target } else { published };
    let length = range(target)?;
    if range(published)? != length {
        return None;
    }
    let address = match address.trim_matches(['[', ']']) {
        "" => String::new(),
        address => match address.parse::<IpAddr>().ok()? {
            IpAddr::V4(address) => format!("{address}:"),
            IpAddr::V6(address) => format!("[{address}]:"),
        },
    };
    let protocol = if protocol == "udp" { "/udp" } else { "" };
    // The lab file's ranges have two dots.
    Some(format!("{address}{}:{}{protocol}", published.replace('-', ".."), target.replace('-', "..")))
}

/// How many ports `80` or `8000-8010` are.
fn range(text: &str) -> Option<u16> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    (first > 0).then_some(())?;
    last.checked_sub(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_in_all_forms() {
        for (text, wanted) in [
            ("8080:80", "8080:80"),
            ("80", "80:80"),
            ("127.0.0.1:8080:80/tcp", "127.0.0.1:8080:80"),
            ("53:53/udp", "53:53/udp"),
            ("8000-8002:9000-9002", "8000..8002:9000..9002"),
            ("[::1]:1:2", "[::1]:1:2"),
            ("::1:1:2", "[::1]:1:2"),
            ("127.0.0.1::80", "127.0.0.1:80:80"),
        ] {
            assert_eq!(forward(text).as_deref(), Some(wanted), "{text}");
            assert!(netloom_lab::publish::parse(wanted).is_ok(), "{wanted}");
        }
        for text in ["", "0:0", "80/sctp", "a:80", "1-3:1-2", "1:2:3:4", "65536", "host:1:2"] {
            assert_eq!(forward(text), None, "{text}");
        }
    }
}

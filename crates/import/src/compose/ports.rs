//! Ports published on the machine.

use netloom_lab::yaml::Value;

use crate::made::{Made, Map};
use crate::read::{Field, Reading, find, items};

/// `ports:` in the lab file's form, `[ADDRESS:]PORT:PORT[/udp]`.
pub(super) fn published(reading: &mut Reading<'_>, field: Field<'_>, what: &str, map: &mut Map) {
    let mut all = Vec::new();
    for node in items(field.node) {
        let item = Field { node, ..field };
        let text = if matches!(node.value, Value::Map(_)) { long(reading, item) } else { reading.text(item) };
        let Some(text) = text else { continue };
        match forward(&text) {
            Some(port) => all.push(port),
            None => {
                reading.error(node.span, format!("`{text}` is no port to publish"), Some("such as 8080:80"))
            }
        }
    }
    if !all.is_empty() {
        map.later("ports", Made::List(all.into_iter().map(Made::Text).collect()));
        reading.note(field.span, what, "not supported yet: it stands in the lab file as a comment");
    }
}

/// The long form as the short one.
fn long(reading: &mut Reading<'_>, item: Field<'_>) -> Option<String> {
    let keys = reading.fields(item.node, "a port");
    let mut part = |name: &str| find(&keys, name).and_then(|field| reading.text(field));
    let (host, published, target, protocol) =
        (part("host_ip"), part("published"), part("target"), part("protocol"));
    let Some(target) = target else {
        reading.error(item.node.span, "a port needs a `target`", None);
        return None;
    };
    let front: String = [host, published].into_iter().flatten().map(|part| format!("{part}:")).collect();
    let protocol = protocol.map(|protocol| format!("/{protocol}")).unwrap_or_default();
    Some(format!("{front}{target}{protocol}"))
}

/// Checks `[[ADDRESS:]PORT[-PORT]:]PORT[-PORT][/PROTOCOL]`; a port alone is published as itself.
fn forward(text: &str) -> Option<String> {
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
    if !address.is_empty() {
        address.trim_matches(['[', ']']).parse::<std::net::IpAddr>().ok()?;
    }
    let address = if address.is_empty() { String::new() } else { format!("{address}:") };
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
    use super::forward;

    #[test]
    fn ports_are_read_in_all_forms() {
        for (text, wanted) in [
            ("8080:80", "8080:80"),
            ("80", "80:80"),
            ("127.0.0.1:8080:80/tcp", "127.0.0.1:8080:80"),
            ("53:53/udp", "53:53/udp"),
            ("8000-8002:9000-9002", "8000..8002:9000..9002"),
            ("[::1]:1:2", "[::1]:1:2"),
            ("127.0.0.1::80", "127.0.0.1:80:80"),
        ] {
            assert_eq!(forward(text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["", "0:0", "80/sctp", "a:80", "1-3:1-2", "1:2:3:4", "65536", "host:1:2"] {
            assert_eq!(forward(text), None, "{text}");
        }
    }
}

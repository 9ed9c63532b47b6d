//! Ports published on the machine.

use netloom_lab::yaml::Value;

use crate::made::Map;
use crate::published::{self, forward};
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
    published::put(reading, field.span, what, all, map);
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

//! The keys of a node that is a real interface of the machine: its name, and the networks it joins. No other.

use super::read::{Fields, Reader};
use super::yaml::Node;
use crate::error::{Spanned, TextError};
use crate::names::check_interface;

/// Keys that say where its wire leads.
const WITH_IT: &[&str] = &["interface", "networks"];

/// Reads `interface:`, and refuses the keys beside it that have no meaning for it.
pub(super) fn read(reader: &mut Reader, node: &Node, fields: &Fields<'_>) -> Option<Spanned<String>> {
    for (key, span) in fields.keys().filter(|(key, _)| !WITH_IT.contains(key)) {
        let message = format!("`{key}` has no meaning for a real interface");
        reader.minor(|reader| reader.error(span, message, Some(hint(key))));
    }
    reader.parse(node, name)
}

fn name(text: &str) -> Result<String, TextError> {
    check_interface(text)?;
    if text == "lo" {
        let error = TextError::new("the loopback cannot join a lab: it has no wire");
        return Err(error.hint("`ports:` of a node leads from the machine into the lab"));
    }
    Ok(text.to_owned())
}

/// What to do instead.
fn hint(key: &str) -> &'static str {
    match key {
        "image" | "vm" => "a node is a container, a virtual machine, a real interface or a host: choose one",
        "ip" | "mac" | "mtu" | "gateway" | "routes" | "forward" | "sysctl" | "aliases" => {
            "its addresses and settings stay those it has on the machine, where `ip` changes them"
        }
        "cpu" | "memory" | "swap" | "pids" | "io" | "cpuset" | "limits" => {
            "it uses nothing that could be limited; `rate` of its link limits what passes"
        }
        "netns" | "port" => "it stays where it is, in the network namespace that the lab is started in",
        _ => "no program runs in it: give the key to a host that is linked to the same switch",
    }
}

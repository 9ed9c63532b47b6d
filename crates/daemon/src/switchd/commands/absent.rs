//! What is shown of things that nobody has configured, or that have no effect: nothing, in OVS's words.

use super::macs::known;
use crate::ovs::unixctl::Answer;
use crate::switchd::plant::Plant;

/// Commands that show objects of which there are none, and what is said of one that is asked for by name.
pub(super) const KINDS: [(&str, &str, &str); 6] = [
    ("bond/show", "[port]", "no such bond"),
    ("lacp/show", "[port]", "no such lacp object"),
    ("stp/show", "[bridge]", "no such stp object"),
    ("rstp/show", "[bridge]", "No such RSTP object"),
    ("cfm/show", "[interface]", "no such CFM object"),
    ("bfd/show", "[interface]", "no such bfd object"),
];

/// The answer of one of [`KINDS`].
pub(super) fn none(words: &[String], no_such: &str) -> Answer {
    if words.is_empty() { Ok(String::new()) } else { Err(no_such.to_owned()) }
}

pub(super) fn bonds(_: &mut Plant, _: &[String]) -> Answer {
    Ok("bond\ttype\trecircID\tmembers\n".to_owned())
}

pub(super) fn groups(plant: &mut Plant, words: &[String]) -> Answer {
    known(plant, words)?;
    Err("multicast snooping is disabled".to_owned())
}

pub(super) fn forget_groups(plant: &mut Plant, words: &[String]) -> Answer {
    if !words.is_empty() {
        known(plant, words)?;
        return Err("multicast snooping is disabled".to_owned());
    }
    Ok("table successfully flushed".to_owned())
}

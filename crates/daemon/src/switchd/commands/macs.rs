//! `fdb/*`: what NORMAL has learned.

use std::fmt::Write as _;

use netloom_flow::OfPort;

use super::no_such_bridge;
use crate::ovs::unixctl::Answer;
use crate::slowpath;
use crate::switchd::plant::Plant;
use crate::trace::mac_in_words;

pub(super) fn show(plant: &mut Plant, words: &[String]) -> Answer {
    let name = known(plant, words)?;
    let now = slowpath::now();
    // What is in use is as young as its last packet.
    let model = plant.core.fresh();
    let mut text = " port  VLAN  MAC                Age\n".to_owned();
    for row in model.macs(name) {
        let port = if row.port == OfPort::LOCAL { "LOCAL".to_owned() } else { row.port.0.to_string() };
        let age = now.since(row.used).0 / 1_000_000_000;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{port:>5}  {:>4}  {}  {age:>3}", row.vlan, mac_in_words(row.mac));
    }
    Ok(text)
}

pub(super) fn flush(plant: &mut Plant, words: &[String]) -> Answer {
    let name = words.first().map(String::as_str);
    drop(plant.core.fresh());
    if slowpath::write(plant.core.switch()).forget_macs(name, slowpath::now()) {
        return Ok("table successfully flushed".to_owned());
    }
    Err(no_such_bridge())
}

pub(super) fn stats(plant: &mut Plant, words: &[String]) -> Answer {
    let name = known(plant, words)?;
    let model = plant.core.fresh();
    let count = model.macs(name).len();
    let limit = plant.desired.bridges.iter().find(|bridge| bridge.name == *name).map(|it| it.mac_table_size);
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(8_192);
    Ok(format!(
        "Statistics for bridge \"{name}\":\n  Current/maximum MAC entries in the table: {count}/{limit}\n"
    ))
}

/// The first word, if it is a bridge.
pub(super) fn known<'w>(plant: &Plant, words: &'w [String]) -> Result<&'w str, String> {
    let name = words.last().map(String::as_str).unwrap_or_default();
    let is_known = plant.desired.bridges.iter().any(|bridge| bridge.name == name);
    if is_known { Ok(name) } else { Err(no_such_bridge()) }
}

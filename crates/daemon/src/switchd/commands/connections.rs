//! `dpctl/*conntrack`, `dpctl/ct-*`: connections that are tracked.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use netloom_flow::text::parse_tuple;
use netloom_flow::{BridgeId, ConnectionFilter, ConnectionRow, TupleRow};

use super::datapath_type;
use crate::ovs::unixctl::Answer;
use crate::slowpath;
use crate::switchd::plant::Plant;

pub(super) fn dump(plant: &mut Plant, words: &[String]) -> Answer {
    let (options, rest): (Vec<_>, Vec<_>) = words.iter().cloned().partition(|word| word.starts_with('-'));
    let mut shown = Shown::default();
    for option in options {
        match option.as_str() {
            "-m" | "--more" => shown.more = true,
            "-s" | "--statistics" => shown.statistics = true,
            other => return Err(format!("Unrecognized option {other}")),
        }
    }
    let rows = plant.core.tracker().rows(&filter(plant, &rest)?, slowpath::now());
    Ok(rows.iter().map(|row| line(row, shown) + "\n").collect())
}

/// Of a zone, or only the connection with this first packet, or this answer to it.
pub(super) fn flush(plant: &mut Plant, words: &[String]) -> Answer {
    let (tuples, rest): (Vec<_>, Vec<_>) = words.iter().cloned().partition(|word| word.starts_with("ct_"));
    let mut filter = filter(plant, &rest)?;
    let mut tuples = tuples.iter();
    if let Some(text) = tuples.next() {
        (filter.original, filter.protocol) = parse_tuple(text)?;
    }
    if let Some(text) = tuples.next() {
        let (reply, protocol) = parse_tuple(text)?;
        filter.reply = reply;
        filter.protocol = filter.protocol.or(protocol);
    }
    plant.core.tracker().flush(&filter);
    Ok(String::new())
}

/// `dpctl/ct-stats-show`: how many there are, by protocol, and of TCP by state.
pub(super) fn statistics(plant: &mut Plant, words: &[String]) -> Answer {
    let (_, rest): (Vec<_>, Vec<_>) = words.iter().cloned().partition(|word| word == "verbose");
    let rows = plant.core.tracker().rows(&filter(plant, &rest)?, slowpath::now());
    let mut text = format!("Connections Stats:\n    Total: {}\n", rows.len());
    for (number, name) in [(6, "TCP"), (17, "UDP"), (1, "ICMP"), (58, "ICMPv6"), (132, "SCTP")] {
        let of: Vec<&ConnectionRow> = rows.iter().filter(|row| row.protocol == number).collect();
        if of.is_empty() {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name}: {}", of.len());
        let mut states: BTreeMap<String, usize> = BTreeMap::new();
        for row in of.iter().filter(|row| row.protocol == 6) {
            *states.entry(row.state.to_ascii_uppercase()).or_default() += 1;
        }
        for (state, count) in states {
            let _ = writeln!(text, "    Conn in state {state}: {count}");
        }
    }
    Ok(text)
}

pub(super) fn count(plant: &mut Plant, words: &[String]) -> Answer {
    filter(plant, words)?;
    Ok(format!("{}\n", plant.core.tracker().count()))
}

/// `dpctl/ct-get-maxconns`
pub(super) fn most(plant: &mut Plant, words: &[String]) -> Answer {
    filter(plant, words)?;
    Ok(format!("{}\n", crate::core::CONNECTIONS))
}

/// `zone=3,limit=10`, or `zone=1,2` where only numbers are wanted.
fn zone_of(word: &str) -> Option<(u16, Option<u32>)> {
    let rest = word.strip_prefix("zone=")?;
    match rest.split_once(',') {
        None => Some((rest.parse().ok()?, None)),
        Some((zone, limit)) => Some((zone.parse().ok()?, Some(limit.strip_prefix("limit=")?.parse().ok()?))),
    }
}

/// All bridges: a zone of the datapath is one of each of them here.
fn bridges(plant: &Plant) -> Vec<BridgeId> {
    slowpath::read(plant.core.switch()).bridges().map(|(id, _)| id).collect()
}

/// `dpctl/ct-set-limits [dp] zone=N,limit=L...`
pub(super) fn set_limits(plant: &mut Plant, words: &[String]) -> Answer {
    let (zones, rest): (Vec<_>, Vec<_>) = words.iter().cloned().partition(|word| word.contains('='));
    filter(plant, &rest)?;
    let mut all = Vec::new();
    for word in &zones {
        if word.starts_with("default=") {
            return Err("a limit of zones that have none of their own is not supported".to_owned());
        }
        let Some((zone, Some(limit))) = zone_of(word) else {
            return Err(format!("invalid argument {word}: zone=N,limit=L is wanted"));
        };
        all.push((zone, limit));
    }
    for bridge in bridges(plant) {
        for (zone, limit) in &all {
            plant.core.tracker().set_limit(bridge, *zone, Some(*limit));
        }
    }
    Ok(String::new())
}

/// The zones of `zone=1,2`, and the words that say something else.
fn zones_of(words: &[String]) -> Result<(Vec<u16>, Vec<String>), String> {
    let (mut zones, mut rest) = (Vec::new(), Vec::new());
    for word in words {
        match word.strip_prefix("zone=") {
            None => rest.push(word.clone()),
            Some(list) => {
                for zone in list.split(',') {
                    zones.push(zone.parse().map_err(|_| format!("invalid zone {zone}"))?);
                }
            }
        }
    }
    Ok((zones, rest))
}

/// `dpctl/ct-del-limits [dp] zone=N1[,N2]...`
pub(super) fn delete_limits(plant: &mut Plant, words: &[String]) -> Answer {
    let (zones, rest) = zones_of(words)?;
    filter(plant, &rest)?;
    for bridge in bridges(plant) {
        zones.iter().for_each(|zone| plant.core.tracker().set_limit(bridge, *zone, None));
    }
    Ok(String::new())
}

/// `dpctl/ct-get-limits [dp] [zone=N1[,N2]...]`
pub(super) fn limits(plant: &mut Plant, words: &[String]) -> Answer {
    let (zones, rest) = zones_of(words)?;
    filter(plant, &rest)?;
    let mut all: BTreeMap<u16, (u32, u32)> = BTreeMap::new();
    for bridge in bridges(plant) {
        for state in plant.core.tracker().zones(bridge) {
            let Some(limit) = state.limit else { continue };
            let (most, count) = all.entry(state.zone).or_insert((limit, 0));
            (*most, *count) = (limit, *count + state.connections);
        }
    }
    // Asked for by its number, a zone without a limit is shown, too.
    for zone in zones.iter().copied() {
        all.entry(zone).or_insert((0, 0));
    }
    let mut text = "default limit=0\n".to_owned();
    for (zone, (limit, count)) in all.iter().filter(|(zone, _)| zones.is_empty() || zones.contains(zone)) {
        let _ = writeln!(text, "zone={zone},limit={limit},count={count}");
    }
    Ok(text)
}

/// OVS's words for a word that is neither a zone nor a datapath.
const NOT_FOUND: &str = "ovs-vswitchd: datapath not found (Invalid argument)";

/// The datapath, which is the only one, and a zone.
fn filter(plant: &Plant, words: &[String]) -> Result<ConnectionFilter, String> {
    let mut filter = ConnectionFilter::default();
    let name = datapath_type(plant);
    for word in words {
        match word.strip_prefix("zone=") {
            Some(zone) => {
                filter.zone = Some(zone.parse().map_err(|_| NOT_FOUND.to_owned())?);
            }
            None if word == name || name.ends_with(&format!("@{word}")) => {}
            None => return Err(format!("opening datapath {word} failed (No such device)")),
        }
    }
    Ok(filter)
}

/// What is shown of connections besides what they are.
#[derive(Debug, Clone, Copy, Default)]
struct Shown {
    more: bool,
    statistics: bool,
}

/// As OVS's `ct_dpif_format_entry`.
fn line(row: &ConnectionRow, shown: Shown) -> String {
    let protocol = match row.protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        132 => "sctp".to_owned(),
        other => other.to_string(),
    };
    let mut line = format!("{protocol},orig=({}),reply=({})", tuple(&row.original), tuple(&row.reply));
    if shown.more {
        line += ",id=0";
    }
    if row.zone != 0 {
        line += &format!(",zone={}", row.zone);
    }
    if shown.more {
        line += ",status=0";
    }
    if shown.statistics {
        line += &format!(",timeout={}", row.timeout);
    }
    if row.mark != 0 {
        line += &format!(",mark={}", row.mark);
    }
    if row.label != 0 {
        line += &format!(",labels={:#x}", row.label);
    }
    if matches!(row.protocol, 6 | 132) {
        line += &format!(",protoinfo=(state={})", row.state.to_ascii_uppercase());
    }
    line
}

fn tuple(tuple: &TupleRow) -> String {
    let ends = format!("src={},dst={}", tuple.src, tuple.dst);
    match tuple.icmp {
        Some((kind, code)) => format!("{ends},id={},type={kind},code={code}", tuple.src_port),
        None => format!("{ends},sport={},dport={}", tuple.src_port, tuple.dst_port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_stands_behind_its_zone() {
        assert_eq!(zone_of("zone=3,limit=10"), Some((3, Some(10))));
        assert_eq!(zone_of("zone=3,most=10"), None);
    }
}

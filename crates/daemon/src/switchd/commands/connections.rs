//! `dpctl/*conntrack`: connections that are tracked.

use netloom_flow::{ConnectionFilter, ConnectionRow, TupleRow};

use super::datapath_type;
use crate::ovs::unixctl::Answer;
use crate::slowpath;
use crate::switchd::plant::Plant;

pub(super) fn dump(plant: &mut Plant, words: &[String]) -> Answer {
    let rows = plant.core.tracker().rows(&filter(plant, words)?, slowpath::now());
    Ok(rows.iter().map(|row| line(row) + "\n").collect())
}

pub(super) fn flush(plant: &mut Plant, words: &[String]) -> Answer {
    let filter = filter(plant, words)?;
    plant.core.tracker().flush(&filter);
    Ok(String::new())
}

pub(super) fn count(plant: &mut Plant, words: &[String]) -> Answer {
    filter(plant, words)?;
    Ok(format!("{}\n", plant.core.tracker().count()))
}

/// The datapath, which is the only one, and a zone.
fn filter(plant: &Plant, words: &[String]) -> Result<ConnectionFilter, String> {
    let mut filter = ConnectionFilter::default();
    let name = datapath_type(plant);
    for word in words {
        match word.strip_prefix("zone=") {
            Some(zone) => {
                filter.zone = Some(zone.parse().map_err(|_| "failed to parse zone".to_owned())?);
            }
            None if word == name || name.ends_with(&format!("@{word}")) => {}
            None => return Err(format!("opening datapath {word} failed (No such device)")),
        }
    }
    Ok(filter)
}

/// As OVS's `ct_dpif_format_entry`.
fn line(row: &ConnectionRow) -> String {
    let protocol = match row.protocol {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        132 => "sctp".to_owned(),
        other => other.to_string(),
    };
    let mut line = format!("{protocol},orig=({}),reply=({})", tuple(&row.original), tuple(&row.reply));
    if row.zone != 0 {
        line += &format!(",zone={}", row.zone);
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

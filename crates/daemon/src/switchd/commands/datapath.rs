//! `dpif/*` and `dpctl/*`: the datapath and its ports.

use std::fmt::Write as _;

use netloom_flow::OfPort;
use netloom_netdev::TunnelKind;

use super::datapath_type;
use crate::ovs::unixctl::Answer;
use crate::switchd::desired::Kind;
use crate::switchd::plant::{Plant, Standing};

/// Packets that a cached flow answered, and those that none did.
fn lookups(plant: &Plant) -> (u64, u64) {
    let all = plant.core.counters().iter().map(|counters| counters.lookups());
    let (frames, missed) = all.fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    (frames.saturating_sub(missed), missed)
}

pub(super) fn show(plant: &mut Plant, _: &[String]) -> Answer {
    let (hit, missed) = lookups(plant);
    let mut text = format!("{}: hit:{hit} missed:{missed}\n", datapath_type(plant));
    for bridge in &plant.desired.bridges {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}:", bridge.name);
        let mut ports: Vec<_> = plant.standing.values().filter(|it| it.bridge == bridge.uuid).collect();
        ports.sort_by(|a, b| a.name.cmp(&b.name));
        for port in ports {
            let number = if port.number == OfPort::LOCAL { 65_534 } else { port.number.0 };
            let datapath = match port.kind {
                Kind::Patch { .. } => "none".to_owned(),
                _ => port.spec.id.0.to_string(),
            };
            let _ = writeln!(text, "    {} {number}/{datapath}: ({})", port.name, kind(port));
        }
    }
    Ok(text)
}

pub(super) fn names(plant: &mut Plant, _: &[String]) -> Answer {
    Ok(format!("{}\n", datapath_type(plant)))
}

pub(super) fn ports(plant: &mut Plant, words: &[String]) -> Answer {
    let name = datapath_type(plant);
    let (kind_of_datapath, own) = name.split_once('@').unwrap_or_default();
    let mut asked = words.iter().filter(|word| !word.starts_with('-'));
    if let Some(other) = asked.find(|word| *word != name && *word != own) {
        return Err(format!("opening datapath {other} failed (No such device)\n"));
    }
    let (hit, missed) = lookups(plant);
    let local = if kind_of_datapath == "netdev" { "tap" } else { "internal" };
    let mut text =
        format!("{name}:\n  lookups: hit:{hit} missed:{missed} lost:0\n  port 0: {own} ({local})\n");
    let mut ports: Vec<_> =
        plant.standing.values().filter(|port| !matches!(port.kind, Kind::Patch { .. })).collect();
    ports.sort_by_key(|port| port.spec.id);
    for port in ports {
        // Writing to a string cannot fail.
        let _ = match kind(port).as_str() {
            "system" => writeln!(text, "  port {}: {}", port.spec.id.0, port.name),
            kind => writeln!(text, "  port {}: {} ({kind})", port.spec.id.0, port.name),
        };
    }
    Ok(text)
}

/// The type of an interface, and what else `dpif/show` tells of it.
fn kind(port: &Standing) -> String {
    match &port.kind {
        Kind::System | Kind::Bad(_) => "system".to_owned(),
        Kind::Dummy(_) => "dummy".to_owned(),
        Kind::Internal { .. } | Kind::Tap => "tap".to_owned(),
        Kind::Patch { peer } => format!("patch: peer={peer}"),
        Kind::Tunnel(settings) => {
            let kind = match settings.kind {
                TunnelKind::Vxlan(_) => "vxlan",
                TunnelKind::Geneve => "geneve",
                TunnelKind::Gre { .. } => "gre",
                TunnelKind::Erspan { .. } => "erspan",
                TunnelKind::Stt => "stt",
            };
            let remote = settings.remote.map_or_else(|| "flow".to_owned(), |ip| ip.to_string());
            format!("{kind}: remote_ip={remote}")
        }
    }
}

//! Flow mods through one connection, as a stream and as one bundle, and what a flow costs in memory.

use super::bed::{Bed, PEERS};
use super::rules::{self, Kind};
use super::wire::{self, kind};
use crate::bench::peer::Peer;
use crate::bench::report::{Asked, Series};
use crate::run::Failed;

/// `OFPBCT_*`.
const OPEN: u16 = 0;
const CLOSE: u16 = 2;
const COMMIT: u16 = 4;

/// Bodies of flow mods that add a set.
pub(super) fn additions(kind: Kind, count: usize) -> Vec<Vec<u8>> {
    let actions = wire::output(2);
    rules::make(kind, count)
        .iter()
        .map(|(priority, demands)| wire::add_flow(*priority, demands, &actions))
        .collect()
}

/// All of them as a stream.
pub(super) fn stream(bodies: &[Vec<u8>]) -> Vec<u8> {
    bodies.iter().zip(1..).flat_map(|(body, xid)| wire::message(kind::FLOW_MOD, xid, body)).collect()
}

/// All of them as one atomic bundle.
pub(super) fn bundle(bodies: &[Vec<u8>]) -> Vec<u8> {
    let control = |step| wire::message(kind::BUNDLE_CONTROL, 7, &wire::bundle_control(step));
    let mut bytes = control(OPEN);
    for (body, xid) in bodies.iter().zip(1..) {
        let inner = wire::message(kind::FLOW_MOD, xid, body);
        bytes.extend(wire::message(kind::BUNDLE_ADD, xid, &wire::bundle_add(&inner)));
    }
    bytes.extend(control(CLOSE));
    bytes.extend(control(COMMIT));
    bytes
}

/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(rounds: usize, count: usize) -> Result<(), Failed> {
    let bodies = additions(Kind::Acl, count);
    let (stream, bundle) = (stream(&bodies), bundle(&bodies));
    let clear = wire::message(kind::FLOW_MOD, 9, &wire::delete_all());
    let (mut streamed, mut bundled, mut memory) = (Series::default(), Series::default(), Series::default());
    for round in 1..=rounds {
        for peer in PEERS {
            eprintln!("openflow: round {round} of {rounds}, {}", peer.name());
            let bed = Bed::up(peer)?;
            let mut client = bed.connect()?;
            client.carry_out(&clear)?;
            let before = bed.resident()?;
            #[expect(clippy::cast_precision_loss, reason = "a count of flows")]
            let flows = count as f64;
            let mut timed = |bytes: &[u8]| -> Result<f64, Failed> {
                let start = crate::bench::now();
                client.carry_out(bytes)?;
                Ok(flows / start.elapsed().as_secs_f64())
            };
            streamed.add(peer, timed(&stream)?);
            memory.add(peer, (bed.resident()? - before) / flows);
            client.carry_out(&clear)?;
            let mut timed = |bytes: &[u8]| -> Result<f64, Failed> {
                let start = crate::bench::now();
                client.carry_out(bytes)?;
                Ok(flows / start.elapsed().as_secs_f64())
            };
            bundled.add(peer, timed(&bundle)?);
        }
    }
    let five = [(Peer::Ovs, Asked::AtLeast(5.0, 10.0))];
    streamed.print(&format!("{count} flow mods as a stream, access list"), "flow mods/s", &five);
    bundled.print(&format!("{count} flow mods as one atomic bundle"), "flow mods/s", &five);
    memory.print("Memory of a flow, access list", "bytes", &[(Peer::Ovs, Asked::AtMost(1.0, 0.5))]);
    Ok(())
}

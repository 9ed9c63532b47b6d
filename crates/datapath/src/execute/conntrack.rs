//! Ct: the packet is tracked, translated if it is to be, and goes on with what was said of it beside it.

use netloom_flow::{DpAction, DropReason, Track};
use netloom_packet::bytes::be32;
use netloom_packet::parse::FRAG_ANY;
use netloom_packet::{Csum, Gso, Headers, checksum, parse, wire as wire_of};

use crate::conntrack::{self, Held, Look, Outcome, Tracked, Transport, Watched};
use crate::execute::list::steps;
use crate::execute::{Carried, wire};
use crate::wiring::Wiring;

/// Tracks a frame that is no fragment; `false`, and the frame dropped, if it cannot be done as asked.
pub(crate) fn track(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, wanted: &Track) -> bool {
    let csum = carried.frame.offload.csum;
    match decide(wiring, carried, wanted, carried.frame.data(), &carried.headers, csum) {
        Ok((outcome, look)) => apply(wiring, carried, &outcome, look.as_ref()),
        Err(reason) => {
            wiring.drop(carried.in_port, reason, carried.wire.packets);
            return false;
        }
    }
    true
}

/// Whether a frame has to wait for the rest of its datagram.
pub(crate) const fn is_fragment(carried: &Carried<'_, '_>) -> bool {
    carried.headers.frag & FRAG_ANY != 0
}

/// Whether a super-packet has to be cut before it is tracked.
pub(crate) fn is_apart(wiring: &Wiring, carried: &Carried<'_, '_>, wanted: &Track) -> bool {
    let is_long = carried.frame.offload.gso != Gso::None && wiring.tracker.helps();
    let look = is_long.then(|| Look::at(carried.frame.data(), &carried.headers)).flatten();
    look.is_some_and(|look| {
        let tenant = carried.frame.tenant();
        wiring.tracker.watches(wanted, tenant, &look, carried.ct.as_ref(), wiring.now)
    })
}

/// Tracks a datagram when its last fragment has come; then each fragment goes on with `rest`.
pub(crate) fn fragment(
    wiring: &mut Wiring,
    carried: &Carried<'_, '_>,
    wanted: &Track,
    rest: &[DpAction],
    depth: u8,
) {
    let port = carried.in_port;
    let Some(packet) = wiring.pool.own(carried.frame) else {
        return wiring.drop(port, DropReason::PoolExhausted, 1);
    };
    let scope = conntrack::scope(wanted, carried.frame.tenant());
    let held = wiring.tracker.fragments().hold(scope, &carried.headers, packet, port, wiring.now);
    let (whole, packets) = match held {
        Held::Waiting => return,
        Held::Bad(reason, packets) => return give_up(wiring, carried, reason, packets),
        Held::Whole(whole, packets) => (whole, packets),
    };
    let headers = parse(&whole).unwrap_or_default();
    let outcome = match decide(wiring, carried, wanted, &whole, &headers, Csum::Complete) {
        Ok((outcome, _)) => outcome,
        Err(reason) => return give_up(wiring, carried, reason, packets),
    };
    for mut packet in packets {
        let mut frame = packet.frame();
        let headers = parse(frame.data()).unwrap_or_default();
        let wire = wire_of(frame.len(), &headers, &frame.offload);
        let mut part = Carried { frame: &mut frame, headers, wire, in_port: port, ct: None };
        apply(wiring, &mut part, &Outcome { watched: None, ..outcome }, None);
        steps(wiring, &mut part, rest, depth);
        wiring.pool.recycle(packet);
    }
}

fn give_up(
    wiring: &mut Wiring,
    carried: &Carried<'_, '_>,
    reason: DropReason,
    packets: Vec<crate::pool::Packet>,
) {
    for packet in packets {
        wiring.drop(carried.in_port, reason, 1);
        wiring.pool.recycle(packet);
    }
}

/// What tracking says of a packet whose whole bytes are `data`.
fn decide(
    wiring: &Wiring,
    carried: &Carried<'_, '_>,
    wanted: &Track,
    data: &[u8],
    headers: &Headers,
    csum: Csum,
) -> Result<(Outcome, Option<Look>), DropReason> {
    let tenant = carried.frame.tenant();
    let look = is_sound(data, headers, csum).then(|| Look::at(data, headers)).flatten();
    let Some(look) = look else {
        let tracked = Tracked::invalid(conntrack::scope(wanted, tenant));
        return Ok((Outcome { tracked, translation: None, watched: None }, None));
    };
    let outcome = wiring.tracker.track(wanted, tenant, &look, carried.ct.as_ref(), wiring.now)?;
    Ok((outcome, Some(look)))
}

/// Whether checksums are right, as far as nobody vouches for them.
fn is_sound(data: &[u8], headers: &Headers, csum: Csum) -> bool {
    headers.l3 > 0
        && checksum::verify_ipv4(data, headers) != Some(false)
        && (csum != Csum::Complete || checksum::verify_l4(data, headers) != Some(false))
}

fn apply(wiring: &Wiring, carried: &mut Carried<'_, '_>, outcome: &Outcome, look: Option<&Look>) {
    carried.ct = Some(outcome.tracked);
    let replacement = match (&outcome.watched, look) {
        (Some(watched), Some(look)) => watch(wiring, carried, watched, look),
        _ => None,
    };
    if let Some(translation) = &outcome.translation {
        if translation.is_error {
            wire::finish(carried);
        }
        let csum = carried.frame.offload.csum;
        conntrack::rewrite(carried.frame.data_mut(), &carried.headers, csum, translation);
    }
    if let Some(replacement) = replacement
        && conntrack::replace(carried.frame, &mut carried.headers, &replacement)
    {
        carried.recount();
    }
}

/// Reads along, and moves sequence numbers. Super-packets were cut, see [`is_apart`].
fn watch(
    wiring: &Wiring,
    carried: &mut Carried<'_, '_>,
    watched: &Watched,
    look: &Look,
) -> Option<conntrack::Replacement> {
    let Carried { frame, headers, .. } = carried;
    let payload = frame.data().get(usize::from(headers.payload)..headers.end as usize)?;
    let is_read = frame.offload.gso == Gso::None && headers.payload > 0 && !payload.is_empty();
    let seq = be32(frame.data(), usize::from(headers.l4) + 4).unwrap_or(0);
    let replacement = is_read.then(|| wiring.tracker.read(watched, payload, seq, wiring.now)).flatten();
    if matches!(look.transport, Transport::Tcp(_)) {
        let csum = frame.offload.csum;
        conntrack::shift(frame.data_mut(), headers, csum, watched.shifts);
    }
    replacement
}

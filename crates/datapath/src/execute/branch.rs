//! Branches: only the packet itself, or a meter, tells which actions are for it.

use netloom_flow::{Branch, DropReason, Meter, MeterVerdict};
use netloom_packet::bytes::be16;
use netloom_packet::edit::Edit;
use netloom_packet::parse::ip_proto;
use netloom_packet::vlan::TAG;

use crate::execute::{Carried, clone, wire};
use crate::wiring::Wiring;

/// What a choice came to for a whole frame.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Taken<'a> {
    /// All its wire packets take this branch, which is still to be carried out.
    Whole(&'a Branch),
    /// They were dealt with one by one.
    Apart,
}

/// Asks a meter about every wire packet.
pub(crate) fn meter<'a>(
    wiring: &mut Wiring,
    carried: &mut Carried<'_, '_>,
    meter: &Meter,
    passed: &'a Branch,
    depth: u8,
) -> Taken<'a> {
    if meter.admit_all(carried.wire.packets, carried.wire.bytes, wiring.now) {
        return Taken::Whole(passed);
    }
    wire::each(wiring, carried, &mut |wiring, carried| match meter.admit(carried.wire.bytes, wiring.now) {
        MeterVerdict::Pass => take(wiring, carried, passed, depth),
        MeterVerdict::Drop => wiring.drop(carried.in_port, DropReason::Meter, carried.wire.packets),
        MeterVerdict::Remark(by) => {
            let before = tos(carried);
            let remarked = before.map(|tos| remarked(tos, by));
            set_tos(carried, remarked);
            take(wiring, carried, passed, depth);
            set_tos(carried, before);
        }
    });
    Taken::Apart
}

/// Tells long wire packets from short ones.
pub(crate) fn check_length<'a>(
    wiring: &mut Wiring,
    carried: &mut Carried<'_, '_>,
    len: u16,
    [longer, other]: [&'a Branch; 2],
    depth: u8,
) -> Taken<'a> {
    let tags = TAG * usize::from(carried.headers.vlans);
    let choose = |bytes: usize| if bytes.saturating_sub(tags) > usize::from(len) { longer } else { other };
    let whole = usize::try_from(carried.wire.bytes).unwrap_or(usize::MAX);
    if carried.wire.packets <= 1 {
        return Taken::Whole(choose(whole));
    }
    // All parts of a super-packet but the last are equally long.
    let part = usize::from(carried.headers.payload) + usize::from(carried.frame.offload.gso_size);
    let parts = usize::try_from(carried.wire.packets).unwrap_or(usize::MAX);
    let last = whole.saturating_sub(part.saturating_mul(parts - 1));
    if std::ptr::eq(choose(part), choose(last)) {
        return Taken::Whole(choose(part));
    }
    wire::each(wiring, carried, &mut |wiring, carried| {
        take(wiring, carried, choose(carried.frame.len()), depth);
    });
    Taken::Apart
}

/// Carries out a branch on a copy of the frame; the frame itself goes on unchanged.
pub(crate) fn take(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, branch: &Branch, depth: u8) {
    count(wiring, carried, branch);
    clone::run(wiring, carried, &branch.actions, depth);
}

/// Counts a frame that takes a branch.
pub(crate) fn count(wiring: &Wiring, carried: &Carried<'_, '_>, branch: &Branch) {
    branch.hits.add(carried.wire.packets.into(), carried.wire.bytes, tcp_flags(carried), wiring.now);
}

fn tcp_flags(carried: &Carried<'_, '_>) -> u16 {
    let Carried { headers, frame, .. } = carried;
    let is_tcp = headers.l4 > 0 && headers.ip_proto == ip_proto::TCP;
    let flags = is_tcp.then(|| be16(frame.data(), usize::from(headers.l4) + 12)).flatten();
    flags.unwrap_or(0) & 0x0fff
}

fn tos(carried: &Carried<'_, '_>) -> Option<u8> {
    let (headers, data) = (&carried.headers, carried.frame.data());
    let first = be16(data, usize::from(headers.l3)).filter(|_| headers.l3 > 0)?;
    let [_, low] = first.to_be_bytes();
    match (headers.is_ipv4(), headers.is_ipv6()) {
        (true, _) => Some(low),
        (_, true) => Some((first >> 4).to_be_bytes()[1]),
        _ => None,
    }
}

fn set_tos(carried: &mut Carried<'_, '_>, tos: Option<u8>) {
    let Some(tos) = tos else { return };
    let csum = carried.frame.offload.csum;
    Edit::new(carried.frame.data_mut(), &carried.headers, csum).tos(tos);
}

/// Raises the drop precedence of assured forwarding, which is 1 to 3 in bits 1 and 2 of the DSCP. Source: RFC 2597
/// section 6.
const fn remarked(tos: u8, by: u8) -> u8 {
    let (class, precedence) = (tos >> 5, tos >> 3 & 3);
    let is_assured = matches!(class, 1..=4) && precedence > 0 && tos >> 2 & 1 == 0;
    if !is_assured {
        return tos;
    }
    let raised = precedence.saturating_add(by);
    let raised = if raised > 3 { 3 } else { raised };
    tos & !0x18 | raised << 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_assured_forwarding_is_remarked_and_never_beyond_its_last_step() {
        let (af11, af12, af13, ef, best_effort) = (10 << 2, 12 << 2, 14 << 2, 46 << 2, 0);
        assert_eq!(remarked(af11, 1), af12);
        assert_eq!(remarked(af11 | 3, 2), af13 | 3, "ECN stays");
        assert_eq!(remarked(af12, 9), af13);
        assert_eq!((remarked(ef, 1), remarked(best_effort, 1)), (ef, best_effort));
    }
}

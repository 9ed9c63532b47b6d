//! STT frames out of what a raw socket received.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use netloom_flow::{DropReason, TunnelKey};
use netloom_packet::Offload;
use netloom_packet::build::Ends;
use netloom_packet::tunnel::Underlay;
use netloom_packet::tunnel::stt::{self, Arrived, Limits, Lost, Reassembly, Segment};
use netloom_sys::clock;
use netloom_sys::underlay::{Datagram, FRONT};

use super::super::door::{Opener, Owner, reason};

/// Bytes of a VLAN tag.
const TAG: usize = 4;
/// Where the tag belongs in a frame: behind the two addresses.
const ADDRESSES: usize = 12;

/// Puts pieces together and takes frames apart. What may wait is bounded, in bytes and in time.
#[derive(Debug)]
pub(in super::super) struct Stitcher {
    reassembly: Reassembly,
    lost: Lost,
}

impl Stitcher {
    pub(in super::super) fn new() -> Self {
        Self { reassembly: Reassembly::with_front(Limits::default(), FRONT), lost: Lost::default() }
    }

    /// Hands on what became whole by this packet.
    pub(in super::super) fn open(&mut self, datagram: &mut Datagram<'_>, opener: &mut Opener<'_>) {
        if let Err(why) = self.take(datagram, opener) {
            opener.refuse(datagram.buffer, None, why);
        }
    }

    /// Says of frames of which not all came that they are lost.
    pub(in super::super) fn settle(&mut self, opener: &mut Opener<'_>) {
        self.reassembly.expire(now());
        let lost = self.reassembly.lost();
        let before = std::mem::replace(&mut self.lost, lost);
        let all = |lost: Lost| lost.timed_out + lost.peer_full + lost.all_full;
        for _ in all(before)..all(lost) {
            opener.refuse(&mut [], None, DropReason::TunnelTimeout);
        }
    }

    /// When [`Self::settle`] has something to do next, in nanoseconds of the monotonic clock.
    pub(in super::super) fn deadline(&self) -> Option<u64> {
        self.reassembly.deadline().map(|at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Whether frames wait for pieces.
    pub(in super::super) fn is_waiting(&self) -> bool {
        !self.reassembly.is_empty()
    }

    fn take(&mut self, datagram: &mut Datagram<'_>, opener: &mut Opener<'_>) -> Result<(), DropReason> {
        let to = datagram.to.unwrap_or(datagram.from);
        let from = datagram.from;
        let underlay = underlay(datagram, to).ok_or(DropReason::TunnelMalformed)?;
        let packet = datagram.buffer.get(datagram.range.clone()).unwrap_or_default();
        let segment = Segment::received(packet, underlay).map_err(reason)?;
        // Strangers' frames are not kept waiting.
        if !opener.knows(from, to) {
            return Err(DropReason::TunnelUnknown);
        }
        let outer = Outer { from, to, tos: datagram.tos, ttl: datagram.ttl };
        if segment.is_whole() {
            let start = datagram.range.end - segment.bytes.len();
            return hand_on(datagram.buffer, start..datagram.range.end, outer, opener);
        }
        match self.reassembly.offer(&segment, now()) {
            Ok(Arrived::Whole(mut whole)) => {
                let outer = Outer { tos: outer.tos | if whole.marked { 3 } else { 0 }, ..outer };
                let range = FRONT..whole.bytes.len();
                let result = hand_on(&mut whole.bytes, range, outer, opener);
                self.reassembly.recycle(whole.bytes);
                result
            }
            Ok(Arrived::Waiting | Arrived::AtOnce(_)) => Ok(()),
            Err(_) => Err(DropReason::TunnelPieces),
        }
    }
}

/// What the outer header said of a frame.
#[derive(Debug, Clone, Copy)]
struct Outer {
    from: IpAddr,
    to: IpAddr,
    tos: u8,
    ttl: u8,
}

/// Hands on the Ethernet frame in the STT frame at `range` of `buffer`.
fn hand_on(
    buffer: &mut [u8],
    range: Range<usize>,
    outer: Outer,
    opener: &mut Opener<'_>,
) -> Result<(), DropReason> {
    let opened = stt::open(buffer.get(range.clone()).unwrap_or_default()).map_err(reason)?;
    let Outer { from, to, tos, ttl } = outer;
    let entry = opener.find((false, opened.stt.context, from, Some(to)))?;
    let mut inner = range.start + opened.inner.start..range.end;
    let frame = buffer.get_mut(inner.clone()).unwrap_or_default();
    match opener.fit(frame, entry, opened.offload.csum, tos) {
        Ok(()) => {}
        Err(why) => {
            opener.refuse(buffer, Some(entry.port), why);
            return Ok(());
        }
    }
    let mut offload = opened.offload;
    if let Some(tci) = opened.stt.tci {
        (inner, offload) = tagged(buffer, inner, offload, tci).ok_or(DropReason::TunnelMalformed)?;
    }
    let tunnel = TunnelKey::new(opened.stt.context, from, to).with_ip(tos, ttl);
    opener.hand_on(buffer, inner, offload, Owner { entry, tunnel });
    Ok(())
}

/// Puts the VLAN tag into a frame that travelled in the header.
fn tagged(
    buffer: &mut [u8],
    inner: Range<usize>,
    offload: Offload,
    tci: u16,
) -> Option<(Range<usize>, Offload)> {
    let start = inner.start.checked_sub(TAG)?;
    buffer.get(inner.start..inner.start + ADDRESSES)?;
    buffer.copy_within(inner.start..inner.start + ADDRESSES, start);
    let [high, low] = tci.to_be_bytes();
    let tag = buffer.get_mut(start + ADDRESSES..start + ADDRESSES + TAG)?;
    tag.copy_from_slice(&[0x81, 0x00, high, low]);
    Some((start..inner.end, offload.shifted(i16::try_from(TAG).ok()?)))
}

fn underlay(datagram: &Datagram<'_>, to: IpAddr) -> Option<Underlay> {
    let ends = match (datagram.from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => Ends::V4(from, to),
        (IpAddr::V6(from), IpAddr::V6(to)) => Ends::V6(from, to),
        _ => return None,
    };
    let (tos, ttl) = (datagram.tos, datagram.ttl);
    Some(Underlay { ends, tos, ttl, df: false, src_port: 0, dst_port: 0, csum: true })
}

fn now() -> Duration {
    Duration::from_nanos(clock::now())
}

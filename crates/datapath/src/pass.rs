//! A frame's way through: every stage, in order, and nothing else. Each stage is a file.
//!
//! | stage | where | about |
//! |---|---|---|
//! | receive | [`crate::Port::receive`], [`Wiring::receive`](crate::wiring::Wiring::receive) | the driver's, + 5 ns |
//! | parse | [`fn@netloom_packet::parse`] | 10 ns |
//! | key | [`netloom_flow::extract_into`] | 15 ns |
//! | cache | `cache/exact.rs`, else `cache/megaflow.rs` | 25 ns; + 15 ns per mask, + what memory takes |
//! | miss | [`crate::Slowpath::translate`] | the slow path's, + 1 us to remember |
//! | execute | `execute/` | 2 ns per action, 30 ns per rewrite |
//! | queue, link | `link/`, if it is shaped | 150 ns, + 40 ns per KB copied, once |
//! | transmit | [`crate::Port::transmit`] | the driver's, + 5 ns |
//!
//! In all some 80 ns for a hit and 70 ns for each further switch, whatever the size (`examples/pass_ns.rs`, one core of
//! a virtual EPYC of 2022).
//!
//! No lock is taken, nothing is allocated (packet memory is reused) and nothing formatted per packet. Counters are
//! plain loads and stores that other threads may read. A frame that arrives at another switch goes round this loop
//! in place; copies of it wait in a list and follow after it, so packets of one flow never overtake each other.

use netloom_flow::{DropReason, PacketKey, PacketMeta, PortId, RecircId, Upcall, extract_into, word};
use netloom_packet::parse::ip_proto;
use netloom_packet::{Headers, Malformed, Wire, parse_front, wire};

use crate::conntrack::Tracked;
use crate::execute::{self, Carried, Next};
use crate::frame::Frame;
use crate::link::Load;
use crate::port::{Attach, Slowpath};
use crate::wiring::Arrival;
use crate::worker::Worker;

/// Most lookups of one packet, over all switches and links it crosses: beyond, it goes round in circles.
pub(crate) const HOPS: u16 = 1_024;
/// Most lookups made for one received frame and all its copies before the worker turns to others again.
pub(crate) const WORK: u32 = 4_096;

/// Where a frame is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) port: PortId,
    /// Not 0: it was looked up here before.
    pub(crate) recirc: RecircId,
    /// What tracking said of it then.
    pub(crate) ct: Option<Tracked>,
}

impl Place {
    /// Where it has just come in.
    pub(crate) const fn new(port: PortId) -> Self {
        Self { port, recirc: RecircId(0), ct: None }
    }
}

/// A frame that leaves by a port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outbound {
    pub(crate) port: PortId,
    pub(crate) headers: Headers,
    pub(crate) wire: Wire,
}

impl Worker {
    /// Takes a frame from switch to switch until it is done, or leaves: then the caller, who has it, sends it.
    pub(crate) fn pass(
        &mut self,
        frame: &mut Frame<'_>,
        mut at: Place,
        slow: &mut dyn Slowpath,
    ) -> Option<Outbound> {
        loop {
            // parse
            let (mut headers, mut wire) = self.parse(frame, at.port)?;
            // receive: counted, captured, policed
            if at.recirc == RecircId(0) {
                match self.wiring.receive(at.port, frame, &mut headers, &mut wire)? {
                    Attach::Wire(port) => return Some(Outbound { port, headers, wire }),
                    Attach::Switch => {}
                    Attach::Peer(near) => self.wiring.enter_inner(at.port, near, frame, &headers, wire)?,
                }
            }
            // key, cache (or slow path), execute
            let mut carried = Carried { frame: &mut *frame, headers, wire, in_port: at.port, ct: at.ct };
            let next = self.switch(&mut carried, at, slow);
            let Carried { headers, wire, ct, .. } = carried;
            // on to the next switch, or out to a link and a device
            match next {
                Next::Done => return None,
                Next::Again(id) => (at.recirc, at.ct) = (id, ct),
                Next::Send(port) => match self.wiring.cross(port, frame, wire) {
                    Some(peer) => at = Place::new(peer),
                    None => return Some(Outbound { port, headers, wire }),
                },
            }
        }
    }

    /// Where the headers are and what the frame is on the wire. Counts its way against the limits.
    #[inline]
    fn parse(&mut self, frame: &mut Frame<'_>, port: PortId) -> Option<(Headers, Wire)> {
        let Ok(headers) = headers(frame) else {
            self.wiring.drop(port, DropReason::Malformed, 1);
            return None;
        };
        if frame.offload.check(frame.len(), &headers).is_err() {
            self.wiring.drop(port, DropReason::Malformed, 1);
            return None;
        }
        let wire = wire(frame.len(), &headers, &frame.offload);
        frame.meta.hops += 1;
        self.work = self.work.saturating_sub(1);
        if frame.meta.hops > HOPS || self.work == 0 {
            self.wiring.drop(port, DropReason::HopLimit, wire.packets);
            return None;
        }
        Some((headers, wire))
    }

    /// Finds out what to do with a frame at one switch, and does it.
    #[inline]
    fn switch(&mut self, carried: &mut Carried<'_, '_>, at: Place, slow: &mut dyn Slowpath) -> Next {
        let Self { cache, wiring, epoch, missed, .. } = self;
        let meta = PacketMeta {
            in_port: at.port,
            tenant: carried.frame.tenant(),
            recirc: at.recirc,
            ..PacketMeta::default()
        };
        let mut key = PacketKey::default();
        extract_into(&mut key, carried.frame.front(), &carried.headers, &meta);
        if let Some(ct) = &carried.ct {
            ct.write(&mut key);
        }
        if let Some(tunnel) = &carried.frame.meta.tunnel {
            tunnel.write(&mut key);
        }
        let (wire, now) = (carried.wire, wiring.now);
        #[expect(clippy::cast_possible_truncation, reason = "16 of 64 bits")]
        let tcp_flags = (key.0[word::L4] >> 16) as u16;
        let epoch = epoch.now();
        let miss = match cache.find(&key, epoch, slow) {
            Ok(translation) => {
                let next = execute::run(wiring, carried, &translation.actions);
                translation.hits.add(wire.packets.into(), wire.bytes, tcp_flags, now);
                wiring.hand_up(slow);
                return next;
            }
            Err(miss) => miss,
        };
        *missed = missed.saturating_add(1);
        carried.frame.fill();
        let upcall = Upcall { key: &key, packet: carried.frame.data(), now };
        let Some(translation) = slow.try_translate(&upcall) else {
            wiring.wait(at, carried.frame, wire);
            return Next::Done;
        };
        let next = execute::run(wiring, carried, &translation.actions);
        translation.hits.add(wire.packets.into(), wire.bytes, tcp_flags, now);
        if translation.cacheable {
            cache.install(miss, &key, translation, epoch);
        } else {
            slow.take_back(&translation);
        }
        wiring.hand_up(slow);
        next
    }

    /// Takes every packet that has arrived at a switch on its way, and their copies, until none is left.
    pub(crate) fn pass_arrivals(&mut self, slow: &mut dyn Slowpath) {
        while let Some(Arrival { mut packet, port, recirc, ct }) = self.wiring.arrivals.pop_front() {
            let mut frame = packet.frame();
            let outbound = self.pass(&mut frame, Place { port, recirc, ct }, slow);
            let state = frame.state();
            packet.settle(state);
            match outbound {
                Some(out) => self.wiring.output(out.port, Load::Owned(packet), &out.headers, out.wire),
                None => self.wiring.pool.recycle(packet),
            }
        }
    }
}

/// Where a frame's headers are. Of one with a body, the front is enough to tell unless they are unusual; then it is filled.
#[inline]
pub(crate) fn headers(frame: &mut Frame<'_>) -> Result<Headers, Malformed> {
    let headers = parse_front(frame.front(), frame.len())?;
    if frame.has_body() {
        // Beyond the front may be the last of the headers, or what a neighbour is asked for.
        let is_there = (1..=frame.front().len()).contains(&usize::from(headers.payload));
        if !is_there || headers.ip_proto == ip_proto::ICMPV6 {
            frame.fill();
            return parse_front(frame.front(), frame.len());
        }
    }
    Ok(headers)
}

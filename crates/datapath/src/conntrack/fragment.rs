//! Fragments of IP datagrams, held until all of a datagram are there.
//!
//! Tracking needs the whole datagram: only its first fragment has ports. So fragments wait, in the memory of packets,
//! and when the last one comes the datagram is put together to be looked at; then its fragments go on one by one, as
//! they came, all with what was said of the datagram.
//!
//! What is hostile is dropped whole: fragments that overlap (RFC 5722), that are no multiple of 8 bytes but for the
//! last, that reach beyond 65,535 bytes, whose header has a wrong checksum, a first fragment without the whole transport header (RFC 1858), two ends.
//! Memory is bounded, and what does not come in time is dropped.
//!
//! All workers of a lab have them in common, in the tracker: those of a datagram may come by ports of several. Whoever
//! has the last one sends all of them on.
//!
//! Source: RFC 791, RFC 8200 section 4.5; times and sizes as in `lib/ipf.c` of OVS and in Linux.

use std::collections::{BTreeMap, VecDeque};

use netloom_flow::{DropReason, Nanos, PortId};
use netloom_packet::bytes::{array, be16, be32, put16};
use netloom_packet::ipv4::{Ipv4, MF};
use netloom_packet::parse::{FRAG_LATER, ip_proto};
use netloom_packet::{Headers, checksum, parse};

use super::tuple::Scope;
use crate::pool::Packet;

/// Fragments of one datagram.
const PARTS: usize = 128;
/// Fragments that wait in all.
const WAITING: usize = 4_096;
/// Datagrams that wait.
const DATAGRAMS: usize = 1_024;
/// How long they wait. Source: `ipfrag_time` of Linux.
const PATIENCE: Nanos = Nanos::from_secs(30);
/// The largest datagram, its header left out.
const LONGEST: usize = 65_535 - 20;

/// What names a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    scope: Scope,
    addresses: [u128; 2],
    id: u32,
    /// Of IPv6 the protocol is the fragment's business, not the name's.
    proto: u8,
    is_ipv6: bool,
}

/// Where a fragment lies in its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Extent {
    from: usize,
    to: usize,
    has_more: bool,
    /// Where its payload begins in the frame.
    at: usize,
}

#[derive(Debug)]
struct Part {
    extent: Extent,
    packet: Packet,
}

#[derive(Debug)]
struct Datagram {
    /// In the order in which they came.
    parts: Vec<Part>,
    /// Bytes in all parts.
    bytes: usize,
    /// Its length, once its end is known.
    length: Option<usize>,
    port: PortId,
    expires: Nanos,
}

/// What became of a fragment.
#[derive(Debug)]
pub(crate) enum Held {
    /// It waits.
    Waiting,
    /// The datagram is whole: a frame that has all of it, and the fragments, in the order in which they came.
    Whole(Vec<u8>, Vec<Packet>),
    /// It was dropped with all that belong to it.
    Bad(DropReason, Vec<Packet>),
}

/// All fragments that wait.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    datagrams: BTreeMap<Name, Datagram>,
    /// The oldest first. Some may be whole by now.
    order: VecDeque<(Nanos, Name)>,
    waiting: usize,
}

impl Fragments {
    /// Takes a fragment in. It is one: its headers say so.
    pub(crate) fn hold(
        &mut self,
        scope: Scope,
        headers: &Headers,
        packet: Packet,
        port: PortId,
        now: Nanos,
    ) -> Held {
        let placed = place(packet.data(), headers);
        let Some((name, extent)) = placed.map(|(name, extent)| (Name { scope, ..name }, extent)) else {
            return Held::Bad(DropReason::FragmentBad, vec![packet]);
        };
        if self.waiting >= WAITING || !self.datagrams.contains_key(&name) && self.datagrams.len() >= DATAGRAMS
        {
            return Held::Bad(DropReason::FragmentFull, vec![packet]);
        }
        let is_new = !self.datagrams.contains_key(&name);
        let datagram = self.datagrams.entry(name).or_insert_with(|| Datagram {
            parts: Vec::new(),
            bytes: 0,
            length: None,
            port,
            expires: now + PATIENCE,
        });
        if is_new {
            self.order.push_back((datagram.expires, name));
        }
        self.waiting += 1;
        let fits = datagram.fits(&extent);
        datagram.bytes += extent.to - extent.from;
        if !extent.has_more {
            datagram.length = Some(extent.to);
        }
        datagram.parts.push(Part { extent, packet });
        if fits && datagram.length != Some(datagram.bytes) {
            return Held::Waiting;
        }
        let Some(datagram) = self.remove(&name) else { return Held::Waiting };
        match fits.then(|| datagram.whole()).flatten() {
            Some(frame) => Held::Whole(frame, datagram.packets()),
            None => Held::Bad(DropReason::FragmentBad, datagram.packets()),
        }
    }

    /// Gives up datagrams that have waited too long: where each came in, and its fragments.
    pub(crate) fn expire(&mut self, now: Nanos) -> Vec<(PortId, Vec<Packet>)> {
        let mut gone = Vec::new();
        while let Some((_, name)) = self.order.pop_front_if(|(expires, _)| *expires <= now) {
            // Another datagram may have taken the name since.
            if self.datagrams.get(&name).is_some_and(|datagram| datagram.expires <= now)
                && let Some(datagram) = self.remove(&name)
            {
                gone.push((datagram.port, datagram.packets()));
            }
        }
        gone
    }

    fn remove(&mut self, name: &Name) -> Option<Datagram> {
        let datagram = self.datagrams.remove(name)?;
        self.waiting -= datagram.parts.len();
        Some(datagram)
    }
}

impl Datagram {
    /// Whether a fragment can belong to it.
    fn fits(&self, extent: &Extent) -> bool {
        let overlaps = |part: &Part| extent.from < part.extent.to && part.extent.from < extent.to;
        let last = self.parts.iter().map(|part| part.extent.to).max().unwrap_or(0);
        let is_beyond = match self.length {
            Some(length) => extent.to > length || !extent.has_more,
            None => !extent.has_more && last > extent.to,
        };
        self.parts.len() < PARTS && !is_beyond && !self.parts.iter().any(overlaps)
    }

    fn packets(self) -> Vec<Packet> {
        self.parts.into_iter().map(|part| part.packet).collect()
    }

    /// One frame with all of it. Nothing overlaps, and nothing is missing.
    fn whole(&self) -> Option<Vec<u8>> {
        let first = self.parts.iter().find(|part| part.extent.from == 0)?;
        let head = first.packet.data().get(..first.extent.at)?;
        let mut frame = Vec::with_capacity(head.len() + self.bytes);
        frame.extend_from_slice(head);
        frame.resize(head.len() + self.bytes, 0);
        for Part { extent: Extent { from, to, at, .. }, packet } in &self.parts {
            let payload = packet.data().get(*at..*at + (to - from))?;
            frame.get_mut(head.len() + from..head.len() + to)?.copy_from_slice(payload);
        }
        unfragment(&mut frame, first.extent.at)?;
        // Who sends so little that the ports, or the flags, come later wants to hide them.
        let headers = parse(first.packet.data()).ok()?;
        let needs_none = !matches!(
            headers.ip_proto,
            ip_proto::TCP | ip_proto::UDP | ip_proto::SCTP | ip_proto::ICMP | ip_proto::ICMPV6
        );
        (headers.l4 > 0 || needs_none).then_some(frame)
    }
}

/// Name and place of a fragment. `None`: it is none that makes sense.
fn place(data: &[u8], headers: &Headers) -> Option<(Name, Extent)> {
    let scope = Scope::default();
    let end = usize::try_from(headers.end).ok()?;
    let l3 = usize::from(headers.l3);
    let (name, at, word) = if let Some(ip) = Ipv4::of(data, headers) {
        let addresses = [ip.src(), ip.dst()].map(super::tuple::mapped);
        let name = Name { scope, addresses, id: ip.id().into(), proto: ip.proto(), is_ipv6: false };
        let word = (ip.fragment() & 0x1fff) << 3 | u16::from(ip.fragment() & MF != 0);
        (name, l3 + ip.header_len(), word)
    } else {
        let at = fragment_header(data, l3)?;
        let address = |at: usize| array::<16>(data, at).map(|bytes| u128::from_be_bytes(*bytes));
        let addresses = [address(l3 + 8)?, address(l3 + 24)?];
        let name = Name { scope, addresses, id: be32(data, at + 4)?, proto: 0, is_ipv6: true };
        (name, at + 8, be16(data, at + 2)?)
    };
    let (from, has_more) = (usize::from(word & !7), word & 1 == 1);
    let length = end.checked_sub(at)?;
    let to = from + length;
    let is_later = headers.frag & FRAG_LATER != 0;
    let is_sound = length > 0
        && checksum::verify_ipv4(data, headers) != Some(false)
        && to <= LONGEST
        && (!has_more || length.is_multiple_of(8))
        && is_later == (from > 0)
        && end <= data.len();
    is_sound.then_some((name, Extent { from, to, has_more, at }))
}

/// Where the fragment header of an IPv6 packet is.
fn fragment_header(data: &[u8], l3: usize) -> Option<usize> {
    let (mut kind, mut at) = (*data.get(l3 + 6)?, l3 + 40);
    for _ in 0..parse::MAX_EXTENSIONS {
        let [next, length] = *array::<2>(data, at)?;
        match kind {
            ip_proto::FRAGMENT => return Some(at),
            ip_proto::HOP_BY_HOP | ip_proto::ROUTING | ip_proto::DEST_OPTIONS => {
                (kind, at) = (next, at + (usize::from(length) + 1) * 8);
            }
            _ => return None,
        }
    }
    None
}

/// Makes a datagram of a first fragment with the payload of all: `payload` is where that begins.
fn unfragment(frame: &mut Vec<u8>, payload: usize) -> Option<()> {
    let headers = parse(frame).ok()?;
    let l3 = usize::from(headers.l2_len);
    if headers.eth_type == 0x0800 {
        let length = u16::try_from(frame.len() - l3).ok()?;
        put16(frame, l3 + 2, length);
        put16(frame, l3 + 6, 0);
        put16(frame, l3 + 10, 0);
        let check = checksum::checksum(frame.get(l3..payload)?);
        return put16(frame, l3 + 10, check).then_some(());
    }
    // The fragment header goes: what pointed to it points behind it.
    let at = fragment_header(frame, l3)?;
    let next = *frame.get(at)?;
    let pointer = pointer_to(frame, l3, at)?;
    *frame.get_mut(pointer)? = next;
    frame.drain(at..at + 8);
    let length = u16::try_from(frame.len() - l3 - 40).ok()?;
    put16(frame, l3 + 4, length).then_some(())
}

/// The byte that says what the header at `to` is.
fn pointer_to(frame: &[u8], l3: usize, to: usize) -> Option<usize> {
    let (mut pointer, mut at) = (l3 + 6, l3 + 40);
    while at < to {
        pointer = at;
        at += (usize::from(*frame.get(at + 1)?) + 1) * 8;
    }
    (at == to).then_some(pointer)
}

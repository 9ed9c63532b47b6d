//! TCP segments put together to a super-packet: the opposite of [`crate::segment`].
//!
//! ```text
//! buffer   | ... | headers | s bytes | .. | headers | s bytes | .. | headers | rest | ...
//! becomes  | ... | headers | s bytes | s bytes | rest |               gso_size = s
//! ```
//!
//! For packets that come out of a tunnel in one read: a super-packet spares all that follows, down to the receiving
//! socket, the cost of each segment. The payloads move together within the buffer they were received in.
//!
//! What comes out is what went in: segments of one connection that follow each other and differ in nothing but sequence
//! number, IPv4 id, checksums, and PSH and FIN of the last. Each checksum is verified before, so that a damaged segment
//! stays damaged and alone.
//!
//! As Linux does it for received packets (`tcp_gro_receive`, `inet_gro_receive`).

use std::ops::Range;

use crate::bytes::{be16, be32, put16, u8_at};
use crate::checksum::{self, Sum};
use crate::parse::ip_proto;
use crate::tcp::flag;
use crate::{Csum, Gso, Headers, Offload, parse};

/// Bytes of the longest super-packet, from its IP header on.
const LONGEST: usize = 65_535;

/// Where a segment's flags are in its TCP header, where its checksum, and where its options begin.
const FLAGS: usize = 13;
const CHECK: usize = 16;
const OPTIONS: usize = 20;

/// A super-packet in the making: a first segment, and what was added to it.
#[derive(Debug, Clone)]
pub struct Coalesced {
    start: usize,
    end: usize,
    headers: Headers,
    /// Payload bytes of every segment but the last.
    size: usize,
    next: u32,
    segments: usize,
    /// A shorter segment, or one that ends something, came last.
    closed: bool,
}

impl Coalesced {
    /// Begins with the frame at `range` of `buffer`. `None` unless it is a TCP segment to which one can be added: with
    /// payload, no flag but ACK and PSH, no IPv4 options, no fragment, and a right checksum.
    #[must_use]
    pub fn start(buffer: &[u8], range: Range<usize>) -> Option<Self> {
        let frame = buffer.get(range.clone())?;
        let headers = parse(frame).ok()?;
        let segment = Segment::of(frame, &headers)?;
        Some(Self {
            start: range.start,
            end: range.start + headers.end as usize,
            size: segment.payload,
            next: segment.sequence.wrapping_add(u32::try_from(segment.payload).ok()?),
            segments: 1,
            closed: segment.is_last,
            headers,
        })
    }

    /// Adds the frame at `range` of the same buffer, behind all that was added before, if it goes on where that ends.
    /// `false`: it is as it was.
    #[must_use]
    pub fn append(&mut self, buffer: &mut [u8], range: Range<usize>) -> bool {
        if self.closed || range.start < self.end {
            return false;
        }
        let Some((front, frame)) = buffer.get(..range.end).and_then(|all| all.split_at_checked(range.start))
        else {
            return false;
        };
        let Ok(headers) = parse(frame) else { return false };
        let Some(first) = front.get(self.start..self.end) else { return false };
        let l3 = usize::from(self.headers.l3);
        let fits = |segment: &Segment| {
            segment.sequence == self.next
                && segment.payload <= self.size
                && self.end - self.start - l3 + segment.payload <= LONGEST
        };
        let alike = is_same_flow(first, &self.headers, frame, &headers);
        let Some(segment) = Segment::of(frame, &headers).filter(|segment| alike && fits(segment)) else {
            return false;
        };
        let from = range.start + usize::from(headers.payload);
        let flags = u8_at(frame, usize::from(headers.l4) + FLAGS).unwrap_or(0);
        buffer.copy_within(from..from + segment.payload, self.end);
        let at = self.start + usize::from(self.headers.l4) + FLAGS;
        if let Some(byte) = buffer.get_mut(at) {
            *byte |= flags;
        }
        self.end += segment.payload;
        self.segments += 1;
        self.next = self.next.wrapping_add(u32::try_from(segment.payload).unwrap_or(0));
        self.closed = segment.payload < self.size || segment.is_last;
        true
    }

    /// Where the frame is, and what is still to be done to it. A single segment is as it was, its checksum in place.
    #[must_use]
    pub fn finish(&self, buffer: &mut [u8]) -> (Range<usize>, Offload) {
        let range = self.start..self.end;
        let Some(frame) = buffer.get_mut(range.clone()).filter(|_| self.segments > 1) else {
            return (range, Offload { csum: Csum::Valid, ..Offload::PLAIN });
        };
        let (l3, l4) = (usize::from(self.headers.l3), usize::from(self.headers.l4));
        let length = frame.len() - l3;
        if self.headers.is_ipv4() {
            put16(frame, l3 + 2, u16::try_from(length).unwrap_or(u16::MAX));
            put16(frame, l3 + 10, 0);
            let check = frame.get(l3..l3 + 20).map_or(0, |ip| Sum::ZERO.bytes(ip).finish());
            put16(frame, l3 + 10, check);
        } else {
            put16(frame, l3 + 4, u16::try_from(length - 40).unwrap_or(u16::MAX));
        }
        let transport = u32::try_from(frame.len() - l4).unwrap_or(u32::MAX);
        if let Some(sum) = checksum::pseudo(frame, &self.headers, transport) {
            put16(frame, l4 + CHECK, sum.fold());
        }
        let offload = Offload {
            csum: Csum::Partial { start: self.headers.l4, offset: 16 },
            gso: if self.headers.is_ipv4() { Gso::Tcp4 } else { Gso::Tcp6 },
            gso_size: u16::try_from(self.size).unwrap_or(u16::MAX),
            ecn: false,
            hdr_len: self.headers.payload,
        };
        (range, offload)
    }

    /// How many segments it is.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.segments
    }

    /// Never: there is the first.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }
}

/// A segment that can be part of a super-packet.
struct Segment {
    sequence: u32,
    payload: usize,
    /// It pushes: nothing comes after it.
    is_last: bool,
}

impl Segment {
    fn of(frame: &[u8], headers: &Headers) -> Option<Self> {
        let l4 = usize::from(headers.l4);
        let payload = headers.payload_len();
        let l3 = usize::from(headers.l3);
        // Nothing between IP and TCP.
        let ip = if headers.is_ipv4() { 20 } else { 40 };
        let is_plain =
            headers.ip_proto == ip_proto::TCP && headers.frag == 0 && l3 > 0 && l4 == l3 + ip && payload >= 8;
        let flags = u8_at(frame, l4 + FLAGS)?;
        if !is_plain || u16::from(flags) & !flag::PSH != flag::ACK {
            return None;
        }
        let holds = checksum::verify_ipv4(frame, headers) != Some(false)
            && checksum::verify_l4(frame, headers) == Some(true);
        holds.then_some(Self {
            sequence: be32(frame, l4 + 4)?,
            payload,
            is_last: u16::from(flags) & flag::PSH != 0,
        })
    }
}

/// Whether all headers are equal, but for what differs between the segments of a super-packet.
fn is_same_flow(a: &[u8], a_headers: &Headers, b: &[u8], b_headers: &Headers) -> bool {
    let (l3, l4, payload) =
        (usize::from(a_headers.l3), usize::from(a_headers.l4), usize::from(a_headers.payload));
    let equal = |range: Range<usize>| a.get(range.clone()) == b.get(range);
    let shape =
        (a_headers.l3, a_headers.l4, a_headers.payload) == (b_headers.l3, b_headers.l4, b_headers.payload);
    let ip = if a_headers.is_ipv4() {
        // Version, TOS; flags, TTL, protocol; addresses. Not the length, the id, the checksum.
        equal(l3..l3 + 2) && equal(l3 + 6..l3 + 10) && equal(l3 + 12..l4)
    } else {
        equal(l3..l3 + 4) && equal(l3 + 6..l4)
    };
    // Ports; acknowledgement and data offset; window; options. Flags were looked at.
    shape
        && equal(0..l3)
        && ip
        && equal(l4..l4 + 4)
        && equal(l4 + 8..l4 + FLAGS)
        && equal(l4 + FLAGS + 1..l4 + CHECK)
        && equal(l4 + OPTIONS..payload)
}

/// What is still to be done to a single frame that came out of a tunnel.
///
/// Its sender may have left the checksum open: Linux does, where the underlay never leaves the machine. Such a frame's
/// field holds the sum of its pseudo header. One whose right checksum is that by chance is computed anew to the same.
/// And of UDP a right checksum is opened, so that datagrams can be put together further on ([`crate::train`]).
#[must_use]
pub fn offload_of(frame: &mut [u8]) -> Offload {
    let Ok(headers) = parse(frame) else { return Offload::PLAIN };
    if headers.frag != 0 || !matches!(headers.ip_proto, ip_proto::TCP | ip_proto::UDP) || headers.l4 == 0 {
        return Offload::PLAIN;
    }
    let length = headers.end.saturating_sub(u32::from(headers.l4));
    let (Some(field), Some(sum)) = (checksum::l4_field(&headers), checksum::pseudo(frame, &headers, length))
    else {
        return Offload::PLAIN;
    };
    let offset = u16::try_from(field.saturating_sub(headers.l4.into())).unwrap_or(0);
    let open = Offload { csum: Csum::Partial { start: headers.l4, offset }, ..Offload::PLAIN };
    let held = be16(frame, field).unwrap_or(0);
    let is_udp = headers.ip_proto == ip_proto::UDP && held != 0;
    // Padding behind the packet would be summed too.
    if headers.end as usize != frame.len() {
        return Offload::PLAIN;
    }
    if held == sum.fold() {
        return open;
    }
    if is_udp && checksum::verify_l4(frame, &headers) == Some(true) {
        put16(frame, field, sum.fold());
        return open;
    }
    Offload::PLAIN
}

/// As [`offload_of`] for a frame longer than the `mtu` of what is behind it: a sender on the same machine handed over a
/// TCP super-packet whole. `None`: it is no such thing, and nobody can say how it is to be cut.
#[must_use]
pub fn super_offload_of(frame: &[u8], mtu: usize) -> Option<Offload> {
    let headers = parse(frame).ok()?;
    let l3 = usize::from(headers.l3);
    let is_tcp = headers.ip_proto == ip_proto::TCP && headers.frag == 0 && headers.payload > 0;
    if !is_tcp || headers.end as usize != frame.len() {
        return None;
    }
    let size = mtu.checked_sub(usize::from(headers.payload).checked_sub(l3)?)?;
    let gso = if headers.is_ipv4() { Gso::Tcp4 } else { Gso::Tcp6 };
    let offload = Offload {
        csum: Csum::Partial { start: headers.l4, offset: 16 },
        gso,
        gso_size: u16::try_from(size).ok().filter(|size| *size >= 8)?,
        ecn: false,
        hdr_len: headers.payload,
    };
    let sum = checksum::pseudo(frame, &headers, headers.end.saturating_sub(u32::from(headers.l4)))?;
    let is_open = be16(frame, usize::from(headers.l4) + CHECK) == Some(sum.fold());
    (is_open && offload.check(frame.len(), &headers).is_ok()).then_some(offload)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::build::{Frame, Ip};
    use crate::segment;
    use crate::{Mac, build};

    const FRONT: usize = 64;
    /// Bytes between two frames in the buffer, as a tunnel's header would be.
    const GAP: usize = 8;

    fn tcp(ip: Ip<'_>, sequence: u32, flags: u16, payload: &[u8]) -> Vec<u8> {
        let (window, options) = (500, &[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2][..]);
        let tcp =
            build::Tcp { src: 1000, dst: 80, seq: sequence, ack: 7, flags, window, options, data: payload };
        Frame::ip(Mac([2; 6]), Mac([4; 6]), ip.tcp(tcp)).to_vec().unwrap()
    }

    fn ips() -> [Ip<'static>; 2] {
        [
            Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]),
            Ip::v6([0xfd00, 0, 0, 0, 0, 0, 0, 1_u16], [0xfd00, 0, 0, 0, 0, 0, 0, 2_u16]),
        ]
    }

    /// Frames one behind the other, and where they are.
    fn laid_out(frames: &[Vec<u8>]) -> (Vec<u8>, Vec<Range<usize>>) {
        let (mut buffer, mut ranges) = (vec![0xa5; FRONT], Vec::new());
        for frame in frames {
            buffer.extend([0x5a; GAP]);
            ranges.push(buffer.len()..buffer.len() + frame.len());
            buffer.extend(frame);
        }
        (buffer, ranges)
    }

    /// Puts together as many as go, from the first on.
    fn together(frames: &[Vec<u8>]) -> (Vec<u8>, Offload, usize) {
        let (mut buffer, ranges) = laid_out(frames);
        let mut all = Coalesced::start(&buffer, ranges[0].clone()).unwrap();
        for range in &ranges[1..] {
            if !all.append(&mut buffer, range.clone()) {
                break;
            }
        }
        let (range, offload) = all.finish(&mut buffer);
        (buffer[range].to_vec(), offload, all.len())
    }

    #[test]
    fn what_was_cut_is_put_together_again() {
        for ip in ips() {
            let payload: Vec<u8> = (0..4_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
            let whole = tcp(ip, 1, flag::ACK | flag::PSH, &payload);
            let headers = parse(&whole).unwrap();
            let gso = if headers.is_ipv4() { Gso::Tcp4 } else { Gso::Tcp6 };
            let offload = Offload { gso, gso_size: 1_300, ..Offload::PLAIN };
            let mut cutter = segment::cut(&whole, &headers, &offload, NonZeroU32::MIN).unwrap();
            let mut frames = Vec::new();
            let mut out = [0; 2_000];
            while let Some(unit) = cutter.next_into(&mut out).unwrap() {
                let mut unit_offload = unit.offload;
                checksum::complete(&mut out[..unit.len], &mut unit_offload).unwrap();
                frames.push(out[..unit.len].to_vec());
            }
            assert_eq!(frames.len(), 4);
            let (mut frame, mut offload, count) = together(&frames);
            assert_eq!((count, offload.gso, offload.gso_size), (4, gso, 1_300));
            assert_eq!(offload.check(frame.len(), &parse(&frame).unwrap()), Ok(()));
            checksum::complete(&mut frame, &mut offload).unwrap();
            assert_eq!(frame, whole);
        }
    }

    #[test]
    fn what_differs_stays_apart() {
        let [ip, _] = ips();
        let first = tcp(ip, 100, flag::ACK, &[1; 100]);
        let next = |sequence, flags, length: usize| tcp(ip, sequence, flags, &vec![2; length]);
        let other = |ip: Ip<'_>| tcp(ip, 200, flag::ACK, &[2; 100]);
        let mut damaged = next(200, flag::ACK, 100);
        *damaged.last_mut().unwrap() ^= 1;
        for (what, second) in [
            ("a gap", next(201, flag::ACK, 100)),
            ("the same again", first.clone()),
            ("a longer one", next(200, flag::ACK, 101)),
            ("the end", next(200, flag::ACK | flag::FIN, 100)),
            ("a SYN", next(200, flag::SYN, 100)),
            ("congestion", next(200, flag::ACK | flag::ECE, 100)),
            ("no payload", next(200, flag::ACK, 0)),
            ("a wrong checksum", damaged),
            ("another sender", other(Ip::v4([10, 0, 0, 3], [10, 0, 0, 2]))),
            ("another TOS", other(Ip { tos: 4, ..ip })),
            ("another TTL", other(Ip { ttl: 63, ..ip })),
        ] {
            let (frame, offload, count) = together(&[first.clone(), second]);
            assert_eq!((count, frame == first, offload.gso), (1, true, Gso::None), "{what}");
        }
        let (_, _, count) = together(&[first.clone(), next(200, flag::ACK, 50), next(250, flag::ACK, 50)]);
        assert_eq!(count, 2, "a shorter one ends it");
        let (_, _, count) =
            together(&[first, next(200, flag::ACK | flag::PSH, 100), next(300, flag::ACK, 100)]);
        assert_eq!(count, 2, "a push ends it");
    }

    #[test]
    fn it_is_no_longer_than_ip_can_say() {
        let [ip, _] = ips();
        let frames: Vec<_> = (0..60_u32).map(|n| tcp(ip, n * 1_400, flag::ACK, &[3; 1_400])).collect();
        let (frame, offload, count) = together(&frames);
        assert_eq!(count, 46);
        assert_eq!(offload.check(frame.len(), &parse(&frame).unwrap()), Ok(()));
    }

    #[test]
    fn fragments_and_others_do_not_begin_anything() {
        let [ip, _] = ips();
        let mut fragment = tcp(ip, 1, flag::ACK, &[1; 100]);
        fragment[20] |= 0x20;
        let udp = Frame::ip(Mac::ZERO, Mac::ZERO, ip.udp(1, 2, &[5; 100])).to_vec().unwrap();
        for frame in [fragment, udp, vec![0; 13], Vec::new()] {
            assert!(Coalesced::start(&frame, 0..frame.len()).is_none());
        }
        assert!(Coalesced::start(&[], 5..9).is_none());
    }

    #[test]
    fn an_open_checksum_is_known_by_what_it_holds() {
        for ip in ips() {
            let whole = tcp(ip, 1, flag::ACK, &[7; 100]);
            let headers = parse(&whole).unwrap();
            assert_eq!(offload_of(&mut whole.clone()), Offload::PLAIN, "complete");
            let mut open = whole.clone();
            let sum = checksum::pseudo(&open, &headers, headers.end - u32::from(headers.l4)).unwrap();
            put16(&mut open, usize::from(headers.l4) + CHECK, sum.fold());
            let mut offload = offload_of(&mut open);
            assert!(matches!(offload.csum, Csum::Partial { .. }));
            checksum::complete(&mut open, &mut offload).unwrap();
            assert_eq!(open, whole);
            let udp = Frame::ip(Mac::ZERO, Mac::ZERO, ip.udp(1, 2, &[5; 101])).to_vec().unwrap();
            let mut opened = udp.clone();
            let mut offload = offload_of(&mut opened);
            assert!(matches!(offload.csum, Csum::Partial { .. }), "opened");
            checksum::complete(&mut opened, &mut offload).unwrap();
            assert_eq!(opened, udp);
            let mut damaged = udp.clone();
            *damaged.last_mut().unwrap() ^= 1;
            assert_eq!(offload_of(&mut damaged), Offload::PLAIN, "damaged stays damaged");
        }
    }

    #[test]
    fn a_super_packet_without_metadata_is_cut_by_the_mtu() {
        let [ip, _] = ips();
        let mut frame = tcp(ip, 1, flag::ACK, &[7; 4_000]);
        assert_eq!(super_offload_of(&frame, 1_450), None, "its checksum is complete: it is just long");
        let headers = parse(&frame).unwrap();
        let sum = checksum::pseudo(&frame, &headers, headers.end - u32::from(headers.l4)).unwrap();
        put16(&mut frame, usize::from(headers.l4) + CHECK, sum.fold());
        let offload = super_offload_of(&frame, 1_450).unwrap();
        assert_eq!((offload.gso, offload.gso_size), (Gso::Tcp4, 1_450 - 52));
        assert_eq!(super_offload_of(&frame, 30), None);
    }
}

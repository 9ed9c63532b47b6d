//! What a frame still needs done to it: virtio-net's offload metadata.
//!
//! A TAP or packet socket with a virtio-net header hands over TCP super-packets of up to 64 KiB whose checksum
//! nobody computed. Carried along, they cross a whole lab in one piece; only an edge that cannot take them
//! finishes the work ([`crate::segment`], [`crate::checksum::finish`]).
//!
//! ```text
//! 0       1          2         4          6            8             10            12
//! | flags | gso_type | hdr_len | gso_size | csum_start | csum_offset | num_buffers |    little-endian
//! ```
//!
//! Source: virtio 1.3 §5.1.6 with `VIRTIO_F_VERSION_1`; limits on what is believable from Linux
//! (`include/linux/virtio_net.h`, `TCP_MIN_GSO_SIZE`, `UDP_MAX_SEGMENTS`, `GSO_BY_FRAGS`).

use std::fmt;

use crate::Headers;
use crate::ethernet::{HEADER, eth_type};
use crate::parse::ip_proto;

/// Bytes of the virtio-net header with `num_buffers`.
pub const VNET_HDR: usize = 12;

/// The smallest TCP segment size believed: below it a frame would explode into headers.
const TCP_MIN_GSO_SIZE: u16 = 8;
/// The most datagrams in a UDP super-packet.
const UDP_MAX_SEGMENTS: usize = 128;
/// A size with a meaning of its own inside Linux, refused there as well.
const GSO_BY_FRAGS: u16 = 0xffff;

const F_NEEDS_CSUM: u8 = 0x01;
const F_DATA_VALID: u8 = 0x02;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_UDP_L4: u8 = 5;
const GSO_ECN: u8 = 0x80;

/// State of the transport checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Csum {
    /// In the frame; nobody vouches for it.
    #[default]
    Complete,
    /// In the frame, or not needed, and vouched for by whoever handed the frame over.
    Valid,
    /// To be computed: over everything from `start` to the end of the frame, and written `offset` behind `start`.
    /// The field holds the sum of the pseudo header, not complemented.
    Partial {
        /// Bytes from the first byte of the Ethernet header.
        start: u16,
        /// Bytes from `start` to the field.
        offset: u16,
    },
}

/// How a super-packet is to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gso {
    /// Not a super-packet.
    #[default]
    None,
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// Datagrams of one UDP flow (`UDP_L4`), IPv4 or IPv6. Not UFO, which made fragments.
    Udp,
}

/// What is still to be done to a frame. The default is a plain frame with everything in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Offload {
    /// The transport checksum.
    pub csum: Csum,
    /// The kind of super-packet.
    pub gso: Gso,
    /// Payload bytes in each segment of a super-packet; not 0 unless `gso` is [`Gso::None`].
    pub gso_size: u16,
    /// The super-packet's TCP has CWR set: it belongs to the first segment only.
    pub ecn: bool,
    /// All headers' length in bytes, as a hint; 0 when unknown.
    pub hdr_len: u16,
}

/// Why offload metadata is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BadOffload {
    /// A kind of super-packet that was never offered: UFO, or an unknown number.
    GsoType(u8),
    /// A segment size of 0, under 8 for TCP, or 0xffff.
    GsoSize(u16),
    /// More than 128 datagrams in a UDP super-packet.
    GsoCount(usize),
    /// The frame's headers are not those of the kind of super-packet.
    GsoHeaders,
    /// The checksum field is not inside the frame, behind its Ethernet header.
    CsumRange {
        /// `csum_start`
        start: u16,
        /// `csum_offset`
        offset: u16,
    },
    /// A super-packet's checksum field is not its transport header's.
    GsoCsum,
}

impl fmt::Display for BadOffload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GsoType(t) => write!(f, "Segmentation type {t:#04x} was never offered"),
            Self::GsoSize(n) => write!(f, "Segment size {n} is out of range"),
            Self::GsoCount(n) => write!(f, "A UDP super-packet of {n} datagrams, more than 128"),
            Self::GsoHeaders => f.write_str("The headers are not those of the announced super-packet"),
            Self::CsumRange { start, offset } => {
                write!(f, "The checksum field at {start}+{offset} is outside the frame")
            }
            Self::GsoCsum => f.write_str("A super-packet's checksum is not that of its transport header"),
        }
    }
}

impl std::error::Error for BadOffload {}

impl Offload {
    /// A plain frame with everything in place.
    pub const PLAIN: Self =
        Self { csum: Csum::Complete, gso: Gso::None, gso_size: 0, ecn: false, hdr_len: 0 };

    /// Reads the virtio-net header in front of a frame: 12 bytes, little-endian. `num_buffers` is ignored.
    ///
    /// The result is consistent in itself; [`Self::check`] holds it against the frame.
    ///
    /// # Errors
    /// [`BadOffload`] for values that no honest peer sends.
    pub fn parse(bytes: &[u8; VNET_HDR]) -> Result<Self, BadOffload> {
        let [flags, gso_type, h0, h1, g0, g1, s0, s1, o0, o1, _, _] = *bytes;
        let csum = if flags & F_NEEDS_CSUM != 0 {
            let (start, offset) = (u16::from_le_bytes([s0, s1]), u16::from_le_bytes([o0, o1]));
            if usize::from(start) < HEADER || start.checked_add(offset).is_none() {
                return Err(BadOffload::CsumRange { start, offset });
            }
            Csum::Partial { start, offset }
        } else if flags & F_DATA_VALID != 0 {
            Csum::Valid
        } else {
            Csum::Complete
        };
        let gso = match gso_type & !GSO_ECN {
            GSO_NONE => Gso::None,
            GSO_TCPV4 => Gso::Tcp4,
            GSO_TCPV6 => Gso::Tcp6,
            GSO_UDP_L4 => Gso::Udp,
            _ => return Err(BadOffload::GsoType(gso_type)),
        };
        let hdr_len = u16::from_le_bytes([h0, h1]);
        let gso_size = u16::from_le_bytes([g0, g1]);
        let ecn = gso_type & GSO_ECN != 0;
        let least = match gso {
            Gso::None => return Ok(Self { csum, hdr_len, ..Self::PLAIN }),
            Gso::Tcp4 | Gso::Tcp6 => TCP_MIN_GSO_SIZE,
            Gso::Udp => 1,
        };
        if gso_size < least || gso_size == GSO_BY_FRAGS {
            return Err(BadOffload::GsoSize(gso_size));
        }
        Ok(Self { csum, gso, gso_size, ecn, hdr_len })
    }

    /// Writes the virtio-net header; every byte, `num_buffers` as 0 (what Linux sends).
    pub fn emit(&self, bytes: &mut [u8; VNET_HDR]) {
        let (flags, start, offset) = match self.csum {
            Csum::Complete => (0, 0, 0),
            Csum::Valid => (F_DATA_VALID, 0, 0),
            Csum::Partial { start, offset } => (F_NEEDS_CSUM, start, offset),
        };
        let (gso_type, gso_size) = match self.gso {
            Gso::None => (GSO_NONE, 0),
            Gso::Tcp4 => (GSO_TCPV4, self.gso_size),
            Gso::Tcp6 => (GSO_TCPV6, self.gso_size),
            Gso::Udp => (GSO_UDP_L4, self.gso_size),
        };
        let ecn = if self.ecn && self.gso != Gso::None { GSO_ECN } else { 0 };
        let [h0, h1] = self.hdr_len.to_le_bytes();
        let [g0, g1] = gso_size.to_le_bytes();
        let [s0, s1] = start.to_le_bytes();
        let [o0, o1] = offset.to_le_bytes();
        *bytes = [flags, gso_type | ecn, h0, h1, g0, g1, s0, s1, o0, o1, 0, 0];
    }

    /// Holds the metadata against the frame: `frame_len` bytes with these headers.
    ///
    /// What passes can be counted, edited and cut without further doubt. A frame from an untrusted peer that
    /// fails is malformed; the kernel refuses such frames as well.
    ///
    /// # Errors
    /// [`BadOffload`] with the first contradiction.
    pub fn check(&self, frame_len: usize, headers: &Headers) -> Result<(), BadOffload> {
        if let Csum::Partial { start, offset } = self.csum {
            let end = usize::from(start) + usize::from(offset) + 2;
            if usize::from(start) < HEADER || end > frame_len {
                return Err(BadOffload::CsumRange { start, offset });
            }
        }
        if self.gso == Gso::None { Ok(()) } else { self.check_gso(headers) }
    }

    fn check_gso(&self, headers: &Headers) -> Result<(), BadOffload> {
        let (proto, field) = match self.gso {
            Gso::Udp => (ip_proto::UDP, 6),
            _ => (ip_proto::TCP, 16),
        };
        let family = match self.gso {
            Gso::Tcp4 => headers.eth_type == eth_type::IPV4,
            Gso::Tcp6 => headers.eth_type == eth_type::IPV6,
            _ => matches!(headers.eth_type, eth_type::IPV4 | eth_type::IPV6),
        };
        let whole = headers.frag == 0 && headers.l4 != 0 && headers.payload != 0;
        if !family || !whole || headers.ip_proto != proto {
            return Err(BadOffload::GsoHeaders);
        }
        if self.gso_size == 0 {
            return Err(BadOffload::GsoSize(0));
        }
        if matches!(self.csum, Csum::Partial { start, offset } if start != headers.l4 || offset != field) {
            return Err(BadOffload::GsoCsum);
        }
        let count = headers.payload_len().div_ceil(usize::from(self.gso_size));
        if self.gso == Gso::Udp && count > UDP_MAX_SEGMENTS {
            return Err(BadOffload::GsoCount(count));
        }
        Ok(())
    }

    /// Whether the frame is one packet with its checksum in place: nothing is left to be done.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self.gso, Gso::None) && !matches!(self.csum, Csum::Partial { .. })
    }

    /// The metadata of the frame after `by` bytes were put in front of its L3 header, or taken away (negative).
    #[must_use]
    pub fn shifted(self, by: i16) -> Self {
        let csum = match self.csum {
            Csum::Partial { start, offset } => {
                Csum::Partial { start: start.saturating_add_signed(by), offset }
            }
            other => other,
        };
        let hdr_len = if self.hdr_len == 0 { 0 } else { self.hdr_len.saturating_add_signed(by) };
        Self { csum, hdr_len, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As read from a TAP: NEEDS_CSUM, TCPv4, headers 66, segments 1448, checksum at 34 + 16.
    const TSO4: [u8; 12] = [1, 1, 66, 0, 0xa8, 0x05, 34, 0, 16, 0, 0, 0];

    #[test]
    fn real_header() {
        let offload = Offload {
            csum: Csum::Partial { start: 34, offset: 16 },
            gso: Gso::Tcp4,
            gso_size: 1448,
            ecn: false,
            hdr_len: 66,
        };
        assert_eq!(Offload::parse(&TSO4), Ok(offload));
        let mut out = [0xa5; 12];
        offload.emit(&mut out);
        assert_eq!(out, TSO4);
    }

    #[test]
    fn every_kind_round_trips() {
        for csum in [Csum::Complete, Csum::Valid, Csum::Partial { start: 54, offset: 6 }] {
            for (gso, gso_size, ecn) in
                [(Gso::None, 0, false), (Gso::Tcp4, 8, true), (Gso::Tcp6, 1440, false), (Gso::Udp, 1, false)]
            {
                let offload = Offload { csum, gso, gso_size, ecn, hdr_len: 62 };
                let mut out = [0xa5; 12];
                offload.emit(&mut out);
                assert_eq!(Offload::parse(&out), Ok(offload));
            }
        }
    }

    #[test]
    fn plain_is_zero() {
        let mut out = [0xa5; 12];
        Offload::default().emit(&mut out);
        assert_eq!(out, [0; 12]);
        assert_eq!(Offload::parse(&out), Ok(Offload::PLAIN));
    }

    #[test]
    fn hostile_values_are_refused() {
        let with = |at: usize, bytes: &[u8]| {
            let mut h = TSO4;
            h[at..at + bytes.len()].copy_from_slice(bytes);
            Offload::parse(&h)
        };
        assert_eq!(with(1, &[3]), Err(BadOffload::GsoType(3)), "UFO");
        assert_eq!(with(1, &[0x7f]), Err(BadOffload::GsoType(0x7f)));
        assert_eq!(with(4, &[0, 0]), Err(BadOffload::GsoSize(0)));
        assert_eq!(with(4, &[7, 0]), Err(BadOffload::GsoSize(7)));
        assert_eq!(with(4, &[0xff, 0xff]), Err(BadOffload::GsoSize(0xffff)));
        assert_eq!(with(6, &[13, 0]), Err(BadOffload::CsumRange { start: 13, offset: 16 }));
        assert_eq!(with(6, &[0xff, 0xff]), Err(BadOffload::CsumRange { start: 0xffff, offset: 16 }));
    }

    #[test]
    fn check_holds_metadata_against_the_frame() {
        let tcp4 = Headers {
            l2_len: 14,
            l3: 14,
            l4: 34,
            payload: 66,
            end: 5066,
            eth_type: 0x0800,
            ip_proto: 6,
            ..Headers::default()
        };
        let good = Offload::parse(&TSO4).unwrap();
        assert_eq!(good.check(5066, &tcp4), Ok(()));
        assert_eq!(good.check(51, &tcp4), Err(BadOffload::CsumRange { start: 34, offset: 16 }));
        assert_eq!(good.check(5066, &Headers { frag: 1, ..tcp4 }), Err(BadOffload::GsoHeaders));
        assert_eq!(good.check(5066, &Headers { payload: 0, ..tcp4 }), Err(BadOffload::GsoHeaders));
        assert_eq!(good.check(5066, &Headers { eth_type: 0x86dd, ..tcp4 }), Err(BadOffload::GsoHeaders));
        assert_eq!(good.check(5066, &Headers { ip_proto: 17, ..tcp4 }), Err(BadOffload::GsoHeaders));
        let elsewhere = Offload { csum: Csum::Partial { start: 34, offset: 6 }, ..good };
        assert_eq!(elsewhere.check(5066, &tcp4), Err(BadOffload::GsoCsum));
        let udp = Headers { ip_proto: 17, payload: 42, ..tcp4 };
        let uso =
            Offload { gso: Gso::Udp, gso_size: 30, csum: Csum::Partial { start: 34, offset: 6 }, ..good };
        assert_eq!(uso.check(5066, &udp), Err(BadOffload::GsoCount(168)));
        assert_eq!(Offload { gso_size: 100, ..uso }.check(5066, &udp), Ok(()));
    }

    #[test]
    fn shifting_follows_a_pushed_tag() {
        let moved = Offload::parse(&TSO4).unwrap().shifted(4);
        assert_eq!(moved.csum, Csum::Partial { start: 38, offset: 16 });
        assert_eq!(moved.hdr_len, 70);
        assert_eq!(moved.shifted(-4), Offload::parse(&TSO4).unwrap());
        assert_eq!(Offload::PLAIN.shifted(4), Offload::PLAIN);
    }
}

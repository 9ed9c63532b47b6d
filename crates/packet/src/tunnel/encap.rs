//! Headers in front of a frame.

use std::fmt;

use super::erspan::Erspan;
use super::geneve::Geneve;
use super::gre::{self, Gre};
use super::outer::Outer;
use super::stt::{self, Stt};
use super::super_packet::TunnelGso;
use super::vxlan::{self, Vxlan};
use crate::bytes::{be16, put16};
use crate::checksum::{self, Sum};
use crate::parse::ip_proto;
use crate::{Csum, Gso, Headers, Offload, udp};

/// A tunnel's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    /// VXLAN over UDP.
    Vxlan(Vxlan),
    /// Geneve over UDP.
    Geneve(Geneve<'a>),
    /// GRE over IP.
    Gre(Gre),
    /// ERSPAN over GRE.
    Erspan {
        /// The GRE header; when written, its protocol is that of `erspan`.
        gre: Gre,
        /// What follows it.
        erspan: Erspan,
    },
    /// STT in one piece; when written, flags, L4 offset and MSS follow from the frame.
    Stt {
        /// The frame's header.
        stt: Stt,
        /// Which frame of the sender this is, for its reassembly.
        id: u32,
    },
}

impl Header<'_> {
    /// Bytes of the tunnel's own header, without UDP or TCP.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::Vxlan(_) => vxlan::HEADER,
            Self::Geneve(geneve) => geneve.len(),
            Self::Gre(gre) => gre.len(),
            Self::Erspan { gre, erspan } => gre.len() + erspan.len(),
            Self::Stt { .. } => stt::HEADER,
        }
    }

    /// Never: all have some bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The IP protocol, and its bytes before the tunnel's header.
    pub(super) const fn transport(&self) -> (u8, usize) {
        match self {
            Self::Vxlan(_) | Self::Geneve(_) => (ip_proto::UDP, udp::HEADER),
            Self::Gre(_) | Self::Erspan { .. } => (gre::PROTO, 0),
            Self::Stt { .. } => (ip_proto::TCP, crate::tcp::HEADER),
        }
    }

    /// Bytes behind IP: UDP or TCP, and the tunnel's header.
    #[must_use]
    pub const fn overhead(&self) -> usize {
        self.transport().1 + self.len()
    }

    /// Writes the tunnel's header; a GRE checksum is left 0.
    pub(super) fn emit(&self, out: &mut [u8]) -> bool {
        match self {
            Self::Vxlan(vxlan) => vxlan.emit(out),
            Self::Geneve(geneve) => geneve.emit(out),
            Self::Gre(gre) => gre.emit(out),
            Self::Erspan { gre, erspan } => {
                let gre = Gre { protocol: erspan.protocol(), ..*gre };
                gre.emit(out) && out.get_mut(gre.len()..).is_some_and(|out| erspan.emit(out))
            }
            Self::Stt { stt, .. } => stt.emit(out),
        }
    }
}

/// All that goes in front of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encap<'a> {
    /// Ethernet and IP of the underlay.
    pub outer: Outer,
    /// The tunnel.
    pub header: Header<'a>,
}

/// A tunnel packet, as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pushed {
    /// Where in the buffer the outer frame begins.
    pub at: usize,
    /// What is still to be done to it. An open checksum is the inner packet's (but STT's is the outer one): whoever
    /// edits the outer packet completes it first.
    pub offload: Offload,
}

/// Why headers cannot be put in front of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CannotPush {
    /// There is not so much room in front of the frame.
    Headroom {
        /// Bytes that are needed.
        needed: usize,
    },
    /// The packet would be longer than IP's or the tunnel's length field can say.
    TooLong,
    /// A super-packet of this kind cannot travel in this tunnel in one piece: cut it ([`super::segment`]).
    SuperPacket,
    /// The offload metadata contradicts the frame, or a field of the header cannot be written.
    Contradiction,
}

impl fmt::Display for CannotPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Headroom { needed } => {
                write!(f, "The tunnel's headers need {needed} bytes before the frame")
            }
            Self::TooLong => f.write_str("The tunnel packet would be longer than its length fields can say"),
            Self::SuperPacket => f.write_str("A super-packet of this kind must be cut before this tunnel"),
            Self::Contradiction => f.write_str("The frame's metadata or the tunnel's header cannot be"),
        }
    }
}

impl std::error::Error for CannotPush {}

impl Encap<'_> {
    /// Bytes of all headers, from the outer Ethernet header on: the headroom that is needed.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.outer.len() + self.header.overhead()
    }

    /// Never: there is Ethernet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Writes all headers in front of the packet that begins at `at` of `buffer` and ends where that ends.
    /// `offload` is what is still to be done to it, its `start` counted from `at`.
    ///
    /// An open checksum stays open, and is accounted for in the outer one. A TCP super-packet may go into STT, whole.
    ///
    /// # Errors
    /// [`CannotPush`]; the frame at `at` is as it was, the bytes before it may not be.
    pub fn push(&self, buffer: &mut [u8], at: usize, offload: &Offload) -> Result<Pushed, CannotPush> {
        if let Header::Stt { stt, id } = self.header {
            return self.push_stt(buffer, at, offload, stt, id);
        }
        if offload.gso != Gso::None {
            return Err(CannotPush::SuperPacket);
        }
        let (start, frame) = self.open(buffer, at)?;
        self.write(frame)?;
        self.sum(frame, offload.csum, self.len())?;
        Ok(Pushed { at: start, offload: shifted(offload, self.len())? })
    }

    /// As [`Self::push`], for a super-packet that the device or the kernel will cut inside its tunnel: VXLAN and
    /// Geneve only. Lengths are those of the whole; the outer checksum is 0, or open.
    ///
    /// # Errors
    /// As [`Self::push`]; [`CannotPush::SuperPacket`] for other tunnels, or if this is no super-packet with an open
    /// checksum.
    pub fn push_super(
        &self,
        buffer: &mut [u8],
        at: usize,
        headers: &Headers,
        offload: &Offload,
    ) -> Result<(Pushed, TunnelGso), CannotPush> {
        let udp = matches!(self.header, Header::Vxlan(_) | Header::Geneve(_));
        if !udp || offload.gso == Gso::None || !matches!(offload.csum, Csum::Partial { .. }) {
            return Err(CannotPush::SuperPacket);
        }
        let inner = buffer.len().saturating_sub(at);
        offload.check(inner, headers).map_err(|_| CannotPush::Contradiction)?;
        let (start, frame) = self.open(buffer, at)?;
        self.write(frame)?;
        let (l4, len) = (self.outer.len(), self.len());
        if self.outer.csum {
            let sum = self.outer.pseudo(ip_proto::UDP, frame.len().saturating_sub(l4));
            put16(frame, l4 + 6, sum.fold());
        }
        let place = |at: usize| u16::try_from(at).map_err(|_| CannotPush::TooLong);
        let gso = TunnelGso {
            outer_l4: place(l4)?,
            inner_l3: place(len + usize::from(headers.l3))?,
            outer_v6: matches!(self.outer.ends, crate::build::Ends::V6(..)),
            outer_csum: self.outer.csum,
        };
        Ok((Pushed { at: start, offload: shifted(offload, len)? }, gso))
    }

    /// The outer frame in the buffer, and where it begins.
    fn open<'b>(&self, buffer: &'b mut [u8], at: usize) -> Result<(usize, &'b mut [u8]), CannotPush> {
        let needed = self.len();
        let start = at.checked_sub(needed).ok_or(CannotPush::Headroom { needed })?;
        if buffer.len() < at {
            return Err(CannotPush::Contradiction);
        }
        Ok((start, buffer.get_mut(start..).ok_or(CannotPush::Contradiction)?))
    }

    /// Writes all headers of the whole outer frame. Checksums but IPv4's stay 0.
    pub(super) fn write(&self, frame: &mut [u8]) -> Result<(), CannotPush> {
        let (proto, transport) = self.header.transport();
        let l4 = self.outer.len();
        if !self.outer.emit(frame, proto) {
            return Err(CannotPush::TooLong);
        }
        if proto == ip_proto::UDP {
            let len = frame.len().checked_sub(l4).and_then(|n| u16::try_from(n).ok());
            let len = len.ok_or(CannotPush::TooLong)?;
            put16(frame, l4, self.outer.src_port);
            put16(frame, l4 + 2, self.outer.dst_port);
            put16(frame, l4 + 4, len);
            put16(frame, l4 + 6, 0);
        }
        let header = frame.get_mut(l4 + transport..).is_some_and(|out| self.header.emit(out));
        header.then_some(()).ok_or(CannotPush::Contradiction)
    }

    /// Computes the outer checksum over the frame as it will be once the checksum inside is completed. The inner
    /// packet begins at `inner`.
    fn sum(&self, frame: &mut [u8], csum: Csum, inner: usize) -> Result<(), CannotPush> {
        let l4 = self.outer.len();
        let (pseudo, field) = match self.header {
            Header::Vxlan(_) | Header::Geneve(_) if self.outer.csum => {
                (self.outer.pseudo(ip_proto::UDP, frame.len().saturating_sub(l4)), 6)
            }
            Header::Gre(Gre { csum: true, .. }) | Header::Erspan { gre: Gre { csum: true, .. }, .. } => {
                (Sum::ZERO, 4)
            }
            _ => return Ok(()),
        };
        let covered = frame.get(l4..).unwrap_or_default();
        let sum = sum_of(pseudo, covered, csum, inner.saturating_sub(l4)).ok_or(CannotPush::Contradiction)?;
        let check = if field == 6 && sum.finish() == 0 { 0xffff } else { sum.finish() };
        put16(frame, l4 + field, check);
        Ok(())
    }

    fn push_stt(
        &self,
        buffer: &mut [u8],
        at: usize,
        offload: &Offload,
        stt: Stt,
        id: u32,
    ) -> Result<Pushed, CannotPush> {
        let inner = buffer.get_mut(at..).ok_or(CannotPush::Contradiction)?;
        let stt = stt.describing(inner, offload)?;
        let (start, frame) = self.open(buffer, at)?;
        let inner = frame.len() - self.len();
        let offload = push_stt_head(&self.outer, &stt, id, inner, frame)?;
        Ok(Pushed { at: start, offload })
    }
}

/// Writes all headers of an STT packet in one piece at the front of `out`, for an Ethernet frame of `inner` bytes that may
/// be elsewhere: a gather list spares its copy. `stt` describes it already ([`Stt::describing`]).
///
/// What is left to be done is the TCP-like checksum, and cutting by the underlay's MTU: to whoever sends, it is an
/// ordinary super-packet of TCP.
///
/// # Errors
/// [`CannotPush::TooLong`], also if the MTU leaves no room; [`CannotPush::Headroom`] if `out` is too short.
pub fn push_stt_head(
    outer: &Outer,
    stt: &Stt,
    id: u32,
    inner: usize,
    out: &mut [u8],
) -> Result<Offload, CannotPush> {
    let l4 = outer.len();
    let needed = l4 + crate::tcp::HEADER + stt::HEADER;
    if out.len() < needed {
        return Err(CannotPush::Headroom { needed });
    }
    let total = u16::try_from(inner + stt::HEADER).map_err(|_| CannotPush::TooLong)?;
    if !outer.emit_for(out, needed + inner, ip_proto::TCP) {
        return Err(CannotPush::TooLong);
    }
    let (src_port, dst_port) = (outer.src_port, outer.dst_port);
    let tcp = stt::PieceHeader { src_port, dst_port, total, offset: 0, id, is_last: true };
    tcp.emit(out.get_mut(l4..).unwrap_or_default());
    stt.emit(out.get_mut(l4 + crate::tcp::HEADER..).unwrap_or_default());
    let pseudo = outer.pseudo(ip_proto::TCP, needed + inner - l4).fold();
    put16(out, l4 + 16, pseudo);
    let start = u16::try_from(l4).map_err(|_| CannotPush::TooLong)?;
    let plain = Offload { csum: Csum::Partial { start, offset: 16 }, ..Offload::PLAIN };
    let piece = usize::from(outer.mtu).saturating_sub(outer.ip_len() + crate::tcp::HEADER);
    if usize::from(total) <= piece {
        return Ok(plain);
    }
    let gso_size = u16::try_from(piece).ok().filter(|size| *size >= 8).ok_or(CannotPush::TooLong)?;
    let gso = match outer.ends {
        crate::build::Ends::V4(..) => Gso::Tcp4,
        crate::build::Ends::V6(..) => Gso::Tcp6,
    };
    Ok(Offload { gso, gso_size, hdr_len: start + 20, ..plain })
}

/// The metadata of a packet that now begins `by` bytes later.
fn shifted(offload: &Offload, by: usize) -> Result<Offload, CannotPush> {
    let by = i16::try_from(by).map_err(|_| CannotPush::TooLong)?;
    let csum = match offload.csum {
        partial @ Csum::Partial { .. } => partial,
        // What was vouched for was the inner checksum.
        _ => Csum::Complete,
    };
    Ok(Offload { csum, ..*offload }.shifted(by))
}

/// The sum over `covered`, in which the packet begins at `inner`. From an open checksum's start on, the bytes will sum
/// to the complement of what the field holds now (Linux calls this local checksum offload).
fn sum_of(pseudo: Sum, covered: &[u8], csum: Csum, inner: usize) -> Option<Sum> {
    let Csum::Partial { start, offset } = csum else { return Some(pseudo.bytes(covered)) };
    let start = inner + usize::from(start);
    let held = be16(covered, start + usize::from(offset))?;
    if !start.is_multiple_of(2) {
        return None; // cannot be: headers in front of a transport header have an even length
    }
    Some(pseudo.bytes(covered.get(..start)?).word(!held))
}

/// Turns a super-packet's complete checksum into an open one; `false` if its pseudo header cannot be known.
pub(super) fn open_checksum(frame: &mut [u8], headers: &Headers, offload: &mut Offload) -> bool {
    let Some(field) = checksum::l4_field(headers) else { return false };
    let len = headers.end.saturating_sub(u32::from(headers.l4));
    let Some(sum) = checksum::pseudo(frame, headers, len) else { return false };
    let offset = u16::try_from(field.saturating_sub(headers.l4.into())).unwrap_or_default();
    offload.csum = Csum::Partial { start: headers.l4, offset };
    put16(frame, field, sum.fold())
}

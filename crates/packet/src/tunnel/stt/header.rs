//! The header of an STT frame, and what it says is left to be done to the frame inside.
//!
//! ```text
//! 0         1       2           3          4     6                      8            16        18
//! | version | flags | L4 offset | reserved | mss | pcp 3, V 1, vlan 12  | context id | padding | Ethernet frame
//! ```
//!
//! Flags: checksum verified 0x01, checksum partial 0x02, IPv4 0x04, TCP 0x08. The L4 offset counts from the Ethernet
//! header. The padding puts the inner IP header on a 4-byte boundary.

use std::ops::Range;

use crate::bytes::{array, put};
use crate::ethernet::HEADER as ETHERNET;
use crate::parse::ip_proto;
use crate::tunnel::encap::{CannotPush, open_checksum};
use crate::tunnel::{BadTunnel, Layer};
use crate::{BadOffload, Csum, Gso, Headers, Offload, checksum, parse};

/// Bytes of the header, with padding.
pub const HEADER: usize = 18;

const VERIFIED: u8 = 0x01;
const PARTIAL: u8 = 0x02;
const IPV4: u8 = 0x04;
const TCP: u8 = 0x08;
const VLAN_VALID: u16 = 0x1000;

/// An STT frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Stt {
    /// Checksum verified 0x01, checksum partial 0x02, IPv4 0x04, TCP 0x08.
    pub flags: u8,
    /// From the inner Ethernet header to the transport header, with a partial checksum.
    pub l4_offset: u8,
    /// Payload bytes of each segment the frame is to be cut into; 0 if it is not.
    pub mss: u16,
    /// The frame's VLAN tag, if it travels here: priority and VLAN, without the bit between.
    pub tci: Option<u16>,
    /// Context: the tunnel's key, 64 bits.
    pub context: u64,
}

impl Stt {
    /// A header with this key, for a frame with nothing left to be done.
    #[must_use]
    pub const fn new(context: u64) -> Self {
        Self { flags: 0, l4_offset: 0, mss: 0, tci: None, context }
    }

    /// Reads the header at the front of an STT frame: 18 bytes, big-endian. Unknown flags and reserved bytes are
    /// ignored.
    ///
    /// # Errors
    /// [`BadTunnel::Truncated`], [`BadTunnel::SttVersion`].
    pub fn parse(bytes: &[u8]) -> Result<Self, BadTunnel> {
        let short = BadTunnel::Truncated(Layer::Stt);
        let [version, flags, l4_offset, _, m0, m1, t0, t1, ..] = *array::<HEADER>(bytes, 0).ok_or(short)?;
        if version != 0 {
            return Err(BadTunnel::SttVersion(version));
        }
        let tci = u16::from_be_bytes([t0, t1]);
        Ok(Self {
            flags: flags & (VERIFIED | PARTIAL | IPV4 | TCP),
            l4_offset,
            mss: u16::from_be_bytes([m0, m1]),
            tci: (tci & VLAN_VALID != 0).then_some(tci & !VLAN_VALID),
            context: array(bytes, 8).map_or(0, |id| u64::from_be_bytes(*id)),
        })
    }

    /// Writes the header at the front of `out`, every byte. `false` if it does not fit.
    pub fn emit(&self, out: &mut [u8]) -> bool {
        let [m0, m1] = self.mss.to_be_bytes();
        let [t0, t1] = self.tci.map_or(0, |tci| tci | VLAN_VALID).to_be_bytes();
        out.len() >= HEADER
            && put(out, 0, [0, self.flags, self.l4_offset, 0, m0, m1, t0, t1])
            && put(out, 8, self.context.to_be_bytes())
            && put(out, 16, [0; 2])
    }

    /// The header that tells what is left to be done to `frame`. A checksum that the header has no room to describe
    /// is completed; that of a super-packet is opened.
    ///
    /// # Errors
    /// [`CannotPush::SuperPacket`] for one that is not of TCP; [`CannotPush::Contradiction`] if `offload` is not the
    /// frame's.
    pub fn describing(self, frame: &mut [u8], offload: &Offload) -> Result<Self, CannotPush> {
        let plain = Self { flags: 0, l4_offset: 0, mss: 0, ..self };
        if frame.len() < ETHERNET {
            return Err(CannotPush::Contradiction);
        }
        if offload.is_plain() {
            let flags = if offload.csum == Csum::Valid { VERIFIED } else { 0 };
            return Ok(Self { flags, ..plain });
        }
        let headers = parse(frame).map_err(|_| CannotPush::Contradiction)?;
        offload.check(frame.len(), &headers).map_err(|_| CannotPush::Contradiction)?;
        let mut offload = *offload;
        if offload.gso == Gso::Udp {
            return Err(CannotPush::SuperPacket);
        }
        if offload.gso != Gso::None
            && !matches!(offload.csum, Csum::Partial { .. })
            && !open_checksum(frame, &headers, &mut offload)
        {
            return Err(CannotPush::SuperPacket);
        }
        match flags_of(&headers, offload.csum).zip(u8::try_from(headers.l4).ok()) {
            Some((flags, l4_offset)) => Ok(Self { flags, l4_offset, mss: offload.gso_size, ..plain }),
            None if offload.gso != Gso::None => Err(CannotPush::SuperPacket),
            None => {
                checksum::complete(frame, &mut offload).map_err(|_| CannotPush::Contradiction)?;
                Ok(plain)
            }
        }
    }

    /// What the header says is left to be done to `frame`, which is untrusted.
    fn offload(&self, frame: &[u8]) -> Result<Offload, BadOffload> {
        if self.flags & PARTIAL == 0 {
            let csum = if self.flags & VERIFIED != 0 { Csum::Valid } else { Csum::Complete };
            return Ok(Offload { csum, ..Offload::PLAIN });
        }
        let headers = parse(frame).map_err(|_| BadOffload::GsoHeaders)?;
        let tcp = self.flags & TCP != 0;
        let csum = Csum::Partial { start: self.l4_offset.into(), offset: if tcp { 16 } else { 6 } };
        if flags_of(&headers, csum) != Some(self.flags & !VERIFIED) {
            return Err(BadOffload::GsoCsum);
        }
        let mut offload = Offload { csum, ..Offload::PLAIN };
        if self.mss != 0 && headers.payload_len() > usize::from(self.mss) {
            offload.gso = match (tcp, headers.is_ipv4()) {
                (true, true) => Gso::Tcp4,
                (true, false) => Gso::Tcp6,
                (false, _) => return Err(BadOffload::GsoHeaders),
            };
            offload.gso_size = self.mss;
            offload.hdr_len = headers.payload;
            if self.mss < 8 {
                return Err(BadOffload::GsoSize(self.mss)); // as a virtio-net header would be refused
            }
        }
        offload.check(frame.len(), &headers).map(|()| offload)
    }
}

/// The flags of a frame whose open checksum is that of its TCP or UDP header; `None` for any other.
fn flags_of(headers: &Headers, csum: Csum) -> Option<u8> {
    let Csum::Partial { start, offset } = csum else { return None };
    let (tcp, field) = match headers.ip_proto {
        ip_proto::TCP => (TCP, 16),
        ip_proto::UDP => (0, 6),
        _ => return None,
    };
    let fits = headers.l4 != 0 && headers.l4 == start && offset == field && headers.frag == 0;
    fits.then_some(PARTIAL | tcp | if headers.is_ipv4() { IPV4 } else { 0 })
}

/// A whole STT frame, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Its header.
    pub stt: Stt,
    /// The Ethernet frame: bytes of the STT frame.
    pub inner: Range<usize>,
    /// What is still to be done to it, held against its headers.
    pub offload: Offload,
}

/// Takes a whole STT frame apart.
///
/// # Errors
/// [`BadTunnel::Truncated`], [`BadTunnel::SttVersion`], [`BadTunnel::SttOffload`].
pub fn open(frame: &[u8]) -> Result<Opened, BadTunnel> {
    let stt = Stt::parse(frame)?;
    let inner = frame.get(HEADER..).filter(|inner| inner.len() >= ETHERNET);
    let inner = inner.ok_or(BadTunnel::Truncated(Layer::Inner))?;
    let offload = stt.offload(inner).map_err(BadTunnel::SttOffload)?;
    Ok(Opened { stt, inner: HEADER..frame.len(), offload })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// draft-davie-stt-08 §3.2: partial checksum of TCP over IPv4, MSS 1448, VLAN 100 with priority 5.
    const BYTES: [u8; 18] = [0, 0x0e, 34, 0, 0x05, 0xa8, 0xb0, 0x64, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0];

    #[test]
    fn header_of_the_draft() {
        let stt =
            Stt { flags: 0x0e, l4_offset: 34, mss: 1448, tci: Some(0xa064), context: 0x0102_0304_0506_0708 };
        assert_eq!(Stt::parse(&BYTES), Ok(stt));
        let mut out = [0xa5; 18];
        assert!(stt.emit(&mut out) && !stt.emit(&mut out[..17]));
        assert_eq!(out, BYTES);
        for end in 0..18 {
            assert_eq!(Stt::parse(&BYTES[..end]), Err(BadTunnel::Truncated(Layer::Stt)));
        }
        assert_eq!(Stt::parse(&[1; 18]), Err(BadTunnel::SttVersion(1)));
    }

    #[test]
    fn offloads_are_held_against_the_frame() {
        let open_with = |stt: Stt| {
            let mut frame = vec![0; HEADER + 100];
            stt.emit(&mut frame);
            open(&frame).map(|opened| opened.offload)
        };
        let (none, verified) = (Stt::new(7), Stt { flags: VERIFIED, ..Stt::new(7) });
        assert_eq!(open_with(none), Ok(Offload::PLAIN));
        assert_eq!(open_with(verified), Ok(Offload { csum: Csum::Valid, ..Offload::PLAIN }));
        let lie = Stt { flags: PARTIAL | IPV4 | TCP, l4_offset: 34, ..none };
        assert_eq!(open_with(lie), Err(BadTunnel::SttOffload(BadOffload::GsoCsum)), "no TCP there");
        assert_eq!(open(&[0; HEADER + 13]), Err(BadTunnel::Truncated(Layer::Inner)));
    }
}

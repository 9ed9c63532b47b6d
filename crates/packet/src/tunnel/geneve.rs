//! Geneve.
//!
//! ```text
//! 0                 1                   2          4     7          8
//! | ver 2, optlen 6 | O, C, reserved 6  | protocol | vni | reserved | options, optlen * 4 bytes |
//! option: | class | C, type 7 | reserved 3, length 5 | length * 4 bytes |
//! ```
//!
//! Source: RFC 8926 §3.4, §3.5. Reserved bits are ignored on receipt, as it demands and OVS does
//! (`netdev_geneve_pop_header`).

use super::{BadTunnel, Layer, gre};
use crate::bytes::{array, put};
use crate::ethernet::eth_type;

/// The UDP port IANA gave to Geneve.
pub const PORT: u16 = 6081;
/// Bytes of the header without options.
pub const HEADER: usize = 8;
/// Most bytes of options.
pub const MAX_OPTIONS: usize = 252;

const F_OAM: u8 = 0x80;
const F_CRITICAL: u8 = 0x40;
/// Bit of an option's type: who does not know it must drop the packet.
pub const CRITICAL: u8 = 0x80;

/// A Geneve header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Geneve<'a> {
    /// Network identifier, 24 bits.
    pub vni: u32,
    /// A control packet, not to be forwarded.
    pub oam: bool,
    /// Some option is critical.
    pub critical: bool,
    /// What is inside: [`gre::TEB`], IPv4 or IPv6.
    pub protocol: u16,
    /// Options as on the wire: a multiple of 4 bytes, at most 252.
    pub options: &'a [u8],
}

impl<'a> Geneve<'a> {
    /// Ethernet frames of a network, with options; critical if one of them is.
    #[must_use]
    pub fn new(vni: u32, options: &'a [u8]) -> Self {
        let critical = Options(options).any(|option| option.is_ok_and(|o| o.kind & CRITICAL != 0));
        Self { vni, oam: false, critical, protocol: gre::TEB, options }
    }

    /// Bytes of the header with options.
    #[must_use]
    pub const fn len(&self) -> usize {
        HEADER + self.options.len()
    }

    /// Never: the header has at least 8 bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Reads the header at the front of `bytes`, the payload of a UDP datagram. All options are whole.
    ///
    /// # Errors
    /// [`BadTunnel::Truncated`], [`BadTunnel::GeneveVersion`], [`BadTunnel::GeneveOption`],
    /// [`BadTunnel::GeneveProtocol`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BadTunnel> {
        const SHORT: BadTunnel = BadTunnel::Truncated(Layer::Geneve);
        let [first, flags, p0, p1, v0, v1, v2, _] = *array::<HEADER>(bytes, 0).ok_or(SHORT)?;
        if first >> 6 != 0 {
            return Err(BadTunnel::GeneveVersion(first >> 6));
        }
        let end = HEADER + usize::from(first & 0x3f) * 4;
        let options = bytes.get(HEADER..end).ok_or(SHORT)?;
        let protocol = u16::from_be_bytes([p0, p1]);
        if !matches!(protocol, gre::TEB | eth_type::IPV4 | eth_type::IPV6) {
            return Err(BadTunnel::GeneveProtocol(protocol));
        }
        let geneve = Self {
            vni: u32::from_be_bytes([0, v0, v1, v2]),
            oam: flags & F_OAM != 0,
            critical: flags & F_CRITICAL != 0,
            protocol,
            options,
        };
        geneve.options().try_for_each(|option| option.map(|_| ()))?;
        Ok(geneve)
    }

    /// The options, in their order.
    #[must_use]
    pub const fn options(&self) -> Options<'a> {
        Options(self.options)
    }

    /// Whether every critical option is `known`, by class and type (with the critical bit). The type's bit counts,
    /// whatever the header's says.
    ///
    /// # Errors
    /// [`BadTunnel::GeneveCritical`] with the first that is not; RFC 8926 §3.5 demands that the packet be dropped.
    pub fn check_critical(&self, known: impl Fn(u16, u8) -> bool) -> Result<(), BadTunnel> {
        for option in self.options() {
            let GeneveOption { class, kind, .. } = option?;
            if kind & CRITICAL != 0 && !known(class, kind) {
                return Err(BadTunnel::GeneveCritical { class, kind });
            }
        }
        Ok(())
    }

    /// Writes header and options at the front of `out`. `false` if they do not fit, or are no options.
    pub fn emit(&self, out: &mut [u8]) -> bool {
        let Some(out) = out.get_mut(..self.len()) else { return false };
        let fits = self.emit_header(out);
        if let Some(to) = out.get_mut(HEADER..) {
            to.copy_from_slice(self.options);
        }
        fits
    }

    /// Writes the header at the front of `out`, behind which the options are to follow. `false` if it does not fit, or
    /// they are no options.
    pub fn emit_header(&self, out: &mut [u8]) -> bool {
        let Ok(words) = u8::try_from(self.options.len() / 4) else { return false };
        if self.options.len() > MAX_OPTIONS || !self.options.len().is_multiple_of(4) {
            return false;
        }
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let [p0, p1] = self.protocol.to_be_bytes();
        let [_, v0, v1, v2] = self.vni.to_be_bytes();
        let flags = flag(self.oam, F_OAM) | flag(self.critical, F_CRITICAL);
        put(out, 0, [words, flags, p0, p1, v0, v1, v2, 0])
    }
}

/// An option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GeneveOption<'a> {
    /// Who defines the type.
    pub class: u16,
    /// Type, with [`CRITICAL`].
    pub kind: u8,
    /// Its value: a multiple of 4 bytes, at most 124.
    pub data: &'a [u8],
}

impl GeneveOption<'_> {
    /// Writes the option at the front of `out`; returns its length. `None` if it does not fit or its value has no
    /// length that can be said.
    pub fn emit(&self, out: &mut [u8]) -> Option<usize> {
        let words = u8::try_from(self.data.len() / 4).ok()?;
        if words > 0x1f || !self.data.len().is_multiple_of(4) {
            return None;
        }
        let to = out.get_mut(4..4 + self.data.len())?;
        to.copy_from_slice(self.data);
        let [c0, c1] = self.class.to_be_bytes();
        put(out, 0, [c0, c1, self.kind, words]).then_some(4 + self.data.len())
    }
}

/// Goes through options; ends behind the first that is not whole.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// Options as on the wire.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn split(&self) -> Option<(GeneveOption<'a>, &'a [u8])> {
        let [c0, c1, kind, length] = *array::<4>(self.0, 0)?;
        let (data, rest) = self.0.get(4..)?.split_at_checked(usize::from(length & 0x1f) * 4)?;
        Some((GeneveOption { class: u16::from_be_bytes([c0, c1]), kind, data }, rest))
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = Result<GeneveOption<'a>, BadTunnel>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let Some((option, rest)) = self.split() else {
            self.0 = &[];
            return Some(Err(BadTunnel::GeneveOption));
        };
        self.0 = rest;
        Some(Ok(option))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8926 §3.4 and §3.5: an OVN option (class 0x0102, critical type 0x80, 4 bytes) and an empty one.
    const BYTES: [u8; 20] = [
        0x03, 0x40, 0x65, 0x58, 0xab, 0xcd, 0xef, 0, 0x01, 0x02, 0x80, 0x01, 0, 1, 0, 2, 0xff, 0xff, 0x07, 0,
    ];

    #[test]
    fn header_and_options() {
        let geneve = Geneve::parse(&BYTES).unwrap();
        assert_eq!(geneve, Geneve::new(0x00ab_cdef, &BYTES[8..]));
        assert!(geneve.critical && !geneve.oam);
        let options: Vec<_> = geneve.options().map(Result::unwrap).collect();
        let ovn = GeneveOption { class: 0x0102, kind: 0x80, data: &[0, 1, 0, 2] };
        assert_eq!(options, [ovn, GeneveOption { class: 0xffff, kind: 7, data: &[] }]);
        let mut out = [0xa5; 20];
        assert!(geneve.emit(&mut out));
        assert_eq!(out, BYTES);
        let mut out = [0xa5; 12];
        let length = ovn.emit(&mut out).unwrap();
        assert_eq!(out[..length], BYTES[8..16]);
        for end in 0..20 {
            assert_eq!(Geneve::parse(&BYTES[..end]), Err(BadTunnel::Truncated(Layer::Geneve)), "{end}");
        }
    }

    #[test]
    fn critical_options_must_be_known() {
        let geneve = Geneve::parse(&BYTES).unwrap();
        assert_eq!(geneve.check_critical(|class, kind| (class, kind) == (0x0102, 0x80)), Ok(()));
        let unknown = BadTunnel::GeneveCritical { class: 0x0102, kind: 0x80 };
        assert_eq!(geneve.check_critical(|_, _| false), Err(unknown));
    }

    #[test]
    fn each_other_form_has_its_reason() {
        let with = |at: usize, byte: u8| {
            let mut bytes = BYTES;
            bytes[at] = byte;
            Geneve::parse(&bytes).map(|_| ())
        };
        assert_eq!(with(0, 0x43), Err(BadTunnel::GeneveVersion(1)));
        assert_eq!(with(2, 0x88), Err(BadTunnel::GeneveProtocol(0x8858)));
        assert_eq!(with(19, 1), Err(BadTunnel::GeneveOption), "reaches beyond the header");
        assert_eq!(with(0, 0x02), Ok(()), "one option less");
        assert_eq!(with(7, 0xff), Ok(()), "reserved bits are ignored");
    }

    #[test]
    fn what_cannot_be_said_is_not_written() {
        let mut out = [0xa5; 300];
        assert!(!Geneve::new(1, &[0; 6]).emit(&mut out), "not whole words");
        assert!(!Geneve::new(1, &[0; 256]).emit(&mut out), "too many");
        assert_eq!(GeneveOption { class: 1, kind: 1, data: &[0; 128] }.emit(&mut out), None);
        assert_eq!(GeneveOption { class: 1, kind: 1, data: &[0; 3] }.emit(&mut out), None);
        assert_eq!(GeneveOption { class: 1, kind: 1, data: &[0; 8] }.emit(&mut out[..11]), None);
    }
}

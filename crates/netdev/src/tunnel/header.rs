//! A tunnel's own header: written in front of a frame, and read.

use std::ops::Range;

use netloom_flow::OptionSets;
use netloom_packet::checksum::Sum;
use netloom_packet::tunnel::erspan::{Erspan, Session};
use netloom_packet::tunnel::geneve::{self, Geneve};
use netloom_packet::tunnel::gre::{self, Gre};
use netloom_packet::tunnel::vxlan::{self, Extension, Gbp, Next, Vxlan};
use netloom_packet::tunnel::{BadTunnel, Layer};

use super::settings::TunnelKind;

/// Most bytes of a header that is written.
pub(super) const LONGEST: usize = 32;

/// What a header is to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted<'a> {
    pub(super) kind: TunnelKind,
    /// `None`: without, where that can be.
    pub(super) key: Option<u64>,
    pub(super) csum: bool,
    pub(super) sequence: u32,
    pub(super) gbp: (u16, u8),
    pub(super) oam: bool,
    /// Options of Geneve, which are to follow the header.
    pub(super) options: &'a [u8],
}

/// Header bytes, as many as are used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Written {
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The header without options; `None` if its key does not fit in.
pub(super) fn write(wanted: &Wanted<'_>) -> Option<Written> {
    let mut bytes = [0; LONGEST];
    let key = wanted.key.unwrap_or(0);
    let vni = || u32::try_from(key).ok().filter(|vni| *vni < 1 << 24);
    let key32 = |key: u64| u32::try_from(key).ok();
    let length = match wanted.kind {
        TunnelKind::Vxlan(extension) => {
            let (policy, flags) = wanted.gbp;
            let gbp = (extension == Extension::Gbp && wanted.gbp != (0, 0)).then_some(Gbp { policy, flags });
            let next = (extension == Extension::Gpe).then_some(Next::Ethernet);
            Vxlan { vni: vni()?, gbp, next }.emit(&mut bytes).then_some(vxlan::HEADER)?
        }
        TunnelKind::Geneve => {
            let geneve = Geneve { oam: wanted.oam, ..Geneve::new(vni()?, wanted.options) };
            geneve.emit_header(&mut bytes).then_some(geneve::HEADER)?
        }
        TunnelKind::Gre { sequence } => {
            let key = match wanted.key {
                Some(key) => Some(key32(key)?),
                None => None,
            };
            let seq = sequence.then_some(wanted.sequence);
            let gre = Gre { protocol: gre::TEB, csum: wanted.csum, key, seq };
            gre.emit(&mut bytes).then_some(gre.len())?
        }
        TunnelKind::Erspan { .. } => {
            let session = u16::try_from(key).ok().filter(|id| *id < 1 << 10)?;
            let erspan = erspan_of(wanted.kind, session);
            let seq = (erspan != Erspan::One).then_some(wanted.sequence);
            let gre = Gre { protocol: erspan.protocol(), csum: false, key: None, seq };
            let fits = gre.emit(&mut bytes) && bytes.get_mut(gre.len()..).is_some_and(|out| erspan.emit(out));
            fits.then_some(gre.len() + erspan.len())?
        }
        // It has a driver of its own.
        TunnelKind::Stt => return None,
    };
    Some(Written { bytes, length })
}

/// The ERSPAN header of a tunnel.
pub(super) fn erspan_of(kind: TunnelKind, id: u16) -> Erspan {
    let session = Session { id, ..Session::default() };
    match kind {
        TunnelKind::Erspan { version: 1, index, .. } => Erspan::Two { session, index },
        TunnelKind::Erspan { version: 2, direction, hardware, .. } => {
            // P 1, frame type 5, hardware id 6, direction 1, granularity 2, O 1.
            let flags = u16::from(hardware & 0x3f) << 4 | u16::from(direction & 1) << 3;
            Erspan::Three { session, timestamp: 0, sgt: 0, flags, platform: None }
        }
        _ => Erspan::One,
    }
}

/// Completes a header that sums over what is behind it: `packet` is header and frame.
pub(super) fn finish(kind: TunnelKind, csum: bool, packet: &mut [u8]) {
    if let (TunnelKind::Gre { .. }, true) = (kind, csum) {
        let sum = Sum::ZERO.bytes(packet).finish().to_be_bytes();
        if let Some(field) = packet.get_mut(4..6) {
            field.copy_from_slice(&sum);
        }
    }
}

/// A header that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    /// 0 if there is none.
    pub(super) key: u64,
    /// It is a mirrored frame's.
    pub(super) is_mirror: bool,
    pub(super) gbp: (u16, u8),
    pub(super) oam: bool,
    /// Options of Geneve, within the packet.
    pub(super) options: Range<usize>,
    /// The frame, within the packet.
    pub(super) inner: Range<usize>,
}

/// Reads the header at the front of a packet. Options are known if `known` has them.
pub(super) fn read(kind: TunnelKind, packet: &[u8], known: &OptionSets) -> Result<Read, BadTunnel> {
    let plain = |key: u32, from: usize| Read {
        key: key.into(),
        is_mirror: false,
        gbp: (0, 0),
        oam: false,
        options: 0..0,
        inner: from..packet.len(),
    };
    let read = match kind {
        TunnelKind::Vxlan(extension) => {
            let vxlan = Vxlan::parse(packet, extension)?;
            if let Some(Next::Ipv4 | Next::Ipv6) = vxlan.next {
                return Err(BadTunnel::GpeProtocol(1)); // nothing but Ethernet is switched
            }
            let gbp = vxlan.gbp.map_or((0, 0), |gbp| (gbp.policy, gbp.flags));
            Read { gbp, ..plain(vxlan.vni, vxlan::HEADER) }
        }
        TunnelKind::Geneve => {
            let geneve = Geneve::parse(packet)?;
            if geneve.protocol != gre::TEB {
                return Err(BadTunnel::NotThisTunnel);
            }
            if geneve.critical {
                geneve.check_critical(|class, kind| known.knows(class, kind))?;
            }
            Read { oam: geneve.oam, options: geneve::HEADER..geneve.len(), ..plain(geneve.vni, geneve.len()) }
        }
        // It has a driver of its own.
        TunnelKind::Stt => return Err(BadTunnel::NotThisTunnel),
        TunnelKind::Gre { .. } | TunnelKind::Erspan { .. } => {
            let gre = Gre::received(packet)?;
            match gre.protocol {
                gre::TEB => plain(gre.key.unwrap_or(0), gre.len()),
                gre::ERSPAN | gre::ERSPAN_3 => {
                    let rest = packet.get(gre.len()..).unwrap_or_default();
                    let erspan = Erspan::parse(rest, &gre)?;
                    let id = match erspan {
                        Erspan::One => 0,
                        Erspan::Two { session, .. } | Erspan::Three { session, .. } => session.id,
                    };
                    Read { is_mirror: true, ..plain(id.into(), gre.len() + erspan.len()) }
                }
                other => return Err(BadTunnel::GreProtocol(other)),
            }
        }
    };
    if read.inner.len() < 14 {
        return Err(BadTunnel::Truncated(Layer::Inner));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [TunnelKind; 9] = [
        TunnelKind::Vxlan(Extension::None),
        TunnelKind::Vxlan(Extension::Gbp),
        TunnelKind::Vxlan(Extension::Gpe),
        TunnelKind::Geneve,
        TunnelKind::Gre { sequence: false },
        TunnelKind::Gre { sequence: true },
        TunnelKind::Erspan { version: 0, index: 0, direction: 0, hardware: 0 },
        TunnelKind::Erspan { version: 1, index: 9, direction: 0, hardware: 0 },
        TunnelKind::Erspan { version: 2, index: 0, direction: 1, hardware: 7 },
    ];

    fn read(kind: TunnelKind, packet: &[u8]) -> Result<Read, BadTunnel> {
        super::read(kind, packet, &OptionSets::default())
    }

    fn wanted(kind: TunnelKind) -> Wanted<'static> {
        Wanted { kind, key: Some(77), csum: true, sequence: 5, gbp: (0, 0), oam: false, options: &[] }
    }

    fn packet(kind: TunnelKind) -> Vec<u8> {
        let header = write(&wanted(kind)).unwrap();
        let mut packet = [header.bytes(), &[0x5a; 60]].concat();
        finish(kind, true, &mut packet);
        packet
    }

    #[test]
    fn what_is_written_is_read() {
        for kind in KINDS {
            let packet = packet(kind);
            let read = read(kind, &packet).unwrap();
            let has_key = !matches!(kind, TunnelKind::Erspan { version: 0, .. });
            assert_eq!(read.key, if has_key { 77 } else { 0 }, "{kind:?}");
            assert_eq!(read.is_mirror, matches!(kind, TunnelKind::Erspan { .. }));
            assert_eq!(packet[read.inner], [0x5a; 60], "{kind:?}");
        }
    }

    #[test]
    fn every_truncation_is_refused_or_a_shorter_frame() {
        for kind in KINDS {
            let packet = packet(kind);
            for length in 0..packet.len() {
                if let Ok(read) = read(kind, &packet[..length]) {
                    assert!(read.inner.len() >= 14 && read.inner.end == length, "{kind:?} {length}");
                }
            }
        }
    }

    #[test]
    fn a_key_that_does_not_fit_is_not_cut() {
        for (kind, key) in [
            (TunnelKind::Vxlan(Extension::None), 1 << 24),
            (TunnelKind::Geneve, 1 << 24),
            (TunnelKind::Gre { sequence: false }, 1 << 32),
            (TunnelKind::Erspan { version: 1, index: 0, direction: 0, hardware: 0 }, 1 << 10),
        ] {
            assert!(write(&Wanted { key: Some(key), ..wanted(kind) }).is_none(), "{kind:?}");
            assert!(write(&Wanted { key: Some(key - 1), ..wanted(kind) }).is_some(), "{kind:?}");
        }
    }

    #[test]
    fn a_checksum_of_gre_is_right_or_open_or_refused() {
        let kind = TunnelKind::Gre { sequence: false };
        let mut packet = packet(kind);
        assert!(read(kind, &packet).is_ok());
        packet[4..6].fill(0);
        assert!(read(kind, &packet).is_ok(), "left to a device");
        packet[5] = 1;
        assert_eq!(read(kind, &packet), Err(BadTunnel::GreChecksum));
    }

    #[test]
    fn group_policy_travels_where_it_was_agreed_upon() {
        let gbp = TunnelKind::Vxlan(Extension::Gbp);
        let header = write(&Wanted { gbp: (0x1234, 0x08), ..wanted(gbp) }).unwrap();
        let packet = [header.bytes(), &[0; 60]].concat();
        assert_eq!(read(gbp, &packet).unwrap().gbp, (0x1234, 0x08));
        let plain = read(TunnelKind::Vxlan(Extension::None), &packet);
        assert!(matches!(plain, Err(BadTunnel::VxlanFlags(0x88))));
    }

    #[test]
    fn a_critical_option_that_nobody_knows_is_refused() {
        let mut packet = [&[0_u8; 8 + 4][..], &[0; 60]].concat();
        packet[..8].copy_from_slice(&[0x01, 0x40, 0x65, 0x58, 0, 0, 77, 0]);
        packet[8..12].copy_from_slice(&[0x01, 0x02, 0x80, 0x00]);
        assert!(matches!(read(TunnelKind::Geneve, &packet), Err(BadTunnel::GeneveCritical { .. })));
        packet[10] = 0;
        packet[1] = 0;
        let plain = read(TunnelKind::Geneve, &packet).unwrap();
        assert_eq!((plain.options, plain.inner), (8..12, 12..72));
        // Somebody knows it.
        packet[10] = 0x80;
        let sets = OptionSets::default();
        sets.set_known([(0x0102, 0x80)].into());
        assert_eq!(super::read(TunnelKind::Geneve, &packet, &sets).unwrap().options, 8..12);
    }

    #[test]
    fn options_follow_the_header_that_says_their_length() {
        let options = [0x01, 0x02, 0x80, 0x01, 1, 2, 3, 4];
        let header = write(&Wanted { options: &options, ..wanted(TunnelKind::Geneve) }).unwrap();
        assert_eq!(header.bytes(), [2, 0x40, 0x65, 0x58, 0, 0, 77, 0], "one of them is critical");
        assert!(write(&Wanted { options: &[0; 6], ..wanted(TunnelKind::Geneve) }).is_none());
    }
}

//! Bytes of overhead, and the MTU they leave.
//!
//! ```text
//! underlay MTU = | IP 20 or 40 | UDP 8 or TCP 20 | tunnel | inner Ethernet 14, tags | inner MTU |
//! ```
//!
//! Source: RFC 7348 §4.3, RFC 8926 §4.1.1 (the underlay must not fragment; the MTU inside is what remains).

use super::encap::Header;
use crate::ethernet::HEADER as ETHERNET;
use crate::vlan::TAG;
use crate::{ipv4, ipv6, tcp};

/// What of a tunnel bears on its overhead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape<'a> {
    /// The ends are IPv6.
    pub v6: bool,
    /// The longest header that will be sent.
    pub header: Header<'a>,
    /// What is inside is an Ethernet frame, not an IP packet.
    pub ethernet: bool,
    /// VLAN tags inside the frame.
    pub tags: usize,
}

impl Shape<'_> {
    /// Bytes between an underlay's IP packet and the inner IP packet.
    #[must_use]
    pub const fn overhead(&self) -> usize {
        let ip = if self.v6 { ipv6::HEADER } else { ipv4::HEADER };
        let inner = if self.ethernet { ETHERNET + self.tags * TAG } else { 0 };
        ip + self.header.overhead() + inner
    }

    /// The MTU inside over an underlay with MTU `underlay`; 0 if there is no room at all.
    ///
    /// STT cuts its frames: what is inside may be as long as its length fields can say, whatever the underlay.
    #[must_use]
    pub fn inner_mtu(&self, underlay: u16) -> u16 {
        let room = if let Header::Stt { .. } = self.header { self.stt_room(underlay) } else { underlay };
        u16::try_from(usize::from(room).saturating_sub(self.overhead())).unwrap_or(0)
    }

    /// The longest IP packet of an STT frame before it is cut. Without room for a piece of 8 bytes there is none.
    const fn stt_room(&self, underlay: u16) -> u16 {
        let ip = if self.v6 { ipv6::HEADER } else { ipv4::HEADER };
        if (underlay as usize) < ip + tcp::HEADER + 8 { 0 } else { u16::MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tunnel::geneve::Geneve;
    use crate::tunnel::gre::{Gre, TEB};
    use crate::tunnel::stt::Stt;
    use crate::tunnel::vxlan::Vxlan;

    fn shape(header: Header<'_>, v6: bool) -> Shape<'_> {
        Shape { v6, header, ethernet: true, tags: 0 }
    }

    /// The numbers everybody knows.
    #[test]
    fn over_1500() {
        let vxlan = Header::Vxlan(Vxlan::new(1));
        assert_eq!(shape(vxlan, false).inner_mtu(1500), 1450);
        assert_eq!(shape(vxlan, true).inner_mtu(1500), 1430);
        assert_eq!(Shape { tags: 1, ..shape(vxlan, false) }.inner_mtu(1500), 1446);
        let gre = Header::Gre(Gre { protocol: TEB, ..Gre::default() });
        assert_eq!(shape(gre, false).inner_mtu(1500), 1462);
        let keyed = Header::Gre(Gre { protocol: TEB, key: Some(1), ..Gre::default() });
        assert_eq!(shape(keyed, false).inner_mtu(1500), 1458);
        let routed = Header::Gre(Gre { protocol: 0x0800, ..Gre::default() });
        assert_eq!(Shape { ethernet: false, ..shape(routed, false) }.inner_mtu(1500), 1476);
        assert_eq!(shape(Header::Geneve(Geneve::new(1, &[0; 8])), false).inner_mtu(1500), 1442);
        assert_eq!(shape(vxlan, false).inner_mtu(40), 0);
    }

    #[test]
    fn stt_is_not_bound_by_the_underlay() {
        let stt = Header::Stt { stt: Stt::new(1), id: 1 };
        assert_eq!(shape(stt, false).overhead(), 20 + 20 + 18 + 14);
        assert_eq!(shape(stt, false).inner_mtu(1500), 65_535 - 72);
        assert_eq!(shape(stt, true).inner_mtu(47), 0);
    }
}

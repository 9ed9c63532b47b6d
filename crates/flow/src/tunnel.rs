//! What a tunnel says of a packet: who sent it to whom, under which key.
//!
//! The same value goes both ways. Of a received packet it is what its outer headers said; of one that leaves by a
//! tunnel port it is what flows want, and the port fills in what its configuration fixes.

use std::net::{IpAddr, Ipv6Addr};

use crate::{FlowKey, PacketKey, word};

/// Words of a key that a tunnel has.
const WORDS: usize = word::PKT_MARK - word::TUN_ID;

/// The tunnel words of a key, from [`word::TUN_ID`] to [`word::TUN_OPTIONS`]. All 0 stands for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TunnelKey([u64; WORDS]);

impl TunnelKey {
    /// A packet from `src` to `dst` under key `id`.
    #[must_use]
    pub fn new(id: u64, src: IpAddr, dst: IpAddr) -> Self {
        let ([s0, s1], [d0, d1]) = (halves(src), halves(dst));
        Self([id, s0, s1, d0, d1, 0, 0])
    }

    /// The same with TOS and TTL of the outer header.
    #[must_use]
    pub fn with_ip(mut self, tos: u8, ttl: u8) -> Self {
        self.set_meta(40, 0xff, tos.into());
        self.set_meta(32, 0xff, ttl.into());
        self
    }

    /// The same with flags (bit 0: OAM).
    #[must_use]
    pub fn with_flags(mut self, flags: u16) -> Self {
        self.set_meta(48, 0xffff, flags.into());
        self
    }

    /// The same with a group policy.
    #[must_use]
    pub fn with_gbp(mut self, policy: u16, flags: u8) -> Self {
        self.set_meta(16, 0xffff, policy.into());
        self.set_meta(8, 0xff, flags.into());
        self
    }

    /// The same with a [set of options](crate::OptionSet), by its number; 0: none.
    #[must_use]
    pub const fn with_options(mut self, number: u64) -> Self {
        self.0[WORDS - 1] = number;
        self
    }

    fn set_meta(&mut self, shift: u32, mask: u64, value: u64) {
        let [.., meta, _] = &mut self.0;
        *meta = *meta & !(mask << shift) | value << shift;
    }

    /// What the flow says now.
    #[must_use]
    pub fn of(key: &FlowKey) -> Self {
        let mut words = [0; WORDS];
        words.copy_from_slice(&key.0[word::TUN_ID..word::PKT_MARK]);
        Self(words)
    }

    /// Writes it into a packet's key.
    #[inline]
    pub fn write(&self, key: &mut PacketKey) {
        key.0[word::TUN_ID..word::PKT_MARK].copy_from_slice(&self.0);
    }

    /// Its words, and their places in a key.
    pub fn words(&self) -> impl Iterator<Item = (usize, u64)> + use<> {
        (word::TUN_ID..word::PKT_MARK).zip(self.0)
    }

    /// `tun_id`
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.0[0]
    }

    /// `tun_src`, `tun_ipv6_src`; `None`: not said.
    #[must_use]
    pub fn src(&self) -> Option<IpAddr> {
        address(self.0[1], self.0[2])
    }

    /// `tun_dst`, `tun_ipv6_dst`; `None`: not said.
    #[must_use]
    pub fn dst(&self) -> Option<IpAddr> {
        address(self.0[3], self.0[4])
    }

    /// `tun_tos`
    #[must_use]
    pub const fn tos(&self) -> u8 {
        self.byte(40)
    }

    /// `tun_ttl`
    #[must_use]
    pub const fn ttl(&self) -> u8 {
        self.byte(32)
    }

    /// `tun_flags`
    #[must_use]
    pub const fn flags(&self) -> u16 {
        (self.0[5] >> 48) as u16
    }

    /// `tun_gbp_id` and `tun_gbp_flags`
    #[must_use]
    pub const fn gbp(&self) -> (u16, u8) {
        (u16::from_be_bytes([self.byte(24), self.byte(16)]), self.byte(8))
    }

    /// The number of its options; 0: none.
    #[must_use]
    pub const fn options(&self) -> u64 {
        self.0[WORDS - 1]
    }

    const fn byte(&self, shift: u32) -> u8 {
        (self.0[5] >> shift & 0xff) as u8
    }
}

/// IPv4 as IPv4-mapped, as in the key.
fn halves(address: IpAddr) -> [u64; 2] {
    let bits = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bits.to_be_bytes();
    [u64::from_be_bytes([a, b, c, d, e, f, g, h]), u64::from_be_bytes([i, j, k, l, m, n, o, p])]
}

fn address(high: u64, low: u64) -> Option<IpAddr> {
    let bits = u128::from(high) << 64 | u128::from(low);
    (bits != 0).then(|| Ipv6Addr::from_bits(bits).to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FieldId;

    #[test]
    fn the_words_are_those_of_the_fields() {
        let key = TunnelKey::new(77, [192, 0, 2, 1].into(), [192, 0, 2, 2].into())
            .with_ip(0xb8, 64)
            .with_flags(1)
            .with_gbp(0x1234, 0x48);
        let mut packet = PacketKey::default();
        key.write(&mut packet);
        let mut flow = FlowKey::default();
        flow.0[..crate::PACKET_WORDS].copy_from_slice(&packet.0);
        for (field, value) in [
            (FieldId::TunId, 77),
            (FieldId::TunSrc, 0xc000_0201),
            (FieldId::TunDst, 0xc000_0202),
            (FieldId::TunTos, 0xb8),
            (FieldId::TunTtl, 64),
            (FieldId::TunFlags, 1),
            (FieldId::TunGbpId, 0x1234),
            (FieldId::TunGbpFlags, 0x48),
        ] {
            assert_eq!(field.field().read(&flow), value, "{field:?}");
        }
        let read = TunnelKey::of(&flow);
        assert_eq!(read, key);
        assert_eq!((read.id(), read.tos(), read.ttl(), read.flags()), (77, 0xb8, 64, 1));
        assert_eq!(read.gbp(), (0x1234, 0x48));
        assert_eq!(read.dst(), Some([192, 0, 2, 2].into()));
    }

    #[test]
    fn nothing_said_is_none() {
        let none = TunnelKey::default();
        assert_eq!((none.src(), none.dst(), none.id()), (None, None, 0));
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        assert_eq!(TunnelKey::new(0, v6, v6).src(), Some(v6));
    }
}

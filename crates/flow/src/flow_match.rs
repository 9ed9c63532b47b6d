//! What a flow matches: a value and a mask over the words of a [`FlowKey`].

use crate::{FLOW_WORDS, FieldId, FlowKey, FlowMask, OfPort, PacketKey, PacketMask, word};

/// Which packets a flow is for. The key is 0 where the mask is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FlowMatch {
    key: FlowKey,
    mask: FlowMask,
}

impl FlowMatch {
    /// Matches every packet.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Matches the packets that equal `key` in the bits of `mask`.
    #[must_use]
    pub fn new(mut key: FlowKey, mask: FlowMask) -> Self {
        for (k, m) in key.0.iter_mut().zip(&mask.0) {
            *k &= m;
        }
        Self { key, mask }
    }

    /// The values, 0 outside the mask.
    #[must_use]
    pub const fn key(&self) -> &FlowKey {
        &self.key
    }

    /// The bits that count.
    #[must_use]
    pub const fn mask(&self) -> &FlowMask {
        &self.mask
    }

    /// Value and mask of one word; zeros beyond the last.
    #[must_use]
    pub fn word(&self, index: usize) -> (u64, u64) {
        (self.key.0.get(index).copied().unwrap_or(0), self.mask.0.get(index).copied().unwrap_or(0))
    }

    /// Whether it matches every packet.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.mask == FlowMask::default()
    }

    /// Whether it matches a packet.
    #[must_use]
    pub fn matches(&self, key: &FlowKey) -> bool {
        overlaps(&self.key.0, &self.mask.0, &key.0, &[u64::MAX; FLOW_WORDS])
    }

    /// Whether some packet matches both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        overlaps(&self.key.0, &self.mask.0, &other.key.0, &other.mask.0)
    }

    /// Whether it matches every packet that `other` matches.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.mask.0.iter().zip(&other.mask.0).all(|(mine, theirs)| mine & !theirs == 0)
            && self.overlaps(other)
    }

    /// Also demands `value` in all bits of a field.
    pub fn set(&mut self, id: FieldId, value: u128) {
        self.set_masked(id, value, u128::MAX);
    }

    /// Also demands `value` in the bits `mask` of a field, replacing what was demanded of these bits.
    pub fn set_masked(&mut self, id: FieldId, value: u128, mask: u128) {
        let field = id.field();
        let (value, mask) = match id {
            FieldId::InPort if mask != 0 => (u128::from(port_from_16(value).0), field.max()),
            _ => (value, mask & field.max()),
        };
        field.put(&mut self.key.0, value & mask, mask);
        field.put(&mut self.mask.0, mask, mask);
        if mask == 0 {
            return;
        }
        for (index, bits) in field.implied {
            if let (Some(k), Some(m)) =
                (self.key.0.get_mut(usize::from(*index)), self.mask.0.get_mut(usize::from(*index)))
            {
                *k |= bits;
                *m |= bits;
            }
        }
    }

    /// Value and mask demanded of a field's bits.
    #[must_use]
    pub fn field(&self, id: FieldId) -> (u128, u128) {
        let field = id.field();
        (field.take(&self.key.0), field.take(&self.mask.0))
    }

    /// Demands nothing more of a field's bits, the implied ones included.
    pub fn clear(&mut self, id: FieldId) {
        let field = id.field();
        field.put(&mut self.key.0, 0, field.max());
        field.put(&mut self.mask.0, 0, field.max());
        for (index, bits) in field.implied {
            if let (Some(k), Some(m)) =
                (self.key.0.get_mut(usize::from(*index)), self.mask.0.get_mut(usize::from(*index)))
            {
                *k &= !bits;
                *m &= !bits;
            }
        }
    }

    /// The value of a field, if all its bits are demanded.
    #[must_use]
    pub fn exact(&self, id: FieldId) -> Option<u128> {
        let (value, mask) = self.field(id);
        (mask == id.field().max()).then_some(value)
    }

    /// Whether a change of a flow with this match could change the answer a table gave to the packets that
    /// equal `key` in `mask`, when they were looked up with `in_port` and with the words of the bitmap
    /// `rewritten` no longer as they came in.
    ///
    /// This is the check behind [`crate::Dependency::Table`]: pass its `in_port` and `rewritten`. The pipeline's
    /// own words were 0, unless rewritten.
    #[must_use]
    pub fn concerns(&self, key: &PacketKey, mask: &PacketMask, in_port: OfPort, rewritten: u64) -> bool {
        let known = |i: usize| -> (u64, u64) {
            let (key, mask) = match (key.0.get(i), mask.0.get(i)) {
                (Some(key), Some(mask)) => (*key, *mask),
                _ => (0, u64::MAX),
            };
            if i == word::DP_HASH {
                return (0, !IN_PHY_PORT);
            }
            if i == word::IN_PORT {
                (u64::from(in_port.0) << 32 | (key & 0xffff_ffff), 0xffff_ffff << 32 | mask)
            } else {
                (key, mask)
            }
        };
        self.key.0.iter().zip(&self.mask.0).enumerate().all(|(i, (mine, bits))| {
            let (theirs, known) = if rewritten >> i & 1 == 1 { (0, 0) } else { known(i) };
            (mine ^ theirs) & bits & known == 0
        })
    }
}

/// The bits of `in_phy_port` in [`word::DP_HASH`]. Which port it was is not known here; that it was looked at is.
const IN_PHY_PORT: u64 = 0xffff_ffff;

/// A 16-bit port number of OpenFlow 1.0 as a 32-bit one: the reserved ones move up.
fn port_from_16(port: u128) -> OfPort {
    let port = u32::try_from(port).unwrap_or(u32::MAX);
    if (0xff01..=0xffff).contains(&port) { OfPort(port | 0xffff_0000) } else { OfPort(port) }
}

/// Whether some key matches both of two pairs of value and mask. Words beyond the shorter array do not count.
#[must_use]
pub fn overlaps(a_key: &[u64], a_mask: &[u64], b_key: &[u64], b_mask: &[u64]) -> bool {
    a_key
        .iter()
        .zip(a_mask)
        .zip(b_key.iter().zip(b_mask))
        .all(|((a, a_bits), (b, b_bits))| (a ^ b) & a_bits & b_bits == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp_dst(port: u128) -> FlowMatch {
        let mut m = FlowMatch::any();
        m.set(FieldId::EthType, 0x0800);
        m.set(FieldId::NwProto, 6);
        m.set(FieldId::TcpDst, port);
        m
    }

    #[test]
    fn set_then_field_gives_the_value_back_for_every_field() {
        for id in FieldId::ALL {
            let mut m = FlowMatch::any();
            let max = id.field().max();
            let value = 0x5a5a_5a5a_5a5a_5a5a_5a5a_5a5a_5a5a_5a5a & max;
            m.set(*id, value);
            if *id != FieldId::InPort {
                assert_eq!(m.field(*id), (value, max), "{id:?}");
            }
            assert!(!m.is_any());
            m.clear(*id);
            assert!(m.is_any(), "{id:?} leaves bits behind");
        }
    }

    #[test]
    fn covers_is_a_partial_order_on_masks() {
        let (any, tcp80, tcp81) = (FlowMatch::any(), tcp_dst(80), tcp_dst(81));
        assert!(any.covers(&tcp80) && !tcp80.covers(&any) && tcp80.covers(&tcp80));
        assert!(!tcp80.covers(&tcp81) && !tcp80.overlaps(&tcp81) && tcp80.overlaps(&any));
    }

    #[test]
    fn vlan_id_demands_that_a_vlan_is_there() {
        let mut m = FlowMatch::any();
        m.set(FieldId::DlVlan, 5);
        assert_eq!(m.word(word::ETH_SRC), (0x1005, 0x1fff));
        assert_eq!(m.field(FieldId::VlanTci), (0x1005, 0x1fff));
    }

    #[test]
    fn reserved_ports_move_up() {
        let mut m = FlowMatch::any();
        m.set(FieldId::InPort, 0xfffe);
        assert_eq!(m.field(FieldId::InPortOxm).0, u128::from(OfPort::LOCAL.0));
    }

    #[test]
    fn a_change_concerns_only_cached_flows_it_could_match() {
        let (mut key, mut mask) = (PacketKey::default(), PacketMask::default());
        key.0[word::ETH_DST] = 0x0800;
        mask.0[word::ETH_DST] = 0xffff;
        let at = |m: &FlowMatch, rewritten| m.concerns(&key, &mask, OfPort(3), rewritten);
        assert!(at(&tcp_dst(80), 0), "the cached flow did not look at ports");
        let mut other = FlowMatch::any();
        other.set(FieldId::EthType, 0x0806);
        assert!(!at(&other, 0));
        assert!(at(&other, 1 << word::ETH_DST), "the type was rewritten on the way");
        let mut port = FlowMatch::any();
        port.set(FieldId::InPort, 4);
        assert!(!at(&port, 0));
        port.set(FieldId::InPort, 3);
        assert!(at(&port, 0));
        let mut register = FlowMatch::any();
        register.set(FieldId::Reg3, 1);
        assert!(!at(&register, 0), "registers begin at 0");
        assert!(at(&register, 1 << (word::REG + 1)));
    }
}

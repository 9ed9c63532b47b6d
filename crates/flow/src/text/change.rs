//! What is different between two packets, field by field.

use super::value::Shown;
use crate::{FieldId, FlowKey, FlowMask, word};

/// A field that has another value now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Its name, as `set_field` knows it; `vlan` for the outer VLAN header as a whole.
    pub field: &'static str,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
}

/// The fields in which two keys differ, as far as the second packet has them, in the order of the fields' numbers. Of
/// fields that share bits the first one is told.
#[must_use]
pub fn field_changes(before: &FlowKey, after: &FlowKey) -> Vec<FieldChange> {
    let mut told = FlowMask::default();
    let mut changes = vlan(before, after, &mut told).into_iter().collect::<Vec<_>>();
    changes.extend(options(before, after));
    for id in FieldId::ALL.iter().copied().filter(|id| *id != FieldId::InPhyPort) {
        let field = id.field();
        let (old, new) = (field.read(before), field.read(after));
        if old == new || !field.prerequisite.holds(after, None) {
            continue;
        }
        let mut bits = FlowMask::default();
        field.unwildcard(&mut bits, old ^ new);
        let differs = |(n, bits): (usize, &u64)| {
            let at = |key: &FlowKey| key.0.get(n).copied().unwrap_or(0);
            bits & (at(before) ^ at(after)) & !told.0.get(n).copied().unwrap_or(0) != 0
        };
        if !bits.0.iter().enumerate().any(differs) {
            continue;
        }
        told.0.iter_mut().zip(&bits.0).for_each(|(told, bits)| *told |= bits);
        let shown = |value| Shown { field, value, mask: field.max() }.to_string();
        changes.push(FieldChange { field: field.name, before: shown(old), after: shown(new) });
    }
    changes
}

/// The tunnel options are told together, as a bridge has laid them out.
fn options(before: &FlowKey, after: &FlowKey) -> Option<FieldChange> {
    let laid_out = |key: &FlowKey| {
        let words = key.0.get(word::TUN_METADATA..=word::TUN_PRESENT).unwrap_or_default();
        let (present, words) = words.split_last().unwrap_or((&0, &[]));
        let used = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        let bytes: String = words.iter().take(used).map(|word| format!("{word:016x}")).collect();
        match present {
            0 => "none".to_owned(),
            _ => format!("0x{}", if bytes.is_empty() { "0" } else { &bytes }),
        }
    };
    let (before, after) = (laid_out(before), laid_out(after));
    (before != after).then_some(FieldChange { field: "tun_metadata", before, after })
}

/// The VLAN headers are told in words.
fn vlan(before: &FlowKey, after: &FlowKey, told: &mut FlowMask) -> Option<FieldChange> {
    let headers = |key: &FlowKey| (key.0[word::ETH_SRC] & 0xffff, key.0[word::VLAN]);
    told.0[word::ETH_SRC] |= 0xffff;
    told.0[word::VLAN] = u64::MAX;
    (headers(before) != headers(after)).then(|| FieldChange {
        field: "vlan",
        before: headers_in_words(headers(before)),
        after: headers_in_words(headers(after)),
    })
}

/// `none`, `10`, `10 priority 3`, `10 around 20`.
fn headers_in_words((tci, vlan): (u64, u64)) -> String {
    let one = |tci: u64| match tci >> 13 & 7 {
        0 => (tci & 0xfff).to_string(),
        priority => format!("{} priority {priority}", tci & 0xfff),
    };
    let inner = vlan >> 16 & 0xffff;
    match (tci & 0x1000, inner & 0x1000) {
        (0, _) => "none".to_owned(),
        (_, 0) => one(tci),
        _ => format!("{} around {}", one(tci), one(inner)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(before: &FlowKey, after: &FlowKey) -> Vec<String> {
        let changes = field_changes(before, after);
        changes.iter().map(|it| format!("{} {} {}", it.field, it.before, it.after)).collect()
    }

    fn tcp() -> FlowKey {
        let mut key = FlowKey::default();
        key.0[word::ETH_DST] = 0x0200_0000_0001_0800;
        key.0[word::IP] = 6 << 56 | 64 << 40;
        key.0[word::IPV4] = 0x0a00_0001_0a00_0002;
        key.0[word::L4] = 0x1234_0050_0002_0000;
        key
    }

    #[test]
    fn each_change_is_told_once_under_the_name_that_suits_the_packet() {
        let (before, mut after) = (tcp(), tcp());
        assert!(words(&before, &after).is_empty());
        FieldId::Ipv4Dst.field().write(&mut after, 0x0a00_0009, u128::MAX);
        FieldId::Reg0.field().write(&mut after, 5, u128::MAX);
        FieldId::NwTtl.field().write(&mut after, 63, u128::MAX);
        after.0[word::L4] = 0x1234_1f90_0002_0000;
        let told = words(&before, &after);
        assert!(told.contains(&"reg0 0 0x5".to_owned()), "{told:?}");
        assert!(told.contains(&"ip_dst 10.0.0.2 10.0.0.9".to_owned()), "{told:?}");
        assert!(told.contains(&"nw_ttl 64 63".to_owned()), "{told:?}");
        assert!(told.contains(&"tp_dst 80 8080".to_owned()), "{told:?}");
        assert_eq!(told.len(), 4, "{told:?}");
    }

    #[test]
    fn what_a_packet_has_no_more_is_not_told() {
        let (before, mut after) = (tcp(), FlowKey::default());
        after.0[word::ETH_DST] = 0x0200_0000_0001_8847;
        after.0[word::MPLS] = (77 << 12 | 1 << 8 | 64) << 32;
        let told = words(&before, &after);
        assert!(told.contains(&"mpls_label 0 77".to_owned()), "{told:?}");
        assert!(told.iter().all(|it| it.starts_with("mpls_") || it.starts_with("eth_type")), "{told:?}");
    }

    #[test]
    fn vlan_headers_come_and_go_in_words() {
        let (before, mut after) = (tcp(), tcp());
        after.0[word::ETH_SRC] |= 0x1000 | 3 << 13 | 100;
        after.0[word::VLAN] = 0x8100 << 48;
        assert_eq!(words(&before, &after), ["vlan none 100 priority 3"]);
        assert_eq!(words(&after, &before), ["vlan 100 priority 3 none"]);
    }
}

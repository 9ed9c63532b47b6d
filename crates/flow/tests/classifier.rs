//! The classifier against a list that is searched from end to end, and its contract of un-wildcarding.

use netloom_flow::{Classifier, FLOW_WORDS, FieldId, FlowKey, FlowMask, FlowMatch};
use proptest::prelude::*;

/// A field of a rule or packet: few values, so that they meet.
#[derive(Debug, Clone)]
struct Piece {
    id: FieldId,
    value: u128,
    mask: u128,
}

fn prefix(width: u32, len: u32) -> u128 {
    let ones = |n: u32| if n >= 128 { u128::MAX } else { (1_u128 << n) - 1 };
    ones(width) & !ones(width - len.min(width))
}

fn value(id: FieldId) -> BoxedStrategy<u128> {
    let base = match id {
        FieldId::Ipv4Src | FieldId::Ipv4Dst => 0x0a00_0000,
        FieldId::Ipv6Src | FieldId::Ipv6Dst => 0x2001_0db8_u128 << 96,
        _ => 0,
    };
    let top = match id {
        FieldId::Ipv4Src | FieldId::Ipv4Dst => 30,
        FieldId::Ipv6Src | FieldId::Ipv6Dst => 100,
        FieldId::TcpSrc | FieldId::TcpDst => 13,
        _ => 1,
    };
    prop_oneof![
        4 => (0..4_u128, 0..=top).prop_map(move |(v, shift)| base | v << shift),
        2 => (0..4_u128).prop_map(move |v| base | v),
        1 => any::<u128>(),
    ]
    .prop_map(move |v| v & id.field().max())
    .boxed()
}

fn id() -> impl Strategy<Value = FieldId> {
    prop::sample::select(vec![
        FieldId::InPortOxm,
        FieldId::Metadata,
        FieldId::Reg1,
        FieldId::CtLabel,
        FieldId::EthDst,
        FieldId::EthType,
        FieldId::VlanTci,
        FieldId::Ipv4Src,
        FieldId::Ipv4Dst,
        FieldId::Ipv6Src,
        FieldId::Ipv6Dst,
        FieldId::NwProto,
        FieldId::ArpSha,
        FieldId::TcpSrc,
        FieldId::TcpDst,
        FieldId::TcpFlags,
        FieldId::IcmpType,
    ])
}

fn piece() -> impl Strategy<Value = Piece> {
    id().prop_flat_map(|id| {
        let width = u32::from(id.field().width);
        let mask = prop_oneof![
            3 => Just(id.field().max()),
            3 => (1..=width).prop_map(move |len| prefix(width, len)),
            1 => any::<u128>(),
        ];
        (value(id), mask).prop_map(move |(value, mask)| Piece { id, value, mask })
    })
}

fn rule_match() -> impl Strategy<Value = FlowMatch> {
    prop::collection::vec(piece(), 0..5).prop_map(|pieces| {
        let mut matches = FlowMatch::any();
        for p in pieces {
            matches.set_masked(p.id, p.value, p.mask);
        }
        matches
    })
}

fn packet() -> impl Strategy<Value = FlowKey> {
    prop::collection::vec(id().prop_flat_map(|id| (Just(id), value(id))), 0..12).prop_map(|pieces| {
        let mut key = FlowKey::default();
        for (id, value) in pieces {
            id.field().write(&mut key, value, u128::MAX);
        }
        key
    })
}

/// A change of the rules: the second number picks what to remove.
#[derive(Debug, Clone)]
enum Change {
    Insert(Box<FlowMatch>, u32),
    Remove(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (rule_match(), 0..4_u32).prop_map(|(m, p)| Change::Insert(Box::new(m), p)),
        1 => any::<prop::sample::Index>().prop_map(Change::Remove),
    ]
}

type Rules = Vec<(FlowMatch, u32, usize)>;

fn build(changes: &[Change]) -> (Classifier<usize>, Rules) {
    let (mut classifier, mut rules) = (Classifier::new(), Rules::new());
    for (n, change) in changes.iter().enumerate() {
        match change {
            Change::Insert(matches, priority) => {
                let at = rules.iter().position(|(m, p, _)| m == &**matches && p == priority);
                let old = at.map(|at| rules.remove(at).2);
                assert_eq!(classifier.insert(matches, *priority, n), old);
                rules.push((FlowMatch::clone(matches), *priority, n));
            }
            Change::Remove(index) if !rules.is_empty() => {
                let (matches, priority, n) = rules.remove(index.index(rules.len()));
                assert_eq!(classifier.remove(&matches, priority), Some(n));
                assert_eq!(classifier.remove(&matches, priority), None);
            }
            Change::Remove(_) => {}
        }
    }
    assert_eq!(classifier.len(), rules.len());
    (classifier, rules)
}

/// The definition: the highest priority wins, then the mask with more bits, then the greater mask.
fn naive(rules: &Rules, key: &FlowKey) -> Option<usize> {
    let bits = |m: &FlowMatch| m.mask().0.iter().map(|w| w.count_ones()).sum::<u32>();
    rules
        .iter()
        .filter(|(m, _, _)| m.matches(key))
        .max_by_key(|(m, priority, _)| (*priority, bits(m), m.mask().0))
        .map(|(_, _, n)| *n)
}

fn splice(key: &FlowKey, mask: &FlowMask, other: &FlowKey) -> FlowKey {
    FlowKey(std::array::from_fn(|i| (key.0[i] & mask.0[i]) | (other.0[i] & !mask.0[i])))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_search_of_the_whole_list(
        changes in prop::collection::vec(change(), 0..60),
        packets in prop::collection::vec(packet(), 1..20),
    ) {
        let (classifier, rules) = build(&changes);
        let aimed = rules.iter().map(|(m, _, _)| m.key());
        for key in packets.iter().copied().chain(aimed) {
            let expected = naive(&rules, &key);
            prop_assert_eq!(classifier.lookup(&key, None).copied(), expected);
            let mut mask = FlowMask::default();
            prop_assert_eq!(classifier.lookup(&key, Some(&mut mask)).copied(), expected);
        }
    }

    #[test]
    fn keys_equal_in_the_bits_looked_at_get_the_same_answer(
        changes in prop::collection::vec(change(), 0..60),
        packets in prop::collection::vec(packet(), 1..12),
        noise in prop::collection::vec(any::<u64>(), FLOW_WORDS),
    ) {
        let (classifier, rules) = build(&changes);
        let noise = FlowKey(std::array::from_fn(|i| noise[i]));
        let aimed: Vec<FlowKey> = rules.iter().map(|(m, _, _)| m.key()).collect();
        for (n, key) in packets.iter().chain(&aimed).enumerate() {
            let mut mask = FlowMask::default();
            let answer = classifier.lookup(key, Some(&mut mask)).copied();
            let inverted = FlowKey(std::array::from_fn(|i| !key.0[i]));
            for other in packets.iter().chain(&aimed).chain([&noise, &inverted]) {
                let twin = splice(key, &mask, other);
                prop_assert_eq!(naive(&rules, &twin), answer, "mask {:?} other {:?}", mask, other);
                prop_assert_eq!(classifier.lookup(&twin, None).copied(), answer);
            }
            // One bit at a time: what the mask leaves out must not matter.
            for word in 0..FLOW_WORDS {
                for bit in (n % 7..64).step_by(7) {
                    if mask.0[word] >> bit & 1 == 0 {
                        let mut twin = *key;
                        twin.0[word] ^= 1 << bit;
                        prop_assert_eq!(classifier.lookup(&twin, None).copied(), answer);
                    }
                }
            }
        }
    }

    #[test]
    fn iterates_over_exactly_what_is_in_it(changes in prop::collection::vec(change(), 0..60)) {
        let (classifier, rules) = build(&changes);
        let mut listed: Vec<usize> = classifier.iter().map(|(_, _, n)| *n).collect();
        let mut expected: Vec<usize> = rules.iter().map(|(_, _, n)| *n).collect();
        listed.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(listed, expected);
        for (matches, priority, n) in &rules {
            prop_assert_eq!(classifier.get(matches, *priority), Some(n));
        }
        let again: Vec<_> = build(&changes).0.iter().map(|(p, m, n)| (p, m, *n)).collect();
        let first: Vec<_> = classifier.iter().map(|(p, m, n)| (p, m, *n)).collect();
        prop_assert_eq!(first, again);
    }
}

fn with(fields: &[(FieldId, u128)]) -> FlowMatch {
    let mut matches = FlowMatch::any();
    for (id, value) in fields {
        matches.set(*id, *value);
    }
    matches
}

fn looked_at(classifier: &Classifier<&str>, key: &FlowKey) -> FlowMatch {
    let mut mask = FlowMask::default();
    let _answer = classifier.lookup(key, Some(&mut mask));
    FlowMatch::new(FlowKey([u64::MAX; FLOW_WORDS]), mask)
}

#[test]
fn stages_leave_a_subtable_before_its_addresses_and_ports() {
    let mut classifier = Classifier::new();
    classifier.insert(
        &with(&[
            (FieldId::InPortOxm, 1),
            (FieldId::EthType, 0x800),
            (FieldId::NwProto, 6),
            (FieldId::TcpDst, 80),
        ]),
        10,
        "web",
    );
    classifier.insert(&FlowMatch::any(), 0, "rest");
    let mut key = with(&[(FieldId::InPortOxm, 2), (FieldId::EthType, 0x800)]).key();
    let seen = looked_at(&classifier, &key);
    assert_eq!(seen.field(FieldId::InPortOxm).1, 0xffff_ffff);
    assert_eq!(seen.field(FieldId::EthType).1, 0, "another port: no need to look further");
    FieldId::InPortOxm.field().write(&mut key, 1, u128::MAX);
    let seen = looked_at(&classifier, &key);
    assert_eq!(seen.field(FieldId::NwProto).1, 0xff);
    assert_eq!(seen.field(FieldId::TcpDst).1, 0, "not TCP: no need to look at ports");
}

#[test]
fn tries_look_at_the_bits_that_tell_prefixes_apart() {
    let mut classifier = Classifier::new();
    for net in 0..=255_u128 {
        let mut matches = with(&[(FieldId::EthType, 0x800)]);
        matches.set_masked(FieldId::Ipv4Dst, 0x0a01_0000 | net << 8, 0xffff_ff00);
        classifier.insert(&matches, 10, "ours");
    }
    let mut key = with(&[(FieldId::EthType, 0x800), (FieldId::Ipv4Dst, 0x0a01_0203)]).key();
    assert_eq!(looked_at(&classifier, &key).field(FieldId::Ipv4Dst).1, 0xffff_ff00);
    FieldId::Ipv4Dst.field().write(&mut key, 0xc0a8_0001, u128::MAX);
    assert_eq!(looked_at(&classifier, &key).field(FieldId::Ipv4Dst).1, 0x8000_0000, "the first bit differs");
}

#[test]
fn priority_ends_the_search_early() {
    let mut classifier = Classifier::new();
    classifier.insert(&with(&[(FieldId::InPortOxm, 1)]), 100, "port");
    classifier.insert(&with(&[(FieldId::EthDst, 0x0200_0000_0001)]), 10, "station");
    let key = with(&[(FieldId::InPortOxm, 1), (FieldId::EthDst, 0x0200_0000_0001)]).key();
    assert_eq!(classifier.lookup(&key, None), Some(&"port"));
    assert_eq!(looked_at(&classifier, &key).field(FieldId::EthDst).1, 0);
}

#[test]
fn equal_priorities_are_decided_by_the_two_rules_alone() {
    let station = with(&[(FieldId::EthDst, 2)]);
    let port = with(&[(FieldId::InPortOxm, 1)]);
    let key = with(&[(FieldId::InPortOxm, 1), (FieldId::EthDst, 2)]).key();
    for order in [[&station, &port], [&port, &station]] {
        let mut classifier = Classifier::new();
        for m in order {
            classifier.insert(m, 10, if m == &station { "station" } else { "port" });
        }
        assert_eq!(classifier.lookup(&key, None), Some(&"station"), "48 bits against 32");
        // A better rule elsewhere under the mask of `port` changes the order of the search, not the answer.
        classifier.insert(&with(&[(FieldId::InPortOxm, 7)]), 99, "other");
        assert_eq!(classifier.lookup(&key, None), Some(&"station"));
    }
}

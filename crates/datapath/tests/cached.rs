//! The cache changes nothing: with it and without it, the same packets come out of the same ports.

mod harness;

use std::sync::Arc;

use harness::{Answer, Lab, Naive, in_port, out};
use netloom_datapath::OffloadCaps;
use netloom_flow::{
    Branch, DpAction, DropReason, LinkSettings, PACKET_WORDS, PacketKey, PacketMask, PortId, RecircId,
    WordSet, word,
};
use netloom_testkit::Packet;
use netloom_testkit::strategy;
use proptest::collection::vec;
use proptest::prelude::*;

/// A rule of a naive flow table: which bits must have which values, and what to do then.
#[derive(Debug, Clone)]
struct Rule {
    tests: Vec<(usize, u64, u64)>,
    actions: Vec<DpAction>,
}

/// Device ports are 1 to 3; 4 and 5 are joined by a link.
const PORTS: [u32; 5] = [1, 2, 3, 4, 5];

/// Words and masks that tell packets of the small world apart.
const TESTS: &[(usize, u64)] = &[
    (word::IN_PORT, u64::MAX),
    (word::IN_PORT, 0xffff_ffff),
    (word::ETH_DST, 0xffff),
    (word::ETH_DST, 0x0001 << 16),
    (word::ETH_DST, u64::MAX),
    (word::ETH_SRC, 0x1fff),
    (word::ETH_SRC, !0xffff),
    (word::IPV4, 0x3),
    (word::IPV4, 0x3_0000_0000),
    (word::IPV6_DST + 1, 0x3),
    (word::IP, 0xff << 56),
    (word::IP, 0xff << 40),
    (word::L4, 0x1 << 48),
    (word::L4, 0x3 << 32),
    (word::L4, 0x3 << 16),
];

fn action() -> impl Strategy<Value = DpAction> {
    let output = prop::sample::select(&PORTS[..]).prop_map(out);
    let set = prop::sample::select(vec![
        (word::ETH_DST, 0xff << 16),
        (word::ETH_SRC, 0x3),
        (word::IPV4, u64::MAX),
        (word::IPV6_SRC, u64::MAX),
        (word::IP, 0xff << 40),
        (word::L4, 0x3 << 48),
        (word::L4, 0xffff << 32),
    ]);
    let set = (set, any::<u64>()).prop_map(|((word, mask), value)| {
        DpAction::Set(WordSet { word: u8::try_from(word).expect("below 64"), value: value & mask, mask })
    });
    let leaf = prop_oneof![
        4 => output,
        2 => set,
        1 => (1u16..4).prop_map(|tci| DpAction::PushVlan { tpid: 0x8100, tci }),
        1 => Just(DpAction::PopVlan),
        1 => (1u32..3).prop_map(|id| DpAction::Recirculate(RecircId(id))),
        1 => (1u32..4, 14u32..200).prop_map(|(port, max_len)| DpAction::OutputTrunc { port: PortId(port), queue: 0, max_len }),
        1 => (1u32..4, 1u32..3).prop_map(|(port, queue)| DpAction::Enqueue { port: PortId(port), queue }),
        1 => (0u32..4).prop_map(|label| DpAction::PushMpls { ethertype: 0x8847, lse: label << 12 | 0x140 }),
        1 => Just(DpAction::PopMpls { ethertype: 0x0800 }),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        let branch = |list: Vec<DpAction>| Arc::new(Branch { actions: list.into(), ..Branch::default() });
        let lists = (vec(inner.clone(), 0..3), vec(inner, 0..3));
        (lists, any::<bool>(), 40u16..2_000).prop_map(move |((list, other), is_clone, len)| {
            if is_clone {
                DpAction::Clone(list.into())
            } else {
                DpAction::CheckLength { len, longer: branch(list), other: branch(other) }
            }
        })
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let test = (prop::sample::select(TESTS), strategy::frame(), prop::sample::select(&PORTS[..]), 0u64..3);
    let test = test.prop_map(|((word, mask), packet, port, recirc)| {
        let headers = packet.headers();
        let mut key = netloom_flow::extract(&packet.bytes, &headers, &netloom_flow::PacketMeta::default());
        key.0[word::IN_PORT] = u64::from(port) << 32 | if recirc == 2 { 1 } else { 0 };
        (word, key.0[word] & mask, mask)
    });
    (vec(test, 0..3), vec(action(), 0..4), any::<bool>()).prop_map(|(tests, mut actions, drop)| {
        if drop {
            actions.push(DpAction::Drop(DropReason::FlowAction));
        }
        Rule { tests, actions }
    })
}

/// The first rule that fits decides; every bit of every test that was made on the way was looked at.
fn decide(rules: &[Rule], key: &PacketKey, cacheable: bool) -> Answer {
    let mut mask = PacketMask::default();
    let fits = rules.iter().find(|rule| {
        rule.tests.iter().all(|(word, value, bits)| {
            mask.0[*word] |= bits;
            key.0[*word] & bits == *value
        })
    });
    let actions = fits.map(|rule| rule.actions.clone()).unwrap_or_default();
    // A recirculated packet goes no further round: the model is about caching, not about loops.
    let recirculated = key.0[word::IN_PORT] & 0xffff_ffff != 0;
    let actions = if recirculated { actions.into_iter().filter(forward).collect() } else { actions };
    Answer { mask, actions, cacheable }
}

fn forward(action: &DpAction) -> bool {
    !matches!(action, DpAction::Recirculate(_) | DpAction::Clone(_) | DpAction::CheckLength { .. })
}

fn lab(rules: Vec<Rule>, cacheable: bool) -> Lab {
    // What comes over the link leaves by a device, so that nothing circles.
    let slow = Naive::new(move |key| {
        let mut answer = decide(&rules, key, cacheable);
        if in_port(key) > 3 {
            let arrived =
                |action: &DpAction| !matches!(action, DpAction::Output(p) if p.0 > 3) && forward(action);
            answer.actions.retain(arrived);
        }
        answer
    });
    let mut lab = Lab::new(slow);
    for port in 1..=3 {
        let caps = if port == 3 { OffloadCaps::default() } else { OffloadCaps::ALL };
        lab.device_with(port, caps, |_| {});
    }
    lab.peers(4, 5, LinkSettings::default(), LinkSettings::default());
    lab
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn cached_equals_uncached(
        rules in vec(rule(), 1..8),
        packets in vec((1u32..4, prop_oneof![4 => strategy::frame(), 1 => strategy::damaged()]), 1..40),
        flush in any::<u8>(),
    ) {
        let (mut cached, mut uncached) = (lab(rules.clone(), true), lab(rules, false));
        for (n, (port, packet)) in packets.iter().enumerate() {
            cached.send(*port, [packet.clone()]);
            uncached.send(*port, [packet.clone()]);
            for out in 1..=3 {
                let (with, without): (Vec<Packet>, Vec<Packet>) = (cached.received(out), uncached.received(out));
                prop_assert_eq!(with, without, "packet {} at port {}", n, out);
            }
            if n == usize::from(flush) {
                cached.worker.apply(netloom_datapath::Change::Flush, cached.now);
            }
            if n % 7 == 3 {
                cached.epoch.advance();
            }
        }
        for port in PORTS {
            prop_assert_eq!((cached.rx(port), cached.tx(port)), (uncached.rx(port), uncached.tx(port)));
        }
        prop_assert_eq!(cached.drops(), uncached.drops());
        // Every lookup was counted somewhere, once.
        let hits = |lab: &Lab| lab.slow.given.iter().map(|t| t.hits.read().packets).sum::<u64>();
        prop_assert_eq!(hits(&cached), hits(&uncached));
    }

    #[test]
    fn no_bytes_and_no_metadata_do_harm(
        packets in vec((strategy::damaged(), any::<[u8; 12]>()), 1..40),
        actions in vec(action(), 0..5),
    ) {
        let rules = vec![Rule { tests: Vec::new(), actions }];
        let mut lab = lab(rules, true);
        for (packet, header) in packets {
            let offload = netloom_packet::Offload::parse(&header).unwrap_or_default();
            lab.send(1, [Packet { offload, ..packet }]);
        }
    }
}

#[test]
fn the_masks_of_this_model_tell_packets_apart() {
    assert!(TESTS.iter().all(|(word, mask)| *word < PACKET_WORDS && *mask != 0));
}

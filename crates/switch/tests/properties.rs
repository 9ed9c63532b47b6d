//! What must hold for any lab, any flows and any packets.

mod support;

use netloom_flow::{PACKET_WORDS, PacketKey, TenantId, word};
use proptest::prelude::*;
use support::random::{self, Step};
use support::{Net, Plan};

fn lab(changes: bool) -> impl Strategy<Value = (Plan, Vec<Step>)> {
    random::plan().prop_flat_map(move |plan| {
        let bridges = plan.config.bridges.len();
        (Just(plan), random::steps(bridges, changes))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Crossing plain links in one translation is not to be told from crossing them one by one.
    #[test]
    fn fused_is_hop_by_hop((plan, steps) in lab(true)) {
        let mut fused = Net::new(&plan.config, true);
        let mut hops = Net::new(&plan.config, false);
        for step in &steps {
            prop_assert_eq!(fused.step(step), hops.step(step), "{:?}", step);
        }
        prop_assert_eq!(fused.ledger(), hops.ledger());
    }

    /// A cache that keeps what is still valid is not to be told from translating every packet.
    #[test]
    fn cached_is_translated((plan, steps) in lab(true)) {
        let mut cached = Net::new(&plan.config, true).with_cache();
        let mut fresh = Net::new(&plan.config, true);
        for step in steps.iter().flat_map(|step| [step, step]) {
            prop_assert_eq!(cached.step(step), fresh.step(step), "{:?}", step);
        }
        prop_assert_eq!(cached.ledger(), fresh.ledger());
    }

    /// Packets that equal another one under its mask get the same answer.
    #[test]
    fn the_mask_tells_all_that_was_looked_at(
        (plan, steps) in lab(true),
        noise in proptest::collection::vec(any::<u64>(), PACKET_WORDS),
        other in random::packet(),
    ) {
        let mut net = Net::new(&plan.config, true);
        for step in &steps {
            net.step(step);
            let Step::Send(port, packet) = step else { continue };
            let key = packet.key(*port, TenantId(0));
            let answer = net.translate(&key);
            for other in [noisy(&noise), other.key(*port, TenantId(0))] {
                let mut alike = PacketKey::default();
                for index in 0..PACKET_WORDS {
                    let mask = answer.mask.0[index];
                    alike.0[index] = key.0[index] & mask | other.0[index] & !mask;
                }
                let same = net.translate(&alike);
                prop_assert_eq!(&same.actions, &answer.actions, "{:?} {:?}", key, alike);
                prop_assert_eq!(&same.effects, &answer.effects, "{:?} {:?}", key, alike);
            }
        }
    }
}

fn noisy(noise: &[u64]) -> PacketKey {
    let mut key = PacketKey::default();
    key.0.copy_from_slice(noise);
    key.0[word::IN_PORT] = 0;
    // All packets of a datapath are frames.
    key.0[word::TENANT] &= !0xffff_ffff;
    key
}

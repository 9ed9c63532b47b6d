//! Packets that only a controller is asked about, as the first of each flow of a switch that is told what to do packet by
//! packet.
//!
//! Most of them come once: the controller answers with a flow. To keep what was decided about each would cost more than
//! to decide, in the cache, in the list of what is to be credited, and when it is thrown away. So the first packet of a
//! flow is decided for itself, and counts on an answer that all such packets share; only that of the second is kept, and
//! whoever sends many of them is answered by the cache.

use std::sync::Arc;

use netloom_flow::{DpAction, Effect, PACKET_WORDS, PacketKey, PacketMask, Translation};

/// Answers that are shared: one for each port, with few ports.
const SHARED: usize = 16;
/// Flows whose first packet is remembered. Each has one place, where the next with the same takes over.
const REMEMBERED: usize = 4_096;
/// No structure: the first digits of the square root of 2.
const MIX: u64 = 0x6a09_e667_f3bc_c909;

/// See the module.
#[derive(Debug)]
pub(crate) struct Asked {
    seed: u64,
    shared: Vec<Arc<Translation>>,
    /// Which of them goes next.
    turn: usize,
    /// What stands for the flows whose first packet came.
    met: Box<[u64]>,
}

impl Asked {
    /// None yet. Whoever knows the seed can only have answers kept or not.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, shared: Vec::new(), turn: 0, met: vec![0; REMEMBERED].into() }
    }

    /// Whether this is an answer that need not be kept: controllers are asked, no more, and this packet is the first such.
    pub(crate) fn is_first(&mut self, key: &PacketKey, made: &Translation) -> bool {
        let is_count = |effect: &Effect| matches!(effect, Effect::Match { .. } | Effect::Miss { .. });
        if !made.cacheable
            || !matches!(*made.actions, [DpAction::Userspace(_)])
            || !made.effects.iter().all(is_count)
        {
            return false;
        }
        let mark = mark(self.seed, key, &made.mask);
        let place = (mark >> 32) as usize % REMEMBERED;
        self.met.get_mut(place).is_some_and(|met| std::mem::replace(met, mark) != mark)
    }

    /// The answer that is shared with all that say the same, and whether nobody had it before. It is not
    /// [cacheable](Translation::cacheable), and retired when it makes room for another.
    pub(crate) fn share(&mut self, made: Translation) -> (Arc<Translation>, bool) {
        let says_same = |it: &&Arc<Translation>| it.effects == made.effects && it.actions == made.actions;
        if let Some(known) = self.shared.iter().find(says_same) {
            return (Arc::clone(known), false);
        }
        let new = Arc::new(Translation { cacheable: false, ..made });
        match self.shared.get_mut(self.turn) {
            Some(old) => std::mem::replace(old, Arc::clone(&new)).hits.retire(),
            None => self.shared.push(Arc::clone(&new)),
        }
        self.turn = (self.turn + 1) % SHARED;
        (new, true)
    }

    /// Whether an answer is one of those that are shared.
    pub(crate) fn shares(&self, answer: &Translation) -> bool {
        self.shared.iter().any(|shared| std::ptr::eq(&raw const **shared, answer))
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.shared.iter().for_each(|answer| answer.hits.retire());
    }
}

/// What stands for all packets that look like this one where it was looked at.
fn mark(seed: u64, key: &PacketKey, mask: &PacketMask) -> u64 {
    let mut words = mask.present();
    let mut sum = seed;
    while words != 0 {
        let at = words.trailing_zeros() as usize;
        words &= words - 1;
        if at < PACKET_WORDS {
            let mixed = u128::from(sum ^ key.0[at] & mask.0[at]) * u128::from(MIX);
            #[expect(clippy::cast_possible_truncation, reason = "the two halves of the product")]
            let (low, high) = (mixed as u64, (mixed >> 64) as u64);
            sum = (low ^ high).wrapping_add(MIX ^ at as u64);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use netloom_flow::action::PacketInReason;
    use netloom_flow::{BridgeId, FlowKey, Hits, Punt, RuleId, TableId, word};

    use super::*;

    const RULE: Effect = Effect::Match { bridge: BridgeId(0), table: TableId(0), rule: RuleId(7), extra: 0 };

    fn ask(port: u64) -> DpAction {
        let mut key = FlowKey::default();
        key.0[word::IN_PORT] = port << 32;
        DpAction::Userspace(Arc::new(Punt {
            bridge: BridgeId(0),
            is_served: false,
            table: TableId(0),
            cookie: None,
            reason: PacketInReason::NoMatch,
            is_for_all: false,
            is_miss: false,
            is_miss_flow: true,
            max_len: 128,
            controller: 0,
            userdata: Box::default(),
            paused: None,
            key,
            layout: None,
        }))
    }

    /// An answer that rests on the addresses of a packet.
    fn answer(actions: Vec<DpAction>, effects: Vec<Effect>) -> Translation {
        let mut mask = PacketMask::default();
        mask.0[word::IPV4] = u64::MAX;
        Translation {
            mask,
            actions: actions.into(),
            dependencies: Box::default(),
            effects: effects.into(),
            cacheable: true,
            stamp: 0.into(),
            hits: Hits::default(),
        }
    }

    fn packet(address: u64) -> PacketKey {
        let mut key = PacketKey::default();
        key.0[word::IPV4] = address;
        // Nobody looked at this.
        key.0[word::ETH_SRC] = address << 16;
        key
    }

    #[test]
    fn only_the_first_packet_of_a_flow_is_answered_for_itself() {
        let mut asked = Asked::new(1);
        let made = answer(vec![ask(1)], vec![RULE]);
        assert!(asked.is_first(&packet(1), &made));
        assert!(asked.is_first(&packet(2), &made));
        assert!(!asked.is_first(&packet(1), &made), "the next is kept");
        let mut again = packet(2);
        again.0[word::ETH_SRC] = 9;
        assert!(!asked.is_first(&again, &made), "the same flow, from where it was looked at");
        let drops = vec![RULE, Effect::Miss { bridge: BridgeId(0), table: TableId(0) }];
        assert!(asked.is_first(&packet(3), &answer(vec![ask(1)], drops)));
    }

    #[test]
    fn whatever_does_more_than_ask_is_kept() {
        let mut asked = Asked::new(1);
        let learn = Effect::Learn {
            bridge: BridgeId(0),
            tenant: netloom_flow::TenantId(0),
            vlan: 0,
            mac: [2; 6],
            port: netloom_flow::OfPort(1),
        };
        let others = [
            answer(vec![], vec![RULE]),
            answer(vec![ask(1), ask(1)], vec![RULE]),
            answer(vec![ask(1), DpAction::Output(netloom_flow::PortId(2))], vec![]),
            answer(vec![ask(1)], vec![RULE, learn]),
            Translation { cacheable: false, ..answer(vec![ask(1)], vec![RULE]) },
        ];
        for (made, n) in others.into_iter().zip(0..) {
            assert!(!asked.is_first(&packet(n), &made), "{n}");
        }
    }

    #[test]
    fn answers_that_say_the_same_are_one_and_the_oldest_makes_room() {
        let mut asked = Asked::new(1);
        let (first, is_new) = asked.share(answer(vec![ask(1)], vec![RULE]));
        assert!(is_new && !first.cacheable && asked.shares(&first));
        let (second, is_new) = asked.share(answer(vec![ask(1)], vec![RULE]));
        assert!(!is_new && Arc::ptr_eq(&first, &second), "another packet, the same words");
        let (other, is_new) = asked.share(answer(vec![ask(1)], vec![]));
        assert!(is_new && !Arc::ptr_eq(&first, &other), "it counts elsewhere");
        let mut ports = (2..).map(|port| asked.share(answer(vec![ask(port)], vec![RULE])).0);
        let last = ports.by_ref().take(SHARED - 2).last().unwrap();
        assert!(!first.hits.read().retired);
        drop(ports);
        assert!(asked.share(answer(vec![ask(99)], vec![RULE])).1);
        assert!(first.hits.read().retired && !asked.shares(&first), "what it counted is final");
        assert!(!last.hits.read().retired && asked.shares(&last));
        drop(asked);
        assert!(last.hits.read().retired && other.hits.read().retired);
    }
}

//! What waits for packets that the datapath looks up again.
//!
//! Equal things have one number, so that a flow translated again finds the flows behind it still cached. Numbers are
//! given in the order in which they are asked for, and kept while there is room: the oldest go first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_flow::{Action, BridgeId, FLOW_WORDS, OfPort, PACKET_WORDS, RecircId, TableId, TunnelKey};

use super::hash::Keyed;
use crate::translate::{Place, Stage};

/// Most states kept.
const KEPT: usize = 1 << 14;

/// The rest of a packet's way through a bridge.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Frozen {
    pub(crate) bridge: BridgeId,
    pub(crate) in_port: OfPort,
    /// The pipeline's own words.
    pub(crate) own: [u64; FLOW_WORDS - PACKET_WORDS],
    /// Namespace and type; 0: Ethernet.
    pub(crate) packet_type: u64,
    /// Mark and queue.
    pub(crate) mark: u64,
    /// What was said of a tunnel, if it is not what came with the packet.
    pub(crate) tunnel: Option<TunnelKey>,
    pub(crate) stack: Vec<u128>,
    pub(crate) set: Vec<Action>,
    /// What is to be done, the last first.
    pub(crate) frames: Vec<FrozenFrame>,
    pub(crate) resubmits: u32,
    /// What tracking has said of the packet is seen then.
    pub(crate) is_tracked: bool,
    pub(crate) stage: Stage,
    /// The mirrors that have their copy.
    pub(crate) mirrored: u32,
}

/// A frame of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum FrozenFrame {
    List(Vec<Action>, Place),
    Set(Place),
    Enter(TableId),
}

/// All that waits. Translating changes nothing but this: a number is given out, which nobody has yet.
#[derive(Debug)]
pub(crate) struct FrozenStates(Mutex<States>);

#[derive(Debug)]
struct States {
    by_state: HashMap<Arc<Frozen>, RecircId, Keyed>,
    by_id: BTreeMap<RecircId, Arc<Frozen>>,
    last: u32,
}

impl FrozenStates {
    pub(crate) fn new(seed: u64) -> Self {
        let by_state = HashMap::with_hasher(Keyed(seed));
        Self(Mutex::new(States { by_state, by_id: BTreeMap::new(), last: 0 }))
    }

    /// The number of a state.
    pub(crate) fn freeze(&self, frozen: Frozen) -> RecircId {
        let mut states = self.lock();
        if let Some(id) = states.by_state.get(&frozen) {
            return *id;
        }
        if states.by_id.len() >= KEPT
            && let Some((_, oldest)) = states.by_id.pop_first()
        {
            states.by_state.remove(&oldest);
        }
        // 0 is for packets that were not looked up before.
        states.last = states.last.wrapping_add(1).max(1);
        let (id, frozen) = (RecircId(states.last), Arc::new(frozen));
        states.by_state.insert(Arc::clone(&frozen), id);
        states.by_id.insert(id, frozen);
        id
    }

    /// The state of a number, if it is still kept.
    pub(crate) fn get(&self, id: RecircId) -> Option<Arc<Frozen>> {
        self.lock().by_id.get(&id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, States> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(resubmits: u32) -> Frozen {
        Frozen {
            bridge: BridgeId(0),
            in_port: OfPort(1),
            own: [0; FLOW_WORDS - PACKET_WORDS],
            packet_type: 0,
            mark: 0,
            tunnel: None,
            stack: Vec::new(),
            set: Vec::new(),
            frames: Vec::new(),
            resubmits,
            is_tracked: false,
            stage: Stage::Ingress,
            mirrored: 0,
        }
    }

    #[test]
    fn equal_states_have_one_number_and_the_oldest_make_room() {
        let states = FrozenStates::new(7);
        let (a, b) = (states.freeze(state(1)), states.freeze(state(2)));
        assert_eq!((a, b, states.freeze(state(1))), (RecircId(1), RecircId(2), a));
        assert_eq!(states.get(b).map(|found| found.resubmits), Some(2));
        for n in 0..u32::try_from(KEPT).unwrap() {
            states.freeze(state(100 + n));
        }
        assert!(states.get(a).is_none() && states.get(b).is_none());
        assert!(states.freeze(state(1)) > b, "a number is not used again");
    }
}

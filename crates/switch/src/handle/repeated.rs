//! What became of the last packet that a controller sent, for the next one.
//!
//! A controller that answers packets sends most of them on alike: by the same port, with nothing changed in them. Then there
//! is nothing to be translated anew, as long as what the translation rests on is as it was. Only those are kept that do
//! nothing but output, and whose hits mean nothing to anybody: what one packet has carried cannot be told from what another
//! has.

use std::sync::Arc;

use netloom_flow::{Action, BridgeId, Dependency, DpAction, OfPort, PacketKey, Translation, word};

use crate::switch::Switch;

/// The last one, and what it was for.
#[derive(Debug)]
pub(super) struct Repeated {
    bridge: BridgeId,
    /// The port it was said to come by, and the actions.
    said: (OfPort, Vec<Action>),
    key: PacketKey,
    translation: Arc<Translation>,
}

impl Repeated {
    /// To be kept, if it can be.
    pub(super) fn of(
        bridge: BridgeId,
        said: (OfPort, Vec<Action>),
        key: &PacketKey,
        translation: &Arc<Translation>,
    ) -> Option<Self> {
        let is_output = |action: &DpAction| matches!(action, DpAction::Output(_));
        let is_state = |dependency: &Dependency| {
            matches!(dependency, Dependency::Port { .. } | Dependency::Bridge { .. })
        };
        let is_plain = translation.effects.is_empty()
            && translation.actions.iter().all(is_output)
            && translation.dependencies.iter().all(is_state);
        is_plain.then(|| Self { bridge, said, key: *key, translation: Arc::clone(translation) })
    }

    /// The translation of another packet, if it is the same.
    pub(super) fn again(
        &self,
        switch: &Switch,
        bridge: BridgeId,
        said: &(OfPort, Vec<Action>),
        key: &PacketKey,
    ) -> Option<Arc<Translation>> {
        // Where it came from and whose it is count in any case.
        let is_from = |index: usize| self.key.0[index] == key.0[index];
        let mut words = self.key.0.iter().zip(&key.0).zip(&self.translation.mask.0);
        let is_it = self.bridge == bridge
            && self.said == *said
            && is_from(word::IN_PORT)
            && is_from(word::TENANT)
            && words.all(|((one, other), mask)| (one ^ other) & mask == 0)
            && self.translation.dependencies.iter().all(|dependency| switch.holds(dependency));
        is_it.then(|| Arc::clone(&self.translation))
    }
}

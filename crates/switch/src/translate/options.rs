//! Tunnel options: from the set that came with a packet to fields, and from fields to the set that goes along.
//!
//! A packet's key has a number for all its options together, and a bridge's TLV map says which of them are which fields.
//! So whoever looks at a field has looked at the number, whatever the other options are.
//!
//! Source: `tun_metadata_from_geneve_udpif` and `tun_metadata_to_geneve_nlattr` of OVS.

use std::sync::Arc;

use netloom_flow::{DropReason, OptionSet, word};
use netloom_packet::tunnel::geneve::{GeneveOption, MAX_OPTIONS, Options};

use super::flow::Flow;
use super::{Translator, Visiting};
use crate::model::Bridge;

impl Translator<'_> {
    /// Makes fields of the options that came with the packet. `false`: nobody knows any more what they were.
    pub(super) fn read_options(&mut self, visiting: &mut Visiting<'_>) -> bool {
        let bridge = visiting.bridge;
        if bridge.tlv_map.is_empty() {
            return true;
        }
        self.depend_on_bridge(bridge);
        match visiting.flow.key.0[word::TUN_OPTIONS] {
            0 => true,
            number => match self.switch.options.find(number) {
                Some(set) => {
                    fill(&mut visiting.flow, bridge, &set);
                    true
                }
                None => {
                    // Another set is another question.
                    self.look(&visiting.flow, word::TUN_OPTIONS, u64::MAX);
                    false
                }
            },
        }
    }

    /// The options a packet leaves with; `None`: there are too many.
    ///
    /// # Errors
    /// [`DropReason::TunnelOptions`]: there is no room to keep one more set.
    pub(super) fn options_to_send(
        &self,
        visiting: &Visiting<'_>,
    ) -> Result<Option<Arc<OptionSet>>, DropReason> {
        let key = &visiting.flow.key;
        let (mut bytes, mut end) = ([0; MAX_OPTIONS], 0);
        for (index, map) in &visiting.bridge.tlv_map {
            let at = usize::from(*index);
            if key.0[word::TUN_PRESENT] >> at & 1 == 0 {
                continue;
            }
            let value = key.0.get(word::TUN_METADATA + at).copied().unwrap_or(0).to_be_bytes();
            let data = value.get(value.len() - usize::from(map.len).min(value.len())..).unwrap_or_default();
            let option = GeneveOption { class: map.class, kind: map.kind, data };
            let room = bytes.get_mut(end..).unwrap_or_default();
            end += option.emit(room).ok_or(DropReason::TunnelOptions)?;
        }
        match bytes.get(..end) {
            Some([]) | None => Ok(None),
            Some(bytes) => self.switch.options.of(bytes).map(Some).ok_or(DropReason::TunnelOptions),
        }
    }
}

/// Writes the options that the bridge knows to their fields. Of one that comes twice the last counts; one of another
/// length than the map says is none that is known.
fn fill(flow: &mut Flow, bridge: &Bridge, set: &OptionSet) {
    for option in Options::new(set.bytes()).flatten() {
        let is_it = |map: &&_| {
            let map: &netloom_openflow::msg::nicira::TlvMap = map;
            (map.class, map.kind, usize::from(map.len)) == (option.class, option.kind, option.data.len())
        };
        let Some(map) = bridge.tlv_map.values().find(is_it) else { continue };
        let value = option.data.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        flow.set_option(usize::from(map.index), value);
    }
}

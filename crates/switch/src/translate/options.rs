//! Tunnel options: from the set that came with a packet to fields, and from fields to the set that goes along.
//!
//! A packet's key has a number for all its options together, and a bridge's TLV map says which of them are which fields.
//! So whoever looks at a field has looked at the number, whatever the other options are.
//!
//! Source: `tun_metadata_from_geneve_udpif` and `tun_metadata_to_geneve_nlattr` of OVS.

use std::sync::Arc;

use netloom_flow::{DropReason, FlowMask, OptionSet, Subfield, word};
use netloom_packet::tunnel::geneve::{GeneveOption, MAX_OPTIONS, Options};

use super::flow::Flow;
use super::{Translator, Visiting};
use crate::model::{Bridge, Port};

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

    /// The options a packet leaves by a port with; `None`: none.
    ///
    /// # Errors
    /// [`DropReason::TunnelOptions`]: there are too many, or there is no room to keep one more set.
    pub(super) fn options_to_send(
        &mut self,
        visiting: &Visiting<'_>,
        port: &Port,
    ) -> Result<Option<Arc<OptionSet>>, DropReason> {
        let takes_some = port.is_tunnel || port.inner.as_ref().is_some_and(|inner| inner.options);
        if !takes_some || visiting.bridge.tlv_map.is_empty() {
            return Ok(None);
        }
        // Those that came with the packet go along.
        self.look(&visiting.flow, word::TUN_OPTIONS, u64::MAX);
        let key = &visiting.flow.key;
        let (mut bytes, mut end) = ([0; MAX_OPTIONS], 0);
        for (index, map) in &visiting.bridge.tlv_map {
            let number = usize::from(*index);
            if key.0[word::TUN_PRESENT] >> (number % word::OPTION_FIELDS) & 1 == 0 {
                continue;
            }
            let value = visiting.bridge.options().read(key, number).unwrap_or(0).to_be_bytes();
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

impl Visiting<'_> {
    /// The value of a part of a field, wherever the bridge has it.
    pub(super) fn value(&self, part: Subfield) -> u128 {
        match part.field.option() {
            Some(number) => {
                let whole = self.bridge.options().read(&self.flow.key, number).unwrap_or(0);
                (whole & part.mask()) >> part.offset.min(127)
            }
            None => part.read(&self.flow.key),
        }
    }

    /// The bits of a part of a field, wherever the bridge has it.
    pub(super) fn bits(&self, part: Subfield) -> FlowMask {
        let mut bits = FlowMask::default();
        match part.field.option() {
            Some(number) => {
                for (word, mask) in self.bridge.options().spread(number, part.mask()) {
                    bits.0[word] = mask;
                }
            }
            None => part.unwildcard(&mut bits),
        }
        bits
    }

    /// Writes a part of an option, which is there from now on.
    pub(super) fn write_option(&mut self, number: usize, target: Subfield, value: u128) {
        let (layout, value) = (self.bridge.options(), value << target.offset.min(127));
        for ((word, mask), (_, value)) in
            layout.spread(number, target.mask()).zip(layout.spread(number, value))
        {
            self.flow.write(word, value, mask);
        }
        self.flow.mark_option(number, true);
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
        let value = option.data.iter().fold(0, |value, byte| value << 8 | u128::from(*byte));
        let number = usize::from(map.index);
        flow.set_option(number, bridge.options().spread(number, value));
    }
}

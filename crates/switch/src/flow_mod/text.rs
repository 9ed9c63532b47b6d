//! Changes of flows in the syntax of `ovs-ofctl`.

use std::sync::Arc;

use netloom_flow::{FlowModText, Nanos, parse_filter, parse_flow_mod, parse_flow_with};

use super::{FlowCommand, FlowEntry, FlowError, FlowMod, FlowQuery, Matching};
use crate::config::Origin;
use crate::model::Bridge;
use crate::switch::Switch;

impl Switch {
    /// Adds a flow in the syntax of `ovs-ofctl add-flow`. It replaces one with the same match and priority.
    ///
    /// # Errors
    /// The text is no flow, an action is not supported, or `check_overlap` was asked for and found one.
    pub fn add_flow(
        &mut self,
        bridge: &str,
        text: &str,
        origin: impl Into<Arc<Origin>>,
        now: Nanos,
    ) -> Result<(), FlowError> {
        let bridge = self.named(bridge)?;
        let flow = parse_flow_with(text, &|name| bridge.port_named(name))?;
        let id = bridge.id;
        self.flow_mod(id, FlowMod::add(flow), origin, now).map(drop)
    }

    /// Gives the flows that match new actions; their counters and timeouts stay. If none matches, it is added, unless a
    /// cookie with a mask was to choose among them. Returns how many there were.
    ///
    /// Source: `modify_flows_loose` and `modify_flow_strict` of OVS, as OpenFlow 1.0 has it.
    ///
    /// # Errors
    /// As for [`Self::add_flow`].
    pub fn mod_flows(
        &mut self,
        bridge: &str,
        text: &str,
        matching: Matching,
        origin: impl Into<Arc<Origin>>,
        now: Nanos,
    ) -> Result<usize, FlowError> {
        let bridge = self.named(bridge)?;
        let FlowModText { flow, cookie } = parse_flow_mod(text, &|name| bridge.port_named(name))?;
        let id = bridge.id;
        let command = match matching {
            Matching::Loose => FlowCommand::Modify,
            Matching::Strict => FlowCommand::ModifyStrict,
        };
        let flags = flow.flags;
        let change = FlowMod { command, flags, ..FlowMod::add(flow) };
        let change = match cookie {
            // A cookie that is to choose is not one to give.
            Some(cookie_filter) => FlowMod { cookie: None, cookie_filter, ..change },
            None => change,
        };
        self.flow_mod(id, change, origin, now)
    }

    /// Removes the flows that `text`, in the syntax of `ovs-ofctl del-flows`, means. Returns how many.
    ///
    /// # Errors
    /// There is no such bridge, or the text means nothing.
    pub fn del_flows(
        &mut self,
        bridge: &str,
        text: &str,
        matching: Matching,
        now: Nanos,
    ) -> Result<usize, FlowError> {
        let bridge = self.named(bridge)?;
        let filter = parse_filter(text, &|name| bridge.port_named(name))?;
        let id = bridge.id;
        Ok(self.delete_flows(id, &FlowQuery::of_text(&filter, matching), now))
    }

    /// The flows of a bridge with their counters as they stand: by table, priority from the highest, then age.
    ///
    /// # Errors
    /// There is no such bridge, or the filter means nothing.
    pub fn flows(&self, bridge: &str, filter: &str) -> Result<Vec<FlowEntry>, FlowError> {
        let bridge = self.named(bridge)?;
        let filter = parse_filter(filter, &|name| bridge.port_named(name))?;
        let query = FlowQuery::of_text(&filter, Matching::Loose);
        let mut entries = self.flow_entries(bridge.id, &query);
        entries.extend(self.fail_open_entry(bridge).filter(|_| query == FlowQuery::default()));
        Ok(entries)
    }

    fn named(&self, bridge: &str) -> Result<&Bridge, FlowError> {
        self.bridge_named(bridge).ok_or_else(|| FlowError::NoBridge(bridge.to_owned()))
    }
}

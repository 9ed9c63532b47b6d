//! A change of flows as a value.

use netloom_flow::text::{DEFAULT_PRIORITY, FlowFlags};
use netloom_flow::{ActionList, FlowMatch, FlowText, OfPort, TableId};

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FlowCommand {
    /// Add a flow; one with the same match and priority is replaced.
    #[default]
    Add,
    /// Give other actions to all flows for a part of the packets.
    Modify,
    /// Give other actions to the flow with this match and priority.
    ModifyStrict,
    /// Remove all flows for a part of the packets.
    Delete,
    /// Remove the flow with this match and priority.
    DeleteStrict,
}

/// Whether a change of flows means those that match the given one exactly, or all those for a part of its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Matching {
    /// All flows for a part of the packets, whatever their priority.
    #[default]
    Loose,
    /// The one with this match and priority.
    Strict,
}

/// A change of flows, free of any version of the protocol.
///
/// Source: `struct ofputil_flow_mod` of OVS for what the versions have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowMod {
    /// What is to be done.
    pub command: FlowCommand,
    /// The table; `None`: all tables (255 on the wire), for `Add` the first.
    pub table: Option<TableId>,
    /// Which packets.
    pub matches: FlowMatch,
    /// The priority; loose commands ignore it.
    pub priority: u16,
    /// What the flow does. Not for deleting.
    pub actions: ActionList,
    /// The cookie a flow gets that is added; `None`: 0.
    ///
    /// `Modify` with a cookie gives it to the flows it changes, and adds a flow where none matches, unless it asks for
    /// certain cookies itself. See [`Self::cookie_of_version`].
    pub cookie: Option<u64>,
    /// `Modify` and `Delete` mean only flows whose cookie has these bits: value and mask.
    pub cookie_filter: (u64, u64),
    /// Seconds without a packet after which the flow goes; 0: never. Only `Add` sets it.
    pub idle_timeout: u16,
    /// Seconds after which the flow goes; 0: never. Only `Add` sets it.
    pub hard_timeout: u16,
    /// Flows of higher importance are evicted later. Only `Add` sets it.
    pub importance: u16,
    /// Flags. `check_overlap` is for `Add`, `reset_counts` for `Add` and `Modify`; the others are the flow's own.
    pub flags: FlowFlags,
    /// Whether the flow is told with `check_overlap` and `reset_counts` if it was added so, as OVS tells those of
    /// controllers.
    pub tells_flags: bool,
    /// `Delete` means only flows that output to this port.
    pub out_port: Option<OfPort>,
    /// `Delete` means only flows that use this group.
    pub out_group: Option<u32>,
}

impl Default for FlowMod {
    fn default() -> Self {
        Self {
            command: FlowCommand::Add,
            table: Some(TableId(0)),
            matches: FlowMatch::any(),
            priority: DEFAULT_PRIORITY,
            actions: ActionList::default(),
            cookie: None,
            cookie_filter: (0, 0),
            idle_timeout: 0,
            hard_timeout: 0,
            importance: 0,
            flags: FlowFlags::default(),
            tells_flags: false,
            out_port: None,
            out_group: None,
        }
    }
}

impl FlowMod {
    /// Adds a flow, beginning its counters at 0.
    #[must_use]
    pub fn add(flow: FlowText) -> Self {
        let flags = FlowFlags { reset_counts: true, ..flow.flags };
        Self {
            command: FlowCommand::Add,
            table: Some(flow.table),
            matches: flow.matches,
            priority: flow.priority,
            actions: flow.actions,
            cookie: Some(flow.cookie),
            idle_timeout: flow.idle_timeout,
            hard_timeout: flow.hard_timeout,
            importance: flow.importance,
            flags,
            ..Self::default()
        }
    }

    /// Sets what the cookie and cookie mask of a message mean in a version of the protocol (1 for 1.0, 2 for 1.1 and
    /// so on), for this command.
    ///
    /// A modification adds a missing flow, and sets the cookie, always in 1.0, in 1.1 only without a mask, and never
    /// from 1.2 on. Source: OpenFlow 1.0 section 4.6, 1.1 section A.3.4.1, 1.2 section A.3.4.1; ovs-ofctl(8).
    #[must_use]
    pub fn cookie_of_version(mut self, version: u8, cookie: u64, mask: u64) -> Self {
        let is_modify = matches!(self.command, FlowCommand::Modify | FlowCommand::ModifyStrict);
        let gives = match self.command {
            FlowCommand::Add => true,
            _ if is_modify => version <= 1 || version == 2 && mask == 0,
            _ => false,
        };
        self.cookie = gives.then_some(cookie);
        self.cookie_filter = if gives || version <= 1 { (0, 0) } else { (cookie, mask) };
        // Before 1.2 there was no flag: what is added begins at 0.
        self.flags.reset_counts |= version <= 2 && self.command == FlowCommand::Add;
        self
    }

    /// The flow that is added. Flags that are about the change only are not its own, but it may be told with them.
    pub(crate) fn into_flow(self) -> FlowText {
        let told = self.tells_flags && self.command == FlowCommand::Add;
        let (check_overlap, reset_counts) =
            (told && self.flags.check_overlap, told && self.flags.reset_counts);
        FlowText {
            table: self.table.unwrap_or_default(),
            priority: self.priority,
            cookie: self.cookie.unwrap_or(0),
            idle_timeout: self.idle_timeout,
            hard_timeout: self.hard_timeout,
            importance: self.importance,
            flags: FlowFlags { check_overlap, reset_counts, ..self.flags },
            matches: self.matches,
            actions: self.actions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_means_something_else_in_each_version() {
        let of = |command, version, mask| {
            let message = FlowMod { command, ..FlowMod::default() }.cookie_of_version(version, 7, mask);
            (message.cookie, message.cookie_filter, message.flags.reset_counts)
        };
        use FlowCommand::{Add, Delete, Modify};
        assert_eq!(of(Add, 1, 0), (Some(7), (0, 0), true));
        assert_eq!(of(Add, 4, u64::MAX), (Some(7), (0, 0), false));
        assert_eq!(of(Modify, 1, 0), (Some(7), (0, 0), false));
        assert_eq!(of(Modify, 2, 0), (Some(7), (0, 0), false));
        assert_eq!(of(Modify, 2, 0xff), (None, (7, 0xff), false));
        assert_eq!(of(Modify, 3, 0), (None, (7, 0), false));
        assert_eq!(of(Delete, 1, 0), (None, (0, 0), false));
        assert_eq!(of(Delete, 4, 0xf), (None, (7, 0xf), false));
    }
}

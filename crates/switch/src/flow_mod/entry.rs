//! A flow as it is shown.

use std::sync::Arc;

use netloom_flow::Nanos;

use crate::model::{Rule, RuleState};

/// A flow with its counters as they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowEntry {
    /// The flow, and who asked for it.
    pub rule: Arc<Rule>,
    /// Wire packets.
    pub packets: u64,
    /// Wire bytes, as the packets were here.
    pub bytes: u64,
    /// When it was added.
    pub created: Nanos,
    /// When a packet last hit it; when it was added, if none has.
    pub used: Nanos,
    /// When its actions were last changed.
    pub modified: Nanos,
}

impl FlowEntry {
    pub(crate) fn new(state: &RuleState) -> Self {
        Self {
            rule: Arc::clone(&state.rule),
            packets: state.packets,
            bytes: state.bytes,
            created: state.created,
            used: state.used,
            modified: state.modified,
        }
    }

    /// A line as `ovs-ofctl dump-flows` prints it, without the leading blank.
    #[must_use]
    pub fn line(&self, now: Nanos) -> String {
        let flow = &self.rule.flow;
        let mut line = format!(
            "cookie={:#x}, duration={:.3}s, table={}, n_packets={}, n_bytes={}, ",
            flow.cookie,
            now.since(self.created).as_secs_f64(),
            flow.table,
            self.packets,
            self.bytes,
        );
        for (name, seconds) in [("idle_timeout", flow.idle_timeout), ("hard_timeout", flow.hard_timeout)] {
            if seconds != 0 {
                line += &format!("{name}={seconds}, ");
            }
        }
        if flow.flags.send_flow_rem {
            line += "send_flow_rem, ";
        }
        let (priority, matches, actions) = (flow.priority, &flow.matches, &*flow.actions);
        line + &netloom_flow::text::Rule { priority, matches, actions }.to_string()
    }
}

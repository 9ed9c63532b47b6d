//! Queues and policing of switch ports as rows.

use std::collections::BTreeMap;

use netloom_api::QueueRow;
use netloom_datapath::QueueRead;
use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{DropReason, PortId};
use netloom_lab::lab::{Switch, SwitchPort};
use netloom_lab::qos_text;

use super::rows::end_name;
use crate::engine::Running;
use crate::engine::running::State;

impl Running {
    /// The queues of all switches.
    pub(super) fn queue_rows(&self, state: &State) -> Vec<QueueRow> {
        let switches = state.lab.switches.iter();
        switches.flat_map(|switch| self.queues_of(state, switch)).collect()
    }

    /// The queues of a switch, by port and number.
    pub(super) fn queues_of(&self, state: &State, switch: &Switch) -> Vec<QueueRow> {
        switch.ports.iter().flat_map(|port| self.queues_of_port(state, switch, port)).collect()
    }

    fn queues_of_port(&self, state: &State, switch: &Switch, port: &SwitchPort) -> Vec<QueueRow> {
        let Some(qos) = &port.qos else { return Vec::new() };
        let dp_port = state.ports.link(&port.link).map(|[a, b]| if port.left { a } else { b });
        let counted = dp_port.map(|port| self.queue_reads(port)).unwrap_or_default();
        let mut numbers: Vec<u32> = qos.queues.keys().copied().collect();
        if numbers.first() != Some(&DEFAULT_QUEUE) {
            numbers.insert(0, DEFAULT_QUEUE);
        }
        let row = |number: u32| {
            let queue = qos.queues.get(&number).copied().unwrap_or_default();
            let read = counted.get(&number).copied().unwrap_or_default();
            QueueRow {
                port: port.name.clone(),
                switch: switch.name.clone(),
                peer: Some(end_name(state, &port.peer)),
                queue: number,
                min_rate: queue.min_rate,
                max_rate: queue.max_rate.or(qos.max_rate),
                priority: queue.priority,
                dscp: queue.dscp,
                packets: read.sent.packets,
                bytes: read.sent.bytes,
                dropped: read.dropped.packets,
                queued: read.held.packets,
            }
        };
        numbers.into_iter().map(row).collect()
    }

    /// What the workers have counted of a port's queues.
    fn queue_reads(&self, port: PortId) -> BTreeMap<u32, QueueRead> {
        let mut sums = BTreeMap::<u32, QueueRead>::new();
        for counters in self.core().into_iter().flat_map(|core| core.counters()) {
            for (queue, read) in counters.queues(port) {
                let sum = sums.entry(queue).or_default();
                sum.sent += read.sent;
                sum.dropped += read.dropped;
                sum.held += read.held;
            }
        }
        sums
    }

    /// What may come in by a port, and how many packets were too many; nothing if everything may.
    pub(super) fn policing_words(&self, port: &SwitchPort, dp_port: Option<PortId>) -> Option<String> {
        let words = qos_text::policing(port.policing.as_ref()?);
        let of = |port: PortId| {
            self.core().into_iter().flat_map(|core| core.counters()).filter_map(move |c| c.port(port))
        };
        let dropped: u64 =
            dp_port.into_iter().flat_map(of).map(|counters| counters.drops().read(DropReason::Policed)).sum();
        Some(format!("{words}, {dropped} dropped"))
    }
}

//! Quality of service of a port: the queues that packets leave by, and what may come in.
//!
//! Names and meaning are those of OVS's tables QoS, Queue and Interface (`ingress_policing_*`).
//!
//! Source: ovs-vswitchd.conf.db(5).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::QueueLimit;

/// The queue of packets that no other was chosen for. A port with queues has it in any case.
pub const DEFAULT_QUEUE: u32 = 0;
/// The highest number of a queue. Source: `HTB_N_QUEUES` of OVS's `linux-htb`.
pub const MAX_QUEUE: u32 = 0xefff;

/// How packets leave a port: OVS's QoS record of the type `linux-htb`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Qos {
    /// Most bits per second of all queues together, of L2 bytes without FCS; `None`: what the link behind the port has.
    pub max_rate: Option<u64>,
    /// The queues, by number. What is sent by a number that is not here goes by queue 0.
    pub queues: BTreeMap<u32, Queue>,
}

impl Qos {
    /// The queue that packets for `queue` are sent by.
    #[must_use]
    pub fn queue_of(&self, queue: u32) -> u32 {
        if self.queues.contains_key(&queue) { queue } else { DEFAULT_QUEUE }
    }

    /// What packets for `queue` are marked with, if they are.
    #[must_use]
    pub fn dscp_of(&self, queue: u32) -> Option<u8> {
        self.queues.get(&self.queue_of(queue)).and_then(|queue| queue.dscp)
    }
}

/// A queue: a row of OVS's table Queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Queue {
    /// Guaranteed bits per second; 0: none are.
    pub min_rate: u64,
    /// Most bits per second; `None`: what the port has.
    pub max_rate: Option<u64>,
    /// Bytes that may leave at once after a pause; `None`: 10 ms at the rate.
    pub burst: Option<u64>,
    /// Who gets first what guarantees leave over: 0 before 1.
    pub priority: u8,
    /// What IP packets that leave by it are marked with; `None`: they stay as they are.
    pub dscp: Option<u8>,
    /// What may wait; `None`: the larger of 1,000 packets and 50 ms at the rate.
    pub limit: Option<QueueLimit>,
}

/// What may come in by a port; what is too much is dropped. OVS's `ingress_policing_rate` and its kin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Policing {
    /// Most bits per second, of L2 bytes without FCS; `None`: not limited.
    pub rate: Option<u64>,
    /// Bytes that may come at once after a pause; `None`: half a second at the rate, and at least 64 KiB, so that TCP reaches it.
    pub burst: Option<u64>,
    /// Most packets per second; `None`: not limited.
    pub packet_rate: Option<u64>,
    /// Packets that may come at once after a pause; `None`: as many as in half a second.
    pub packet_burst: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_queues_are_the_default_queue() {
        let mark = |dscp| Queue { dscp: Some(dscp), ..Queue::default() };
        let qos = Qos { max_rate: None, queues: [(0, mark(8)), (3, mark(46))].into() };
        assert_eq!((qos.queue_of(3), qos.queue_of(4)), (3, DEFAULT_QUEUE));
        assert_eq!((qos.dscp_of(3), qos.dscp_of(4)), (Some(46), Some(8)));
        assert_eq!(Qos::default().dscp_of(0), None);
    }
}

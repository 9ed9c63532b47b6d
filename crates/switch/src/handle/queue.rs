//! Queues of ports, as controllers ask for them.
//!
//! What counts as the port's speed, of which a rate is said in thousandths, is the maximum of its QoS record: the
//! devices of hosts have no speed. A rate that is not said of such a port is none at all.
//!
//! Source: `ofproto.c` of OVS, `handle_queue_stats_request` and `handle_queue_get_config_request`.

use std::collections::BTreeSet;

use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{Nanos, OfPort, Qos};
use netloom_openflow::msg::queue::QUEUE_ALL;
use netloom_openflow::msg::{QueueDesc, QueueRequest, QueueStats};
use netloom_openflow::{OfError, Version};

use super::PortCounts;
use crate::model::{Bridge, Port};

/// The queues of a port, or of all, up to OpenFlow 1.3.
pub(super) fn config(bridge: &Bridge, version: Version, port: OfPort) -> Result<Vec<QueueDesc>, OfError> {
    // In 1.0 a queue does not say whose it is.
    if version == Version::V10 && port == OfPort::NONE {
        return Err(OfError::QofcBadPort);
    }
    descs(bridge, QueueRequest { port, queue: QUEUE_ALL })
}

/// The queues of a port, or of all, from OpenFlow 1.4.
pub(super) fn descs(bridge: &Bridge, asked: QueueRequest) -> Result<Vec<QueueDesc>, OfError> {
    let found = find(bridge, asked)?;
    Ok(found.into_iter().map(|(port, qos, queue)| desc(port, qos, queue)).collect())
}

/// What queues have counted.
pub(super) fn stats(
    bridge: &Bridge,
    asked: QueueRequest,
    counts: &dyn PortCounts,
    now: Nanos,
) -> Result<Vec<QueueStats>, OfError> {
    let stats = |(port, _, queue): (&Port, &Qos, u32)| {
        let counted = counts.queues(port.dp_port).get(&queue).copied();
        let traffic = counted.unwrap_or_default();
        QueueStats {
            port: port.number,
            queue,
            tx_bytes: traffic.tx_bytes,
            tx_packets: traffic.tx_packets,
            tx_errors: traffic.dropped,
            duration: counted.map(|counted| now.since(counted.since)),
        }
    };
    Ok(find(bridge, asked)?.into_iter().map(stats).collect())
}

/// The queues that are asked for. A port without a QoS record has none.
fn find(bridge: &Bridge, asked: QueueRequest) -> Result<Vec<(&Port, &Qos, u32)>, OfError> {
    if asked.port != OfPort::NONE && bridge.port(asked.port).is_none() {
        return Err(OfError::QofcBadPort);
    }
    let ports = bridge.ports.values().filter(|port| asked.port == OfPort::NONE || port.number == asked.port);
    let queues = ports.filter_map(|port| Some((port, port.qos.as_ref()?))).flat_map(|(port, qos)| {
        let numbers: BTreeSet<u32> = [DEFAULT_QUEUE].into_iter().chain(qos.queues.keys().copied()).collect();
        numbers.into_iter().map(move |queue| (port, qos, queue))
    });
    let found: Vec<_> =
        queues.filter(|(.., queue)| asked.queue == QUEUE_ALL || *queue == asked.queue).collect();
    if found.is_empty() && asked.queue != QUEUE_ALL {
        return Err(OfError::QofcBadQueue);
    }
    Ok(found)
}

fn desc(port: &Port, qos: &Qos, queue: u32) -> QueueDesc {
    let row = qos.queues.get(&queue).copied().unwrap_or_default();
    let share = |rate: u64| {
        let thousandths = u128::from(rate) * 1_000 / u128::from(qos.max_rate.filter(|speed| *speed > 0)?);
        Some(u16::try_from(thousandths).unwrap_or(u16::MAX).min(1_000))
    };
    QueueDesc {
        port: port.number,
        queue,
        min_rate: (row.min_rate > 0).then_some(row.min_rate).and_then(share),
        max_rate: row.max_rate.and_then(share),
    }
}

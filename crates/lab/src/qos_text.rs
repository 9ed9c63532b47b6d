//! Queues and policing in the words of the lab file.

use netloom_flow::{Policing, Queue};

use crate::quantity;

/// `min-rate 20Mbit max-rate 40Mbit priority 1`; empty if it has no settings.
#[must_use]
pub fn queue(queue: &Queue) -> String {
    let Queue { min_rate, max_rate, burst, priority, dscp, limit } = *queue;
    let mut words = Vec::new();
    let mut put =
        |key: &str, value: Option<String>| words.extend(value.map(|value| format!("{key} {value}")));
    put("min-rate", (min_rate > 0).then(|| quantity::show_rate(min_rate)));
    put("max-rate", max_rate.map(quantity::show_rate));
    put("burst", burst.map(quantity::show_size));
    put("priority", (priority > 0).then(|| priority.to_string()));
    put("dscp", dscp.map(|dscp| dscp.to_string()));
    put("limit", limit.map(quantity::show_queue));
    words.join(" ")
}

/// `rate 10Mbit burst 1MiB packets 1000`.
#[must_use]
pub fn policing(policing: &Policing) -> String {
    let Policing { rate, burst, packet_rate, packet_burst } = *policing;
    let mut words = Vec::new();
    let mut put =
        |key: &str, value: Option<String>| words.extend(value.map(|value| format!("{key} {value}")));
    put("rate", rate.map(quantity::show_rate));
    put("burst", burst.map(quantity::show_size));
    put("packets", packet_rate.map(|packets| packets.to_string()));
    put("packet-burst", packet_burst.map(|packets| packets.to_string()));
    words.join(" ")
}

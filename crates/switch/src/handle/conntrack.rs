//! Which tracked connections a controller wants forgotten.

use netloom_flow::{BridgeId, ConnectionFilter, TuplePattern};
use netloom_openflow::msg::{CtFlush, CtTuple};

/// All of a zone.
pub(super) fn zone(bridge: BridgeId, zone: u16) -> ConnectionFilter {
    ConnectionFilter { bridge: Some(bridge), zone: Some(zone), ..ConnectionFilter::default() }
}

/// What a message describes.
pub(super) fn filter(bridge: BridgeId, flush: &CtFlush) -> ConnectionFilter {
    ConnectionFilter {
        bridge: Some(bridge),
        zone: flush.zone,
        protocol: (flush.protocol != 0).then_some(flush.protocol),
        mark: flush.mark,
        label: flush.label,
        original: pattern(&flush.original),
        reply: pattern(&flush.reply),
    }
}

/// The id of a query is the port of both its ends.
fn pattern(tuple: &CtTuple) -> TuplePattern {
    TuplePattern {
        src: tuple.source,
        dst: tuple.destination,
        src_port: tuple.source_port.or(tuple.icmp_id),
        dst_port: tuple.destination_port,
        icmp_type: tuple.icmp_type,
        icmp_code: tuple.icmp_code,
    }
}

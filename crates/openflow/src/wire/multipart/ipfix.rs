//! `NXST_IPFIX_BRIDGE` and `NXST_IPFIX_FLOW`: ten counters of 64 bits, the collector set, zero:32.

use super::super::reader::Reader;
use super::super::writer::{Out, Put};
use crate::error::Result;
use crate::msg::IpfixStats;

pub(super) fn read(r: &mut Reader<'_>) -> Result<IpfixStats> {
    let stats = IpfixStats {
        total_flows: r.u64()?,
        current_flows: r.u64()?,
        packets: r.u64()?,
        ipv4_packets: r.u64()?,
        ipv6_packets: r.u64()?,
        error_packets: r.u64()?,
        ipv4_error_packets: r.u64()?,
        ipv6_error_packets: r.u64()?,
        tx_packets: r.u64()?,
        tx_errors: r.u64()?,
        collector_set: r.u32()?,
    };
    r.skip(4)?;
    Ok(stats)
}

pub(super) fn put(out: &mut Out, stats: &IpfixStats) {
    for counter in [
        stats.total_flows,
        stats.current_flows,
        stats.packets,
        stats.ipv4_packets,
        stats.ipv6_packets,
        stats.error_packets,
        stats.ipv4_error_packets,
        stats.ipv6_error_packets,
        stats.tx_packets,
        stats.tx_errors,
    ] {
        out.u64(counter);
    }
    out.u32(stats.collector_set);
    out.zeros(4);
}

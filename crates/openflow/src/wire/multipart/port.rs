//! `OFPMP_PORT_STATS` and `OFPMP_QUEUE`.
//!
//! ```text
//! port    1.0  port:16 zero:48, twelve counters of 64 bits
//!         1.1  port:32 zero:32, twelve counters; from 1.3 duration:64
//!         1.4  length:16 zero:16 port:32 duration:64, eight counters, properties (0: zero:32, the other four)
//! queue   1.0  port:16 zero:16 queue:32, bytes, packets, errors
//!         1.1  port:32 queue:32, the same; from 1.3 duration:64
//!         1.4  length:16 zero:48, as 1.3
//! ```

use super::super::action::{property, read_property};
use super::super::counts::{put_some_duration, read_some_duration};
use super::super::port;
use super::super::queue::{put_port, read_port};
use super::super::reader::Reader;
use super::super::writer::{Out, Put, with_len};
use crate::error::Result;
use crate::msg::stats::UNKNOWN;
use crate::msg::{PortStats, QueueStats};
use crate::{OfError, Version};

/// The counters of a port in the order of the wire.
const fn counters(stats: &PortStats) -> [u64; 12] {
    [
        stats.rx_packets,
        stats.tx_packets,
        stats.rx_bytes,
        stats.tx_bytes,
        stats.rx_dropped,
        stats.tx_dropped,
        stats.rx_errors,
        stats.tx_errors,
        stats.rx_frame_errors,
        stats.rx_over_errors,
        stats.rx_crc_errors,
        stats.collisions,
    ]
}

fn from_counters(port: netloom_flow::OfPort, counters: [u64; 12]) -> PortStats {
    let [
        rx_packets,
        tx_packets,
        rx_bytes,
        tx_bytes,
        rx_dropped,
        tx_dropped,
        rx_errors,
        tx_errors,
        rx_frame_errors,
        rx_over_errors,
        rx_crc_errors,
        collisions,
    ] = counters;
    PortStats {
        port,
        rx_packets,
        tx_packets,
        rx_bytes,
        tx_bytes,
        rx_dropped,
        tx_dropped,
        rx_errors,
        tx_errors,
        rx_frame_errors,
        rx_over_errors,
        rx_crc_errors,
        collisions,
        duration: None,
    }
}

fn read_counters(r: &mut Reader<'_>, counters: &mut [u64]) -> Result<()> {
    counters.iter_mut().try_for_each(|counter| {
        *counter = r.u64()?;
        Ok(())
    })
}

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<PortStats> {
    if version >= Version::V14 {
        return read_14(r);
    }
    let port = read_port(version, r)?;
    r.skip(4)?;
    let mut counters = [UNKNOWN; 12];
    read_counters(r, &mut counters)?;
    let mut stats = from_counters(port, counters);
    if version == Version::V13 {
        stats.duration = read_some_duration(r)?;
    }
    Ok(stats)
}

fn read_14(r: &mut Reader<'_>) -> Result<PortStats> {
    let len = usize::from(r.u16()?).checked_sub(2).ok_or(OfError::BrcBadLen)?;
    let mut body = r.part(len)?;
    body.skip(2)?;
    let (port, duration) = (port::from_32(body.u32()?, OfError::BrcBadPort)?, read_some_duration(&mut body)?);
    let mut counters = [UNKNOWN; 12];
    let (early, late) = counters.split_at_mut(8);
    read_counters(&mut body, early)?;
    while !body.is_empty() {
        if let (0, mut p) = read_property(&mut body)? {
            p.skip(4)?;
            read_counters(&mut p, late)?;
        }
    }
    Ok(PortStats { duration, ..from_counters(port, counters) })
}

pub(super) fn put(version: Version, out: &mut Out, stats: &PortStats) {
    let counters = counters(stats);
    if version >= Version::V14 {
        put_14(out, stats, counters);
        return;
    }
    put_port(version, out, stats.port);
    out.zeros(4);
    counters.iter().for_each(|counter| out.u64(*counter));
    if version == Version::V13 {
        put_some_duration(out, stats.duration);
    }
}

fn put_14(out: &mut Out, stats: &PortStats, counters: [u64; 12]) {
    let (early, late) = counters.split_at(8);
    with_len(out, 0, |out| {
        out.u32(0);
        out.u32(stats.port.0);
        put_some_duration(out, stats.duration);
        early.iter().for_each(|counter| out.u64(*counter));
        property(out, 0, |out| {
            out.zeros(4);
            late.iter().for_each(|counter| out.u64(*counter));
        });
    });
}

pub(super) fn read_queue(version: Version, r: &mut Reader<'_>) -> Result<QueueStats> {
    if version >= Version::V14 {
        let len = usize::from(r.u16()?).checked_sub(2).ok_or(OfError::BrcBadLen)?;
        let mut body = r.part(len)?;
        body.skip(6)?;
        return read_queue_13(Version::V13, &mut body);
    }
    read_queue_13(version, r)
}

fn read_queue_13(version: Version, r: &mut Reader<'_>) -> Result<QueueStats> {
    let (port, queue) = (read_port(version, r)?, r.u32()?);
    let (tx_bytes, tx_packets, tx_errors) = (r.u64()?, r.u64()?, r.u64()?);
    let duration = if version == Version::V13 { read_some_duration(r)? } else { None };
    Ok(QueueStats { port, queue, tx_bytes, tx_packets, tx_errors, duration })
}

pub(super) fn put_queue(version: Version, out: &mut Out, stats: &QueueStats) {
    if version >= Version::V14 {
        with_len(out, 0, |out| {
            out.zeros(8);
            put_queue_13(Version::V13, out, stats);
        });
    } else {
        put_queue_13(version, out, stats);
    }
}

fn put_queue_13(version: Version, out: &mut Out, stats: &QueueStats) {
    put_port(version, out, stats.port);
    out.u32(stats.queue);
    out.u64(stats.tx_bytes);
    out.u64(stats.tx_packets);
    out.u64(stats.tx_errors);
    if version == Version::V13 {
        put_some_duration(out, stats.duration);
    }
}

//! Replies: which there are in each version.

use super::super::counts::{Oxs, put_aggregate, read_oxs};
use super::super::protocol::Protocol;
use super::super::{controller, group as groups, meter, port_desc, queue, table as tables};
use super::request::monitor_kind;
use super::{
    EncodeError, Kind, NICIRA, ONF, Out, Parts, Put, Reader, flow, group, ipfix, monitor, port, read_all,
    read_kind, table, table_features, unknown,
};
use crate::error::Result;
use crate::msg::{AggregateStats, BundleFlags, Counts, Desc, FlowFormat, MultipartReply};
use crate::{Version, Xid};

/// Bytes of the names of a switch; the serial number has fewer.
const DESC_LEN: usize = 256;
const SERIAL_LEN: usize = 32;

pub(in super::super) fn read(version: Version, r: &mut Reader<'_>) -> Result<MultipartReply> {
    use MultipartReply as M;
    let kind = read_kind(version, r)?;
    let is_10 = version == Version::V10;
    let reply = match kind {
        Kind::Standard(kind) => read_standard(version, kind, r)?,
        Kind::Experimenter(NICIRA, 0) if is_10 => M::Flow(read_all(r, flow::read_nxt)?),
        Kind::Experimenter(NICIRA, 1) if is_10 => M::Aggregate(read_aggregate(version, r)?),
        Kind::Experimenter(NICIRA, 2) if version < Version::V13 => {
            M::FlowMonitor(read_all(r, |r| monitor::read_update(version, r))?)
        }
        Kind::Experimenter(NICIRA, 3) => M::IpfixBridge(ipfix::read(r)?),
        Kind::Experimenter(NICIRA, 4) => M::IpfixFlow(read_all(r, ipfix::read)?),
        Kind::Experimenter(NICIRA, 7) if is_10 => M::Group(read_all(r, |r| group::read(version, r))?),
        Kind::Experimenter(NICIRA, 8) if is_10 => {
            M::GroupDesc(read_all(r, |r| groups::read_desc(version, r))?)
        }
        Kind::Experimenter(NICIRA, 9) if is_10 => M::GroupFeatures(group::read_features(r)?),
        Kind::Experimenter(ONF, 1870) if version == Version::V13 => {
            M::FlowMonitor(read_all(r, |r| monitor::read_update(version, r))?)
        }
        Kind::Experimenter(NICIRA | ONF, _) => return Err(unknown(kind)),
        Kind::Experimenter(id, kind) => M::Experimenter(id, kind, r.take_rest().to_vec()),
    };
    r.end()?;
    Ok(reply)
}

fn read_standard(version: Version, kind: u16, r: &mut Reader<'_>) -> Result<MultipartReply> {
    use MultipartReply as M;
    use Version::{V11, V12, V13, V14, V15};
    Ok(match kind {
        0 => M::Desc(Box::new(read_desc(r)?)),
        1 => M::Flow(read_all(r, |r| flow::read(version, r))?),
        2 => M::Aggregate(read_aggregate(version, r)?),
        3 => M::Table(read_all(r, |r| table::read(version, r))?),
        4 => M::PortStats(read_all(r, |r| port::read(version, r))?),
        5 => M::Queue(read_all(r, |r| port::read_queue(version, r))?),
        6 if version >= V11 => M::Group(read_all(r, |r| group::read(version, r))?),
        7 if version >= V11 => M::GroupDesc(read_all(r, |r| groups::read_desc(version, r))?),
        8 if version >= V12 => M::GroupFeatures(group::read_features(r)?),
        9 if version >= V13 => M::Meter(read_all(r, meter::read_stats)?),
        10 if version >= V13 => M::MeterConfig(read_all(r, meter::read_config)?),
        11 if version >= V13 => M::MeterFeatures(meter::read_features(r)?),
        12 if version >= V13 => M::TableFeatures(read_all(r, |r| table_features::read(version, r))?),
        13 => M::PortDesc(port_desc::read_list(version, r)?),
        14 if version >= V14 => M::TableDesc(read_all(r, |r| tables::read_desc(version, r))?),
        15 if version >= V14 => {
            M::QueueDesc(read_all(r, |r| queue::read_desc(version, netloom_flow::OfPort::NONE, r))?)
        }
        16 if version >= V14 => M::FlowMonitor(read_all(r, |r| monitor::read_update(version, r))?),
        17 if version >= V15 => M::FlowCounts(read_all(r, flow::read_counts)?),
        18 if version >= V15 => M::ControllerStatus(read_all(r, controller::read)?),
        19 if version >= V15 => {
            let capabilities = BundleFlags(r.u16()?);
            r.skip(6)?;
            r.take_rest();
            M::BundleFeatures(capabilities)
        }
        _ => return Err(unknown(Kind::Standard(kind))),
    })
}

fn read_desc(r: &mut Reader<'_>) -> Result<Desc> {
    Ok(Desc {
        manufacturer: r.text(DESC_LEN)?,
        hardware: r.text(DESC_LEN)?,
        software: r.text(DESC_LEN)?,
        serial: r.text(SERIAL_LEN)?,
        datapath: r.text(DESC_LEN)?,
    })
}

fn put_desc(out: &mut Out, desc: &Desc) {
    out.text(&desc.manufacturer, DESC_LEN);
    out.text(&desc.hardware, DESC_LEN);
    out.text(&desc.software, DESC_LEN);
    out.text(&desc.serial, SERIAL_LEN);
    out.text(&desc.datapath, DESC_LEN);
}

/// `packets:64 bytes:64 flows:32 zero:32`; from 1.5 as OXS.
fn read_aggregate(version: Version, r: &mut Reader<'_>) -> Result<AggregateStats> {
    if version == Version::V15 {
        let Oxs { counts, flows, .. } = read_oxs(r)?;
        return Ok(AggregateStats { packets: counts.packets, bytes: counts.bytes, flows });
    }
    let stats = AggregateStats { packets: r.u64()?, bytes: r.u64()?, flows: r.u32()? };
    r.skip(4)?;
    Ok(stats)
}

fn put_sum(version: Version, out: &mut Out, stats: &AggregateStats) {
    if version == Version::V15 {
        let counts = Counts { packets: stats.packets, bytes: stats.bytes, ..Counts::default() };
        put_aggregate(out, &Oxs { counts, idle_age: None, flows: stats.flows });
        return;
    }
    out.u64(stats.packets);
    out.u64(stats.bytes);
    out.u32(stats.flows);
    out.zeros(4);
}

/// The type a reply has in a version.
fn kind(protocol: &Protocol, reply: &MultipartReply) -> std::result::Result<Kind, EncodeError> {
    use MultipartReply as M;
    use Version::{V10, V11, V12, V13, V14, V15};
    let version = protocol.version;
    let nxm = version == V10 && protocol.flow_format == FlowFormat::Nxm;
    let from = |first: Version, number| {
        if version >= first { Ok(Kind::Standard(number)) } else { Err(EncodeError::NotInVersion) }
    };
    let group = |first: Version, number: u16, extension| match version {
        V10 => Ok(Kind::Experimenter(NICIRA, extension)),
        _ => from(first, number),
    };
    match reply {
        M::Desc(_) => from(V10, 0),
        M::Flow(_) if nxm => Ok(Kind::Experimenter(NICIRA, 0)),
        M::Aggregate(_) if nxm => Ok(Kind::Experimenter(NICIRA, 1)),
        M::Flow(_) => from(V10, 1),
        M::Aggregate(_) => from(V10, 2),
        M::Table(_) => from(V10, 3),
        M::PortStats(_) => from(V10, 4),
        M::Queue(_) => from(V10, 5),
        M::Group(_) => group(V11, 6, 7),
        M::GroupDesc(_) => group(V11, 7, 8),
        M::GroupFeatures(_) => group(V12, 8, 9),
        M::Meter(_) => from(V13, 9),
        M::MeterConfig(_) => from(V13, 10),
        M::MeterFeatures(_) => from(V13, 11),
        M::TableFeatures(_) => from(V13, 12),
        M::PortDesc(_) => from(V10, 13),
        M::TableDesc(_) => from(V14, 14),
        M::QueueDesc(_) => from(V14, 15),
        M::FlowMonitor(_) => Ok(monitor_kind(version)),
        M::FlowCounts(_) => from(V15, 17),
        M::ControllerStatus(_) => from(V15, 18),
        M::BundleFeatures(_) => from(V15, 19),
        M::IpfixBridge(_) => Ok(Kind::Experimenter(NICIRA, 3)),
        M::IpfixFlow(_) => Ok(Kind::Experimenter(NICIRA, 4)),
        M::Experimenter(id, kind, _) => Ok(Kind::Experimenter(*id, *kind)),
    }
}

/// Writes a reply as so many frames as it takes, all of the type `type_number`.
pub(in super::super) fn put(
    protocol: &Protocol,
    xid: Xid,
    type_number: u8,
    reply: &MultipartReply,
    out: &mut Out,
) -> std::result::Result<(), EncodeError> {
    use MultipartReply as M;
    let version = protocol.version;
    let kind = kind(protocol, reply)?;
    let nxm = matches!(kind, Kind::Experimenter(..));
    let mut parts = Parts::begin(out, version, xid, type_number, kind);
    macro_rules! each {
        ($all:expr, $put:expr) => {
            for one in $all {
                parts.element(|out| $put(out, one));
            }
        };
    }
    match reply {
        M::Desc(desc) => parts.element(|out| put_desc(out, desc)),
        M::Flow(flows) if nxm => each!(flows, flow::put_nxt),
        M::Flow(flows) => each!(flows, |out: &mut Out, one| flow::put(version, out, one)),
        M::Aggregate(stats) => parts.element(|out| put_sum(version, out, stats)),
        M::Table(all) => each!(all, |out: &mut Out, one| table::put(version, out, one)),
        M::PortStats(all) => each!(all, |out: &mut Out, one| port::put(version, out, one)),
        M::Queue(all) => each!(all, |out: &mut Out, one| port::put_queue(version, out, one)),
        M::Group(all) => each!(all, |out: &mut Out, one| group::put(version, out, one)),
        M::GroupDesc(all) => each!(all, |out: &mut Out, one| groups::put_desc(version, out, one)),
        M::GroupFeatures(features) => parts.element(|out| group::put_features(out, features)),
        M::Meter(all) => each!(all, meter::put_stats),
        M::MeterConfig(all) => each!(all, meter::put_config),
        M::MeterFeatures(features) => parts.element(|out| meter::put_features(out, features)),
        M::TableFeatures(all) => each!(all, |out: &mut Out, one| table_features::put(version, out, one)),
        M::PortDesc(all) => each!(all, |out: &mut Out, one| port_desc::put(version, out, one)),
        M::TableDesc(all) => each!(all, |out: &mut Out, one| tables::put_desc(version, out, one)),
        M::QueueDesc(all) => each!(all, |out: &mut Out, one| queue::put_desc(version, out, one)),
        M::FlowMonitor(all) => each!(all, |out: &mut Out, one| monitor::put_update(version, out, one)),
        M::FlowCounts(all) => each!(all, flow::put_counts),
        M::ControllerStatus(all) => each!(all, controller::put),
        M::BundleFeatures(flags) => parts.element(|out| {
            out.u16(flags.0);
            out.zeros(6);
        }),
        M::IpfixBridge(stats) => parts.element(|out| ipfix::put(out, stats)),
        M::IpfixFlow(all) => each!(all, ipfix::put),
        M::Experimenter(_, _, body) => parts.element(|out| out.extend_from_slice(body)),
    }
    parts.end();
    Ok(())
}

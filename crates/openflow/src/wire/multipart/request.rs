//! Requests: which there are in each version.

use netloom_flow::OfPort;

use super::super::group::is_15;
use super::super::protocol::Protocol;
use super::super::queue::{put_port, read_port};
use super::{
    EncodeError, Kind, NICIRA, ONF, Out, Put, Reader, flow, monitor, put_kind, read_all, read_kind,
    table_features, unknown,
};
use crate::Version;
use crate::error::Result;
use crate::msg::group::GROUP_ALL;
use crate::msg::{FlowFormat, MultipartRequest, QueueRequest};

/// A number, and padding to 8 bytes.
fn number(r: &mut Reader<'_>) -> Result<u32> {
    let number = r.u32()?;
    r.skip(4)?;
    Ok(number)
}

/// In 1.0 all ports are `OFPP_ALL`, later `OFPP_ANY`. Source: `ofputil_decode_queue_stats_request` of OVS.
fn queue(version: Version, r: &mut Reader<'_>) -> Result<QueueRequest> {
    let port = read_port(version, r)?;
    let is_any = version == Version::V10 && port == OfPort::ALL;
    Ok(QueueRequest { port: if is_any { OfPort::NONE } else { port }, queue: r.u32()? })
}

fn put_queue(version: Version, out: &mut Out, request: QueueRequest) {
    let is_any = version == Version::V10 && request.port == OfPort::NONE;
    put_port(version, out, if is_any { OfPort::ALL } else { request.port });
    out.u32(request.queue);
}

pub(in super::super) fn read(version: Version, r: &mut Reader<'_>) -> Result<MultipartRequest> {
    use MultipartRequest as M;
    let kind = read_kind(version, r)?;
    let request = match kind {
        Kind::Standard(kind) => read_standard(version, kind, r)?,
        Kind::Experimenter(NICIRA, 0) if version == Version::V10 => {
            M::Flow(Box::new(flow::read_request_nxt(r)?))
        }
        Kind::Experimenter(NICIRA, 1) if version == Version::V10 => {
            M::Aggregate(Box::new(flow::read_request_nxt(r)?))
        }
        Kind::Experimenter(NICIRA, 2) if version < Version::V13 => {
            M::FlowMonitor(read_all(r, |r| monitor::read_request(version, r))?)
        }
        Kind::Experimenter(NICIRA, 3) => M::IpfixBridge,
        Kind::Experimenter(NICIRA, 4) => M::IpfixFlow,
        Kind::Experimenter(NICIRA, 7) if version == Version::V10 => M::Group(number(r)?),
        Kind::Experimenter(NICIRA, 8) if version == Version::V10 => M::GroupDesc(number(r)?),
        Kind::Experimenter(NICIRA, 9) if version == Version::V10 => M::GroupFeatures,
        Kind::Experimenter(ONF, 1870) if version == Version::V13 => {
            M::FlowMonitor(read_all(r, |r| monitor::read_request(version, r))?)
        }
        Kind::Experimenter(NICIRA | ONF, _) => return Err(unknown(kind)),
        Kind::Experimenter(id, kind) => M::Experimenter(id, kind, r.take_rest().to_vec()),
    };
    r.end()?;
    Ok(request)
}

fn read_standard(version: Version, kind: u16, r: &mut Reader<'_>) -> Result<MultipartRequest> {
    use MultipartRequest as M;
    use Version::{V11, V12, V13, V14, V15};
    Ok(match kind {
        0 => M::Desc,
        1 => M::Flow(Box::new(flow::read_request(version, r)?)),
        2 => M::Aggregate(Box::new(flow::read_request(version, r)?)),
        3 => M::Table,
        4 => {
            let port = read_port(version, r)?;
            r.skip(4)?;
            M::PortStats(port)
        }
        5 => M::Queue(queue(version, r)?),
        6 if version >= V11 => M::Group(number(r)?),
        7 if version >= V15 => M::GroupDesc(number(r)?),
        7 if version >= V11 => M::GroupDesc(GROUP_ALL),
        8 if version >= V12 => M::GroupFeatures,
        9 if version >= V13 => M::Meter(number(r)?),
        10 if version >= V13 => M::MeterConfig(number(r)?),
        11 if version >= V13 => M::MeterFeatures,
        12 if version >= V13 => M::TableFeatures(read_all(r, |r| table_features::read(version, r))?),
        13 if version >= V15 => {
            let port = read_port(version, r)?;
            r.skip(4)?;
            M::PortDesc(port)
        }
        // OVS answers it in every version.
        13 => M::PortDesc(OfPort::NONE),
        14 if version >= V14 => M::TableDesc,
        15 if version >= V14 => M::QueueDesc(queue(version, r)?),
        16 if version >= V14 => M::FlowMonitor(read_all(r, |r| monitor::read_request(version, r))?),
        17 if version >= V15 => M::FlowCounts(Box::new(flow::read_request(version, r)?)),
        18 if version >= V15 => M::ControllerStatus,
        19 if version >= V15 => {
            let flags = r.u32()?;
            // What is asked about times stands in properties; bundles have none here.
            r.take_rest();
            M::BundleFeatures(flags)
        }
        _ => return Err(unknown(Kind::Standard(kind))),
    })
}

/// The type a request has in a version.
fn kind(protocol: &Protocol, request: &MultipartRequest) -> std::result::Result<Kind, EncodeError> {
    use MultipartRequest as M;
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
    match request {
        M::Desc => from(V10, 0),
        M::Flow(_) if nxm => Ok(Kind::Experimenter(NICIRA, 0)),
        M::Aggregate(_) if nxm => Ok(Kind::Experimenter(NICIRA, 1)),
        M::Flow(_) => from(V10, 1),
        M::Aggregate(_) => from(V10, 2),
        M::Table => from(V10, 3),
        M::PortStats(_) => from(V10, 4),
        M::Queue(_) => from(V10, 5),
        M::Group(_) => group(V11, 6, 7),
        M::GroupDesc(_) => group(V11, 7, 8),
        M::GroupFeatures => group(V12, 8, 9),
        M::Meter(_) => from(V13, 9),
        M::MeterConfig(_) => from(V13, 10),
        M::MeterFeatures => from(V13, 11),
        M::TableFeatures(_) => from(V13, 12),
        M::PortDesc(_) => from(V10, 13),
        M::TableDesc => from(V14, 14),
        M::QueueDesc(_) => from(V14, 15),
        M::FlowMonitor(_) => Ok(monitor_kind(version)),
        M::FlowCounts(_) => from(V15, 17),
        M::ControllerStatus => from(V15, 18),
        M::BundleFeatures(_) => from(V15, 19),
        M::IpfixBridge => Ok(Kind::Experimenter(NICIRA, 3)),
        M::IpfixFlow => Ok(Kind::Experimenter(NICIRA, 4)),
        M::Experimenter(id, kind, _) => Ok(Kind::Experimenter(*id, *kind)),
    }
}

/// The type of flow monitors in a version.
pub(super) fn monitor_kind(version: Version) -> Kind {
    match version {
        Version::V14 | Version::V15 => Kind::Standard(16),
        Version::V13 => Kind::Experimenter(ONF, 1870),
        _ => Kind::Experimenter(NICIRA, 2),
    }
}

pub(in super::super) fn put(
    protocol: &Protocol,
    out: &mut Out,
    request: &MultipartRequest,
) -> std::result::Result<(), EncodeError> {
    use MultipartRequest as M;
    let version = protocol.version;
    let kind = kind(protocol, request)?;
    put_kind(version, out, kind);
    let padded = |out: &mut Out, number: u32| {
        out.u32(number);
        out.zeros(4);
    };
    match request {
        M::Flow(request) | M::Aggregate(request) if matches!(kind, Kind::Experimenter(..)) => {
            flow::put_request_nxt(out, request);
        }
        M::Flow(request) | M::Aggregate(request) | M::FlowCounts(request) => {
            flow::put_request(version, out, request);
        }
        M::BundleFeatures(flags) => padded(out, *flags),
        M::PortStats(port) => {
            put_port(version, out, *port);
            out.zeros(4);
        }
        M::Queue(request) | M::QueueDesc(request) => put_queue(version, out, *request),
        M::Group(number) | M::Meter(number) | M::MeterConfig(number) => padded(out, *number),
        M::GroupDesc(number) if is_15(version) => padded(out, *number),
        M::PortDesc(port) if version == Version::V15 => padded(out, port.0),
        M::TableFeatures(tables) => tables.iter().for_each(|table| table_features::put(version, out, table)),
        M::FlowMonitor(requests) => requests.iter().for_each(|r| monitor::put_request(version, out, r)),
        M::Experimenter(_, _, body) => out.extend_from_slice(body),
        M::Desc
        | M::Table
        | M::GroupDesc(_)
        | M::GroupFeatures
        | M::MeterFeatures
        | M::PortDesc(_)
        | M::TableDesc
        | M::ControllerStatus
        | M::IpfixBridge
        | M::IpfixFlow => {}
    }
    Ok(())
}

//! Queues: `OFPT_QUEUE_GET_CONFIG_*` up to 1.3, descriptions from 1.4.
//!
//! ```text
//! 1.0  queue:32 length:16 zero:16, properties
//! 1.2  queue:32 port:32 length:16 zero:48, properties     (1.1 as 1.0)
//! 1.4  port:32 queue:32 length:16 zero:48, properties
//! ```
//!
//! Properties, 16 bytes: `type:16 length:16 zero:32 rate:16 zero:48`; those of 1.4: `type:16 length:16 rate:16 zero:16`.
//! 1: at least; 2: at most.

use netloom_flow::OfPort;

use super::action::{property, read_property};
use super::port;
use super::reader::Reader;
use super::writer::{Out, Put, with_len};
use crate::error::Result;
use crate::msg::QueueDesc;
use crate::{OfError, Version};

pub(super) fn read_port(version: Version, r: &mut Reader<'_>) -> Result<OfPort> {
    if version == Version::V10 {
        let port = port::from_16(r.u16()?);
        r.skip(2)?;
        Ok(port)
    } else {
        port::from_32(r.u32()?, OfError::QofcBadPort)
    }
}

pub(super) fn put_port(version: Version, out: &mut Out, port: OfPort) {
    if version == Version::V10 {
        out.u16(port::to_16(port));
        out.zeros(2);
    } else {
        out.u32(port.0);
    }
}

pub(super) fn read_config_request(version: Version, r: &mut Reader<'_>) -> Result<OfPort> {
    let port = read_port(version, r)?;
    r.skip(if version == Version::V10 { 0 } else { 4 })?;
    Ok(port)
}

pub(super) fn put_config_request(version: Version, out: &mut Out, port: OfPort) {
    put_port(version, out, port);
    out.zeros(if version == Version::V10 { 0 } else { 4 });
}

pub(super) fn read_config_reply(version: Version, r: &mut Reader<'_>) -> Result<(OfPort, Vec<QueueDesc>)> {
    let port = read_port(version, r)?;
    r.skip(4)?;
    let mut queues = Vec::new();
    while !r.is_empty() {
        queues.push(read_desc(version, port, r)?);
    }
    Ok((port, queues))
}

pub(super) fn put_config_reply(version: Version, out: &mut Out, port: OfPort, queues: &[QueueDesc]) {
    put_port(version, out, port);
    out.zeros(4);
    queues.iter().for_each(|queue| put_desc(version, out, queue));
}

pub(super) fn read_desc(version: Version, of: OfPort, r: &mut Reader<'_>) -> Result<QueueDesc> {
    let (header, port, queue) = match version {
        Version::V10 | Version::V11 => (8, of, r.u32()?),
        Version::V12 | Version::V13 => {
            let queue = r.u32()?;
            (16, port::from_32(r.u32()?, OfError::QofcBadPort)?, queue)
        }
        Version::V14 | Version::V15 => (16, port::from_32(r.u32()?, OfError::QofcBadPort)?, r.u32()?),
    };
    let len = usize::from(r.u16()?);
    let padding = if header == 8 { 2 } else { 6 };
    r.skip(padding)?;
    let mut body = r.part(len.checked_sub(header).ok_or(OfError::BrcBadLen)?)?;
    let mut desc = QueueDesc { port, queue, min_rate: None, max_rate: None };
    while !body.is_empty() {
        let (kind, mut p) = read_property(&mut body)?;
        if version < Version::V14 {
            p.skip(4)?;
        }
        match kind {
            1 => desc.min_rate = known_rate(p.u16()?),
            2 => desc.max_rate = known_rate(p.u16()?),
            _ => {}
        }
    }
    Ok(desc)
}

/// All above 100 % says that nothing is said.
fn known_rate(rate: u16) -> Option<u16> {
    (rate <= 1000).then_some(rate)
}

pub(super) fn put_desc(version: Version, out: &mut Out, desc: &QueueDesc) {
    let len_at = match version {
        Version::V10 | Version::V11 => 4,
        _ => 8,
    };
    with_len(out, len_at, |out| {
        match version {
            Version::V10 | Version::V11 => {
                out.u32(desc.queue);
                out.zeros(4);
            }
            Version::V12 | Version::V13 => {
                out.u32(desc.queue);
                out.u32(desc.port.0);
                out.zeros(8);
            }
            Version::V14 | Version::V15 => {
                out.u32(desc.port.0);
                out.u32(desc.queue);
                out.zeros(8);
            }
        }
        for (kind, rate) in [(1, desc.min_rate), (2, desc.max_rate)] {
            let Some(rate) = rate else { continue };
            property(out, kind, |out| {
                if version >= Version::V14 {
                    out.u16(rate);
                    out.zeros(2);
                } else {
                    out.zeros(4);
                    out.u16(rate);
                    out.zeros(6);
                }
            });
        }
    });
}

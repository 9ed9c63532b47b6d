//! Reading the actions of the standard.

use netloom_flow::action::PacketInReason;
use netloom_flow::{Action, Controller, FieldId, OfPort};

use super::super::port;
use super::super::reader::Reader;
use super::field::{modify, read_copy_field, read_set_field};
use crate::error::Result;
use crate::{OfError, Version};

/// Reads the action of a type.
pub(super) fn read(version: Version, kind: u16, r: &mut Reader<'_>) -> Result<Action> {
    if version == Version::V10 { read_10(kind, r) } else { read_11(version, kind, r) }
}

/// `output` to a port, or to the controller with a number of bytes.
fn output(port: OfPort, max_len: u16) -> Action {
    if port == OfPort::CONTROLLER {
        Action::Controller(Controller { max_len, reason: PacketInReason::Action, ..Controller::default() })
    } else if max_len == 0 {
        Action::Output(port)
    } else {
        Action::OutputMax { port, max_len }
    }
}

/// The rest of an action that has a fixed length.
fn done(action: Action, padding: usize, r: &mut Reader<'_>) -> Result<Action> {
    r.skip(padding)?;
    r.end()?;
    Ok(action)
}

fn read_10(kind: u16, r: &mut Reader<'_>) -> Result<Action> {
    match kind {
        0 => {
            let action = output(port::from_16(r.u16()?), r.u16()?);
            done(action, 0, r)
        }
        1 => {
            let vid = r.u16()?;
            if vid > 0xfff {
                return Err(OfError::BacBadArgument);
            }
            done(Action::SetVlanVid(vid), 2, r)
        }
        2 => {
            let pcp = r.u8()?;
            if pcp > 7 {
                return Err(OfError::BacBadArgument);
            }
            done(Action::SetVlanPcp(pcp), 3, r)
        }
        3 => done(Action::PopVlan, 4, r),
        4..=10 => read_modify(kind, r),
        11 => {
            let port = port::from_16(r.u16()?);
            if port.0 >= 0xff00 && port != OfPort::IN_PORT && port != OfPort::LOCAL {
                return Err(OfError::BacBadOutPort);
            }
            r.skip(6)?;
            let queue = r.u32()?;
            done(Action::Enqueue { port, queue }, 0, r)
        }
        _ => Err(OfError::BacBadType),
    }
}

/// The actions that set a field of a packet, with the numbers of 1.0.
fn read_modify(kind: u16, r: &mut Reader<'_>) -> Result<Action> {
    match kind {
        4 | 5 => {
            let field = if kind == 4 { FieldId::EthSrc } else { FieldId::EthDst };
            let action = modify(field, r.number(6)?);
            done(action, 6, r)
        }
        6 | 7 => {
            let field = if kind == 6 { FieldId::Ipv4Src } else { FieldId::Ipv4Dst };
            let action = modify(field, r.u32()?);
            done(action, 0, r)
        }
        8 => {
            let tos = r.u8()?;
            if tos & 3 != 0 {
                return Err(OfError::BacBadArgument);
            }
            done(modify(FieldId::NwTos, tos), 3, r)
        }
        _ => {
            let field = if kind == 9 { FieldId::TpSrc } else { FieldId::TpDst };
            let action = modify(field, r.u16()?);
            done(action, 2, r)
        }
    }
}

fn read_11(version: Version, kind: u16, r: &mut Reader<'_>) -> Result<Action> {
    match kind {
        0 => {
            let port = port::from_32(r.u32()?, OfError::BacBadOutPort)?;
            let action = output(port, r.u16()?);
            done(action, 6, r)
        }
        1..=10 | 13..=15 => read_set_11(kind, r),
        11 => done(Action::CopyTtlOut, 4, r),
        12 => done(Action::CopyTtlIn, 4, r),
        16 => done(Action::DecMplsTtl, 4, r),
        17 => {
            let tpid = r.u16()?;
            if !matches!(tpid, 0x8100 | 0x88a8) {
                return Err(OfError::BacBadArgument);
            }
            done(Action::PushVlan { tpid }, 2, r)
        }
        18 => done(Action::PopVlan, 4, r),
        19 => {
            let ethertype = push_mpls_type(r)?;
            done(Action::PushMpls { ethertype }, 2, r)
        }
        20 => {
            let ethertype = r.u16()?;
            done(Action::PopMpls { ethertype }, 2, r)
        }
        21 => {
            let queue = r.u32()?;
            done(Action::SetQueue(queue), 0, r)
        }
        22 => {
            let group = r.u32()?;
            done(Action::Group(group), 0, r)
        }
        23 => {
            let ttl = r.u8()?;
            done(modify(FieldId::NwTtl, ttl), 3, r)
        }
        24 => done(Action::dec_ttl(), 4, r),
        25 if version >= Version::V12 => read_set_field(version, r),
        26 if version >= Version::V13 => {
            if r.u16()? != 0x88e7 {
                return Err(OfError::BacBadArgument);
            }
            done(Action::PushPbb, 2, r)
        }
        27 if version >= Version::V13 => done(Action::PopPbb, 4, r),
        28 if version >= Version::V15 => read_copy_field(r),
        29 if version >= Version::V15 => {
            let meter = r.u32()?;
            done(Action::Meter(meter), 0, r)
        }
        _ => Err(OfError::BacBadType),
    }
}

/// The type that a pushed MPLS header gives.
pub(super) fn push_mpls_type(r: &mut Reader<'_>) -> Result<u16> {
    let ethertype = r.u16()?;
    if matches!(ethertype, 0x8847 | 0x8848) { Ok(ethertype) } else { Err(OfError::BacBadArgument) }
}

/// The actions of 1.1 that set a field; later versions have them still, though `set_field` took their place.
fn read_set_11(kind: u16, r: &mut Reader<'_>) -> Result<Action> {
    match kind {
        1 => {
            let vid = r.u16()?;
            if vid > 0xfff {
                return Err(OfError::BacBadArgument);
            }
            done(modify(FieldId::VlanVid, vid | 0x1000), 2, r)
        }
        2 => {
            let pcp = r.u8()?;
            if pcp > 7 {
                return Err(OfError::BacBadArgument);
            }
            done(modify(FieldId::VlanPcp, pcp), 3, r)
        }
        3..=7 => read_modify(kind + 1, r),
        8 => {
            let ecn = r.u8()?;
            if ecn > 3 {
                return Err(OfError::BacBadArgument);
            }
            done(modify(FieldId::NwEcn, ecn), 3, r)
        }
        9 | 10 => read_modify(kind, r),
        13 => {
            let label = r.u32()?;
            if label > 0xf_ffff {
                return Err(OfError::BacBadArgument);
            }
            done(modify(FieldId::MplsLabel, label), 0, r)
        }
        14 => {
            let tc = r.u8()?;
            if tc > 7 {
                return Err(OfError::BacBadArgument);
            }
            done(modify(FieldId::MplsTc, tc), 3, r)
        }
        _ => {
            let ttl = r.u8()?;
            done(modify(FieldId::MplsTtl, ttl), 3, r)
        }
    }
}

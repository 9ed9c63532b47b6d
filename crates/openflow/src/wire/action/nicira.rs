//! Reading the actions of Nicira.

use netloom_flow::action::{
    Bundle, BundleAlgorithm, Encap, HashFields, Multipath, MultipathAlgorithm, NshTlv, Operand,
    PacketInReason, Sample, SampleDirection,
};
use netloom_flow::{Action, Controller, FieldId, OfPort, Subfield, TableId};

use super::super::reader::Reader;
use super::super::{oxm, port};
use super::field::{modify, read_load, read_load2, read_move};
use super::property::read_property;
use super::standard::push_mpls_type;
use super::{ct, learn, read_nested, subfield};
use crate::error::Result;
use crate::{OfError, Version};

/// Reads the action of a subtype. `r` begins behind the subtype.
pub(super) fn read(version: Version, subtype: u16, r: &mut Reader<'_>, depth: u8) -> Result<Action> {
    let action = match subtype {
        1 => resubmit(r, false, false)?,
        2 => {
            r.skip(2)?;
            modify(FieldId::TunId, r.u32()?)
        }
        4 if version == Version::V10 => {
            r.skip(2)?;
            Action::SetQueue(r.u32()?)
        }
        5 => void(r, Action::PopQueue)?,
        6 => read_move(r)?,
        7 if version < Version::V15 => read_load(r)?,
        8 => Action::Note(r.take_rest().into()),
        9 => {
            r.skip(6)?;
            modify(FieldId::TunId, r.u64()?)
        }
        10 => multipath(r)?,
        12 => bundle(r, false)?,
        13 => bundle(r, true)?,
        14 => resubmit(r, true, false)?,
        15 => output_reg(r)?,
        16 => learn::read(r, false)?,
        17 => void(r, Action::Exit)?,
        18 if version == Version::V10 => void(r, Action::dec_ttl())?,
        19 => {
            let action = Action::FinTimeout { idle: r.u16()?, hard: r.u16()? };
            r.skip(2)?;
            action
        }
        20 => controller(r)?,
        21 => dec_ttl_ids(r)?,
        22 => {
            r.zeros(6, OfError::NxbrcMustBeZero)?;
            let (value, mask) = (r.u64()?, r.u64()?);
            Action::WriteMetadata { value: value & mask, mask }
        }
        23..=26 | 30 | 31 | 40 if version == Version::V10 => only_10(subtype, r)?,
        27 => Action::StackPush(stack(r, false)?),
        28 => Action::StackPop(stack(r, true)?),
        29 | 38 | 41 => sample(subtype, r)?,
        32 => output_reg2(r)?,
        33 if version < Version::V15 => read_load2(r)?,
        34 => conjunction(r)?,
        35 => ct::read(version, r, depth)?,
        // `nat` is read where it may stand: inside of `ct`.
        36 => return Err(OfError::BacBadArgument),
        37 => controller2(r)?,
        39 => output_trunc(r)?,
        42 => {
            r.skip(6)?;
            let list = read_nested(version, r, depth + 1)?;
            r.take_rest();
            Action::Clone(list.into())
        }
        43 => void(r, Action::CtClear)?,
        44 => resubmit(r, true, true)?,
        45 => learn::read(r, true)?,
        46 if version >= Version::V13 => encap(r)?,
        47 if version >= Version::V13 => {
            r.skip(2)?;
            let packet_type = r.u32()?;
            Action::Decap { packet_type: (packet_type != NEXT_PROTOCOL).then_some(packet_type) }
        }
        48 if version >= Version::V13 => void(r, Action::DecNshTtl)?,
        49 => check_pkt_larger(r)?,
        50 => {
            let field = oxm::read_field(r)?;
            r.zeros(r.len(), OfError::NxbrcMustBeZero)?;
            Action::DeleteField(field)
        }
        _ => return Err(OfError::BacBadVendorType),
    };
    r.end()?;
    Ok(action)
}

/// The packet type that means: what the header says.
pub(super) const NEXT_PROTOCOL: u32 = 0xfffe;

/// An action without parameters.
fn void(r: &mut Reader<'_>, action: Action) -> Result<Action> {
    r.skip(6)?;
    Ok(action)
}

/// What only 1.0 has, as later standards have actions for it.
fn only_10(subtype: u16, r: &mut Reader<'_>) -> Result<Action> {
    let action = match subtype {
        23 => Action::PushMpls { ethertype: push_mpls_type(r)? },
        24 => Action::PopMpls { ethertype: r.u16()? },
        25 => modify(FieldId::MplsTtl, r.u8()?),
        26 => Action::DecMplsTtl,
        30 => {
            r.skip(2)?;
            let label = r.u32()?;
            if label > 0xf_ffff {
                return Err(OfError::BacBadArgument);
            }
            modify(FieldId::MplsLabel, label)
        }
        31 => {
            let tc = r.u8()?;
            if tc > 7 {
                return Err(OfError::BacBadArgument);
            }
            modify(FieldId::MplsTc, tc)
        }
        _ => {
            r.skip(2)?;
            Action::Group(r.u32()?)
        }
    };
    r.take_rest();
    Ok(action)
}

fn resubmit(r: &mut Reader<'_>, has_table: bool, ct: bool) -> Result<Action> {
    let port = port::from_16(r.u16()?);
    let table = r.u8()?;
    r.skip(3)?;
    Ok(Action::Resubmit {
        port: (port != OfPort::IN_PORT).then_some(port),
        table: (has_table && table != 0xff).then_some(TableId(table)),
        ct,
    })
}

fn multipath(r: &mut Reader<'_>) -> Result<Action> {
    let (fields, basis) = (r.u16()?, r.u16()?);
    r.skip(2)?;
    let (algorithm, max_link, arg) = (r.u16()?, r.u16()?, r.u32()?);
    r.skip(2)?;
    let (offset, n) = subfield::split(r.u16()?);
    let target = subfield::target(oxm::read_field(r)?, offset, n)?;
    r.zeros(r.len(), OfError::NxbrcMustBeZero)?;
    if n < 16 && u32::from(max_link) + 1 > 1 << n {
        return Err(OfError::BacBadArgument);
    }
    Ok(Action::Multipath(Multipath {
        fields: HashFields::from_number(fields).ok_or(OfError::BacBadArgument)?,
        basis,
        algorithm: MultipathAlgorithm::from_number(algorithm).ok_or(OfError::BacBadArgument)?,
        max_link,
        arg,
        target,
    }))
}

/// What kind of members a bundle has: ports, named by the header of the ingress port.
pub(super) const PORTS: u32 = 0x0000_0002;

fn bundle(r: &mut Reader<'_>, load: bool) -> Result<Action> {
    let (algorithm, fields, basis) = (r.u16()?, r.u16()?, r.u16()?);
    let (members_are, n, offset_bits) = (r.u32()?, r.u16()?, r.u16()?);
    if members_are != PORTS {
        return Err(OfError::BacBadArgument);
    }
    let target = if load {
        let (offset, bits) = subfield::split(offset_bits);
        let target = subfield::target(oxm::read_field(r)?, offset, bits)?;
        if bits < 16 {
            return Err(OfError::BacBadArgument);
        }
        Some(target)
    } else if offset_bits != 0 || r.u32()? != 0 {
        return Err(OfError::BacBadArgument);
    } else {
        None
    };
    r.zeros(4, OfError::BacBadArgument)?;
    let members: Result<Box<[OfPort]>> = (0..n).map(|_| r.u16().map(port::from_16)).collect();
    let members = members?;
    r.zeros(r.len(), OfError::BacBadArgument)?;
    Ok(Action::Bundle(Box::new(Bundle {
        fields: HashFields::from_number(fields).ok_or(OfError::BacBadArgument)?,
        basis,
        algorithm: BundleAlgorithm::from_number(algorithm).ok_or(OfError::BacBadArgument)?,
        members,
        target,
    })))
}

fn output_reg(r: &mut Reader<'_>) -> Result<Action> {
    let (offset, n) = subfield::split(r.u16()?);
    let source = subfield::bits(oxm::read_field(r)?, offset, n)?;
    let max_len = r.u16()?;
    r.zeros(r.len(), OfError::BacBadArgument)?;
    Ok(Action::OutputReg { source, max_len })
}

fn output_reg2(r: &mut Reader<'_>) -> Result<Action> {
    let ((offset, n), max_len) = (subfield::split(r.u16()?), r.u16()?);
    let source = subfield::bits(oxm::read_field(r)?, offset, n)?;
    r.zeros(r.len(), OfError::NxbrcMustBeZero)?;
    Ok(Action::OutputReg { source, max_len })
}

fn output_trunc(r: &mut Reader<'_>) -> Result<Action> {
    let (port, max_len) = (port::from_16(r.u16()?), r.u32()?);
    if max_len < 14 {
        return Err(OfError::BacBadArgument);
    }
    Ok(Action::OutputTrunc { port, max_len })
}

fn dec_ttl_ids(r: &mut Reader<'_>) -> Result<Action> {
    let n = r.u16()?;
    r.zeros(4, OfError::NxbrcMustBeZero)?;
    let controllers: Result<Box<[u16]>> = (0..n).map(|_| r.u16()).collect();
    let controllers = controllers?;
    r.take_rest();
    Ok(Action::DecTtl { controllers })
}

fn stack(r: &mut Reader<'_>, writes: bool) -> Result<Subfield> {
    let offset = r.u16()?;
    let field = oxm::read_field(r)?;
    let n = r.u16()?;
    r.zeros(r.len(), OfError::NxbrcMustBeZero)?;
    if writes { subfield::target(field, offset, n) } else { subfield::bits(field, offset, n) }
}

fn check_pkt_larger(r: &mut Reader<'_>) -> Result<Action> {
    let (len, offset) = (r.u16()?, r.u16()?);
    let target = subfield::target(oxm::read_field(r)?, offset, 1)?;
    r.zeros(r.len(), OfError::NxbrcMustBeZero)?;
    Ok(Action::CheckPktLarger { len, target })
}

fn conjunction(r: &mut Reader<'_>) -> Result<Action> {
    let ([clause, n_clauses], id) = (r.array()?, r.u32()?);
    if !(2..=64).contains(&n_clauses) || clause >= n_clauses {
        return Err(OfError::NxbacBadConjunction);
    }
    Ok(Action::Conjunction { id, clause, n_clauses })
}

fn sample(subtype: u16, r: &mut Reader<'_>) -> Result<Action> {
    let probability = r.u16()?;
    let (collector_set_id, domain, point) = (r.u32()?, r.u32()?, r.u32()?);
    let mut sample = Sample {
        probability,
        collector_set_id,
        obs_domain_id: Operand::Value(domain),
        obs_point_id: Operand::Value(point),
        sampling_port: None,
        direction: SampleDirection::Default,
    };
    if subtype != 29 {
        let port = port::from_16(r.u16()?);
        sample.sampling_port = (port != OfPort::NONE).then_some(port);
        let direction = r.u8()?;
        r.zeros(5, OfError::NxbrcMustBeZero)?;
        sample.direction = match (subtype, direction) {
            (41, 0) | (38, _) => SampleDirection::Default,
            (_, 1) => SampleDirection::Ingress,
            (_, 2) => SampleDirection::Egress,
            _ => return Err(OfError::BacBadArgument),
        };
    }
    if probability == 0 { Err(OfError::BacBadArgument) } else { Ok(Action::Sample(Box::new(sample))) }
}

fn controller(r: &mut Reader<'_>) -> Result<Action> {
    let (max_len, id, [reason, zero]) = (r.u16()?, r.u16()?, r.array()?);
    if zero != 0 {
        return Err(OfError::BacBadArgument);
    }
    let reason = PacketInReason::from_number(reason).ok_or(OfError::BacBadArgument)?;
    Ok(Action::Controller(Controller { max_len, id, reason, ..Controller::default() }))
}

fn controller2(r: &mut Reader<'_>) -> Result<Action> {
    r.zeros(6, OfError::NxbrcMustBeZero)?;
    let mut controller = Controller::default();
    while !r.is_empty() {
        let (kind, mut p) = read_property(r)?;
        match kind {
            0 => controller.max_len = p.u16()?,
            1 => controller.id = p.u16()?,
            2 => {
                controller.reason = PacketInReason::from_number(p.u8()?).ok_or(OfError::BacBadArgument)?;
            }
            3 => controller.userdata = p.rest().into(),
            4 => controller.pause = true,
            5 => controller.meter_id = p.u32()?,
            _ => return Err(OfError::BpcBadType),
        }
    }
    Ok(Action::Controller(controller))
}

fn encap(r: &mut Reader<'_>) -> Result<Action> {
    let (_header_len, packet_type) = (r.u16()?, r.u32()?);
    let (mut md_type, mut tlvs) = (None, Vec::new());
    while !r.is_empty() {
        let (class, [kind, len]) = (r.u16()?, r.array()?);
        let len = usize::from(len).checked_sub(4).ok_or(OfError::BacBadLen)?;
        let mut p = r.part(len)?.or(OfError::NxbacBadEdProp);
        r.skip((len + 4).next_multiple_of(8) - (len + 4))?;
        match (class, kind) {
            (4, 1) => md_type = Some(p.u8()?),
            (4, 2) => {
                let (class, [kind, len]) = (p.u16()?, p.array()?);
                tlvs.push(NshTlv { class, kind, value: p.bytes(len.into())?.into() });
            }
            _ => return Err(OfError::NxbacUnknownEdProp),
        }
    }
    Ok(Action::Encap(match packet_type {
        0 => Encap::Ethernet,
        0x1_894f => Encap::Nsh { md_type, tlvs: tlvs.into() },
        0x1_8847 => Encap::Mpls,
        0x1_8848 => Encap::MplsMulticast,
        _ => return Err(OfError::NxbacBadHeaderType),
    }))
}

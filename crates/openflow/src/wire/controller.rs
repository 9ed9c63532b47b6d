//! `OFPT_CONTROLLER_STATUS` and `OFPMP_CONTROLLER_STATUS`; from 1.5.
//!
//! ```text
//! length:16 short_id:16 role:32 reason:8 channel:8 zero:48 properties (0 URI: the text, padded)
//! ```
//!
//! Source: OpenFlow 1.5.1 §7.3.5.20, §7.4.8.

use super::action::{property, read_property};
use super::reader::Reader;
use super::role;
use super::writer::{Out, Put, with_len};
use crate::OfError;
use crate::error::Result;
use crate::msg::{ControllerReason, ControllerStatus};

pub(super) fn read(r: &mut Reader<'_>) -> Result<ControllerStatus> {
    let len = usize::from(r.u16()?).checked_sub(2).ok_or(OfError::BrcBadLen)?;
    let mut body = r.part(len)?;
    let (short_id, role) = (body.u16()?, role::of_number(body.u32()?)?);
    let [reason, channel] = body.array()?;
    body.skip(6)?;
    let reason = match reason {
        0 => ControllerReason::Request,
        1 => ControllerReason::ChannelStatus,
        2 => ControllerReason::Role,
        3 => ControllerReason::Added,
        4 => ControllerReason::Removed,
        5 => ControllerReason::ShortId,
        6 => ControllerReason::Experimenter,
        _ => return Err(OfError::NxbrcBadReason),
    };
    let mut uri = String::new();
    while !body.is_empty() {
        match read_property(&mut body)? {
            (0, mut text) => uri = String::from_utf8_lossy(text.take_rest()).into_owned(),
            (0xffff, _) => {}
            _ => return Err(OfError::BpcBadType),
        }
    }
    Ok(ControllerStatus { short_id, role, reason, is_up: channel == 0, uri })
}

pub(super) fn put(out: &mut Out, status: &ControllerStatus) {
    with_len(out, 0, |out| {
        out.u16(0);
        out.u16(status.short_id);
        out.u32(role::number(status.role));
        out.extend_from_slice(&[status.reason as u8, u8::from(!status.is_up)]);
        out.zeros(6);
        // A length has 16 bits; no name of a place is near that.
        let uri = status.uri.as_bytes();
        property(out, 0, |out| out.extend_from_slice(uri.get(..MAX_URI).unwrap_or(uri)));
    });
}

/// The longest name of a place that is told, in bytes.
const MAX_URI: usize = 1_024;

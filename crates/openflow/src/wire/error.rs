//! `OFPT_ERROR`. See [`crate::error`] for the layout.

use super::reader::Reader;
use super::writer::{Out, Put};
use crate::Version;
use crate::error::{Coded, Number, Result, Space};
use crate::msg::ErrorMessage;

/// The type of Nicira's errors in 1.0 and 1.1.
const NICIRA_TYPE: u16 = 0xb0c2;
/// The type of experimenters' errors from 1.2 on.
const EXPERIMENTER_TYPE: u16 = 0xffff;

pub(super) fn read(version: Version, r: &mut Reader<'_>) -> Result<ErrorMessage> {
    let (kind, code) = (r.u16()?, r.u16()?);
    let number = match kind {
        NICIRA_TYPE if version <= Version::V11 && code == 0 => {
            Number { space: Space::Experimenter(r.u32()?), kind: r.u16()?, code: r.u16()? }
        }
        EXPERIMENTER_TYPE if version >= Version::V12 => {
            Number { space: Space::Experimenter(r.u32()?), kind: code, code: 0 }
        }
        _ => Number { space: Space::Standard, kind, code },
    };
    Ok(ErrorMessage { error: Coded::from_number(version, number), data: r.take_rest().to_vec() })
}

pub(super) fn put(version: Version, out: &mut Out, message: &ErrorMessage) {
    let Number { space, kind, code } = message.error.number(version);
    match space {
        Space::Standard => {
            out.u16(kind);
            out.u16(code);
        }
        Space::Experimenter(id) if version <= Version::V11 => {
            out.u16(NICIRA_TYPE);
            out.u16(0);
            out.u32(id);
            out.u16(kind);
            out.u16(code);
        }
        Space::Experimenter(id) => {
            out.u16(EXPERIMENTER_TYPE);
            out.u16(kind);
            out.u32(id);
        }
    }
    out.extend_from_slice(&message.data);
}

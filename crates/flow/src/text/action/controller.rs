//! `controller:128`, `controller(max_len=128,reason=no_match,id=1,userdata=01.02,pause)`

use std::fmt;

use super::super::error::FlowTextError;
use super::super::piece::{Items, Piece};
use super::super::value;
use super::show::{dotted, separated};
use super::simple::hex_bytes;
use crate::action::PacketInReason;
use crate::{Action, Controller};

/// Reads what stands behind the name.
pub(super) fn parse(text: Piece<'_>) -> Result<Action, FlowTextError> {
    let mut controller = Controller::default();
    let Some(inner) = text.in_parentheses() else {
        controller.max_len = value::small(text)?;
        return Ok(Action::Controller(controller));
    };
    for item in Items::new(inner) {
        match (item.key.text, item.value) {
            ("max_len", Some(value)) => controller.max_len = value::small(value)?,
            ("id", Some(value)) => controller.id = value::small(value)?,
            ("meter_id", Some(value)) => controller.meter_id = value::small(value)?,
            ("userdata", Some(value)) => {
                controller.userdata = hex_bytes(value).ok_or_else(|| {
                    FlowTextError::new(value, "The user data is a list of hexadecimal bytes")
                        .hint("as in userdata=01.02.ff")
                })?;
            }
            ("pause", None) => controller.pause = true,
            ("reason", Some(value)) => {
                let named = PacketInReason::ALL.into_iter().find(|reason| reason_name(*reason) == value.text);
                controller.reason = named.ok_or_else(|| {
                    FlowTextError::new(value, format!("'{}' is not a reason", value.text))
                        .hint("one of no_match, action, invalid_ttl, action_set, group, packet_out")
                })?;
            }
            _ => {
                return Err(FlowTextError::new(
                    item.whole,
                    "'controller(...)' takes max_len, id, reason, userdata, pause and meter_id",
                ));
            }
        }
    }
    Ok(Action::Controller(controller))
}

/// The name `ovs-ofctl` gives a reason.
pub(super) const fn reason_name(reason: PacketInReason) -> &'static str {
    match reason {
        PacketInReason::NoMatch => "no_match",
        PacketInReason::Action => "action",
        PacketInReason::InvalidTtl => "invalid_ttl",
        PacketInReason::ActionSet => "action_set",
        PacketInReason::Group => "group",
        PacketInReason::PacketOut => "packet_out",
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Self { max_len: self.max_len, ..Self::default() };
        if *self == usual {
            return write!(f, "CONTROLLER:{}", self.max_len);
        }
        let mut items: Vec<String> = Vec::new();
        if self.reason != PacketInReason::Action {
            items.push(format!("reason={}", reason_name(self.reason)));
        }
        if self.max_len != u16::MAX {
            items.push(format!("max_len={}", self.max_len));
        }
        if self.id != 0 {
            items.push(format!("id={}", self.id));
        }
        if !self.userdata.is_empty() {
            items.push(format!("userdata={}", dotted(&self.userdata)));
        }
        if self.pause {
            items.push("pause".into());
        }
        if self.meter_id != 0 {
            items.push(format!("meter_id={}", self.meter_id));
        }
        f.write_str("controller(")?;
        separated(f, items)?;
        f.write_str(")")
    }
}

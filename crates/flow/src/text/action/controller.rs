//! `controller:128`, `controller(max_len=128,reason=no_match,id=1,userdata=01.02,pause)`

use std::fmt;

use super::show::dotted;
use crate::Controller;
use crate::action::PacketInReason;

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
        write!(f, "controller(reason={},max_len={},id={}", reason_name(self.reason), self.max_len, self.id)?;
        if !self.userdata.is_empty() {
            write!(f, ",userdata={}", dotted(&self.userdata))?;
        }
        if self.pause {
            f.write_str(",pause")?;
        }
        if self.meter_id != 0 {
            write!(f, ",meter_id={}", self.meter_id)?;
        }
        f.write_str(")")
    }
}

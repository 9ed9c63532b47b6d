//! Which actions may stand where.

use crate::action::{Action, Controller};
use crate::{FieldId, OfPort};

/// What kind of list it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The actions and instructions of a flow.
    Flow,
    /// What a packet-out does with its packet.
    PacketOut,
    /// What a bucket of a group does. Nothing is known of its packets: what they have not is left alone.
    Bucket,
    /// What `clone` does.
    Clone,
    /// What `write_actions` adds to the action set.
    ActionSet,
    /// What `ct(exec(...))` writes to the connection.
    Connection,
}

/// What becomes of an action that does nothing to packets the flow matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Consistency {
    /// It is allowed, as in OpenFlow 1.0.
    Loose,
    /// It is refused, as from OpenFlow 1.1.
    Strict,
}

impl Scope {
    /// What it is called in a sentence: "in ...".
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Flow => "a flow",
            Self::PacketOut => "a packet-out",
            Self::Bucket => "a bucket of a group",
            Self::Clone => "clone",
            Self::ActionSet => "write_actions",
            Self::Connection => "ct(exec(...))",
        }
    }

    /// Whether an action may stand in such a list.
    pub(super) fn allows(self, action: &Action) -> bool {
        match self {
            Self::Flow => true,
            Self::PacketOut | Self::Bucket | Self::Clone => {
                !is_instruction(action) && !matches!(action, Action::Conjunction { .. })
            }
            Self::ActionSet => is_for_action_set(action),
            Self::Connection => writes_connection(action),
        }
    }
}

/// Whether it is an instruction of OpenFlow 1.1 and later, not an action.
const fn is_instruction(action: &Action) -> bool {
    matches!(
        action,
        Action::Meter(_)
            | Action::StatTrigger(_)
            | Action::ClearActions
            | Action::WriteActions(_)
            | Action::WriteMetadata { .. }
            | Action::GotoTable(_)
    )
}

/// Whether the action set has a place for it.
///
/// Source: `action_set_classify` of OVS; OpenFlow 1.5.1 §5.6.
fn is_for_action_set(action: &Action) -> bool {
    match action {
        Action::Controller(controller) => {
            *controller == Controller { max_len: controller.max_len, ..Controller::default() }
        }
        Action::Output(_)
        | Action::OutputMax { .. }
        | Action::Group(_)
        | Action::Resubmit { .. }
        | Action::Ct(_)
        | Action::SetField { .. }
        | Action::SetVlanVid(_)
        | Action::SetVlanPcp(_)
        | Action::Load { .. }
        | Action::Move { .. }
        | Action::SetQueue(_)
        | Action::PushVlan { .. }
        | Action::PopVlan
        | Action::PushMpls { .. }
        | Action::PopMpls { .. }
        | Action::PushPbb
        | Action::PopPbb
        | Action::Encap(_)
        | Action::Decap { .. }
        | Action::DecTtl { .. }
        | Action::DecMplsTtl
        | Action::DecNshTtl
        | Action::CopyTtlOut
        | Action::CopyTtlIn => true,
        _ => false,
    }
}

/// Whether it writes nothing but what a connection keeps.
fn writes_connection(action: &Action) -> bool {
    let is_edit = matches!(action, Action::SetField { .. } | Action::Load { .. } | Action::Move { .. });
    is_edit && action.writes().is_some_and(is_of_connection)
}

/// Whether only `ct` may write it.
pub(super) const fn is_of_connection(field: FieldId) -> bool {
    matches!(field, FieldId::CtMark | FieldId::CtLabel)
}

/// Where the instructions of a list stand: each kind behind those of a lower number. Note is at home everywhere.
pub(super) const fn rank(action: &Action) -> u8 {
    match action {
        Action::Meter(_) => 0,
        Action::StatTrigger(_) => 2,
        Action::ClearActions => 3,
        Action::WriteActions(_) => 4,
        Action::WriteMetadata { .. } => 5,
        Action::GotoTable(_) => 6,
        _ => 1,
    }
}

/// Whether packets can be sent to a port from such a list.
pub(super) fn is_output(port: OfPort, scope: Scope) -> bool {
    match port {
        OfPort::NONE => false,
        OfPort::TABLE => scope == Scope::PacketOut,
        port => port < OfPort(0xff00) || port >= OfPort::IN_PORT,
    }
}

/// Whether it is one port: a numbered one, the one it came by, or the bridge's own.
pub(super) fn is_single(port: OfPort) -> bool {
    port < OfPort(0xff00) || matches!(port, OfPort::IN_PORT | OfPort::LOCAL)
}

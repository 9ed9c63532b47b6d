//! Roles: who may write.

use netloom_flow::BridgeId;
use netloom_openflow::msg::{Role, RoleMessage, RoleReason, RoleStatus};
use netloom_openflow::{Message, OfError};

use super::{Connection, Handled};
use crate::switch::Switch;

impl Switch {
    pub(super) fn handle_role(
        &mut self,
        bridge: BridgeId,
        connection: &mut Connection,
        request: &RoleMessage,
        handled: &mut Handled,
    ) {
        let Some(bridge) = self.bridges.get_mut(bridge) else { return };
        let orders = matches!(request.role, Role::Primary | Role::Secondary);
        if let Some(generation) = request.generation.filter(|_| orders) {
            if bridge.generation.is_some_and(|known| is_older(generation, known)) {
                return handled.refuse(OfError::RrfcStale);
            }
            bridge.generation = Some(generation);
        }
        if request.role != Role::NoChange {
            connection.role = request.role;
        }
        handled.demotes_others = request.role == Role::Primary;
        let generation = bridge.generation.or(Some(u64::MAX)).filter(|_| !request.nicira);
        let reply = RoleMessage { role: connection.role, generation, nicira: request.nicira };
        handled.reply(Message::RoleReply(reply));
    }

    /// The generation of the last change of roles at a bridge.
    #[must_use]
    pub fn role_generation(&self, bridge: BridgeId) -> Option<u64> {
        self.bridges.get(bridge)?.generation
    }
}

/// Generations go round. Source: OpenFlow 1.3 section 6.3.4.
const fn is_older(new: u64, known: u64) -> bool {
    new.wrapping_sub(known) > u64::MAX / 2
}

impl Connection {
    pub(super) fn role_status(&self, generation: Option<u64>) -> Option<Message> {
        let reason = RoleReason::PrimaryRequest;
        let status = RoleStatus { role: self.role, reason, generation };
        self.wants_role_status(reason as u8).then_some(Message::RoleStatus(status))
    }
}

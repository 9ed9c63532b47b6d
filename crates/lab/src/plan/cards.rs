//! Whether a virtual machine goes on with other cards and addresses, or is another machine that has to be made.
//!
//! Cards come and go while it runs. Addresses, routes and the like are set by netloom in the guest, where it is there; all else
//! a guest is told when it boots.

use super::compare::NodeDelta;
use crate::lab::{Interface, Node, Vm};

/// Whether a node that is or becomes a virtual machine cannot be changed while it runs.
pub(super) fn is_another_machine(old: &Node, new: &Node) -> bool {
    match (&old.vm, &new.vm) {
        (None, None) => false,
        (Some(_), Some(vm)) => rest(old) != rest(new) || !can_change(old, new, vm),
        _ => true,
    }
}

/// All of a node but its network, where the file has it, and whether it is to be off at first.
fn rest(node: &Node) -> Node {
    let vm = node.vm.clone().map(|vm| Box::new(Vm { standby: false, ..*vm }));
    Node { line: 0, interfaces: Vec::new(), routes: Vec::new(), vm, ..node.clone() }
}

/// Whether the network of a machine can become that of `new` while it runs.
fn can_change(old: &Node, new: &Node, vm: &Vm) -> bool {
    let delta = NodeDelta::between(old, new);
    let same_cards = delta.added.is_empty() && delta.removed.is_empty();
    // A board without slots keeps the cards it was made with. Cards that come may need their slots before those that go have left theirs.
    let has_room = same_cards || old.interfaces.len() + delta.added.len() <= vm.slots();
    let stays = |card: &Interface| {
        let Some(after) = new.interface(&card.name) else { return true };
        let told = (card.mtu, &card.addresses) == (after.mtu, &after.addresses);
        (card.mac, &card.link, &card.tenant) == (after.mac, &after.link, &after.tenant)
            && (told || vm.is_ours())
    };
    // A guest of its own asks for addresses and routes when a card comes, and at no other time.
    let knows_routes = vm.is_ours() || !same_cards || old.routes == new.routes;
    has_room && knows_routes && old.interfaces.iter().all(stays)
}

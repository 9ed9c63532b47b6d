//! Clone: a list of actions whose edits are undone afterwards.
//!
//! Edits touch headers only, so no copy of the frame is made: its head is put aside and put back.

use netloom_flow::DpAction;

use crate::execute::Carried;
use crate::execute::list::steps;
use crate::frame::HEADROOM;
use crate::wiring::Wiring;

/// Bytes of the frame that an action may edit: as far as headers go, and as far as those in front move when the longest
/// Network Service Header is popped.
const HEAD: usize = 320;
/// Lists within lists are carried out down to this depth.
const DEPTH: u8 = 16;

pub(crate) fn run(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, actions: &[DpAction], depth: u8) {
    let edits = actions.iter().any(|action| {
        !matches!(
            action,
            DpAction::Output(_)
                | DpAction::Enqueue { .. }
                | DpAction::Tunnel { .. }
                | DpAction::Userspace(_)
                | DpAction::Drop(_)
        )
    });
    if depth >= DEPTH {
        return;
    }
    if !edits {
        steps(wiring, carried, actions, depth + 1);
        return;
    }
    // The checksum of a frame may be completed by an output; it must not be undone by half.
    carried.finish_far_checksum(HEAD);
    let aside = Aside::take(carried);
    steps(wiring, carried, actions, depth + 1);
    aside.put_back(carried);
}

/// A frame's head and state, put aside.
struct Aside {
    head: [u8; HEAD],
    state: crate::frame::State,
    headers: netloom_packet::Headers,
    wire: netloom_packet::Wire,
    ct: Option<crate::conntrack::Tracked>,
}

impl Aside {
    fn take(carried: &Carried<'_, '_>) -> Self {
        let mut head = [0; HEAD];
        head.iter_mut().zip(carried.frame.data()).for_each(|(to, from)| *to = *from);
        let Carried { headers, wire, ct, .. } = *carried;
        Self { head, state: carried.frame.state(), headers, wire, ct }
    }

    fn put_back(self, carried: &mut Carried<'_, '_>) {
        carried.frame.restore(self.state);
        carried.frame.data_mut().iter_mut().zip(self.head).for_each(|(to, from)| *to = from);
        (carried.headers, carried.wire, carried.ct) = (self.headers, self.wire, self.ct);
    }
}

const _: () = assert!(HEADROOM < HEAD, "a head is longer than what can be pushed in front of it");

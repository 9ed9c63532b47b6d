//! Userspace: a finished copy of each wire packet is put aside for a controller.
//!
//! Nobody is called from here: copies wait in a short list, which the worker hands to the slow path when the frame
//! they came from is through.

use std::sync::Arc;

use netloom_flow::{DropReason, Punt};

use crate::execute::{Carried, wire};
use crate::wiring::{PUNTS, Punted, Wiring};

pub(crate) fn copy(wiring: &mut Wiring, carried: &mut Carried<'_, '_>, punt: &Arc<Punt>) {
    wire::each(wiring, carried, &mut |wiring, carried| {
        if wiring.punts.len() >= PUNTS {
            return wiring.drop(carried.in_port, DropReason::ControllerFull, 1);
        }
        wire::finish(carried);
        match wiring.pool.own(carried.frame) {
            Some(packet) => {
                wiring.punts.push(Punted { packet, punt: Arc::clone(punt), port: carried.in_port });
            }
            None => wiring.drop(carried.in_port, DropReason::PoolExhausted, 1),
        }
    });
}

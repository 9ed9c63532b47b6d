//! Netloom's prober in a guest: the way in for [`crate::probe`].

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use netloom_lab::lab::Node;
use netloom_vm::frame::{CHUNK, Frame, Open};

use super::{Machine, Machines, Spoken};
use crate::probe::{Guest, Heard, Inside, Place};

/// What netloom is told to be in the guest: `netloom guest probe`.
const WORD: &str = "probe";

impl Machines {
    /// Whose kernel the sockets of a node are.
    pub(in crate::engine) fn place(&self, node: &Node) -> Place {
        match &node.vm {
            None => Place::Here,
            Some(vm) if !vm.is_ours() => Place::Closed,
            Some(_) => match self.of(&node.name) {
                Some(machine) => Place::Guest(machine),
                None => Place::Closed,
            },
        }
    }
}

impl Guest for Machine {
    fn enter(&self, goes_on: &dyn Fn() -> bool) -> Result<Box<dyn Inside>, String> {
        self.await_agent(goes_on)?;
        let open = Open { argv: vec![WORD.to_owned()], own: true, ..Open::default() };
        Ok(Box::new(self.open(open).map_err(|error| error.to_string())?))
    }
}

impl Inside for Spoken {
    fn say(&self, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return Self::say(self, Frame::Stdin(bytes));
        }
        bytes.chunks(CHUNK).for_each(|chunk| Self::say(self, Frame::Stdin(chunk.to_vec())));
    }

    fn poll(&self) -> Option<Heard> {
        loop {
            let heard = match Self::poll(self)? {
                Frame::Stdout(bytes) => Heard::Bytes(bytes),
                Frame::Stderr(bytes) => Heard::Complaint(bytes),
                Frame::Exit(_) => return Some(Heard::Over),
                _ => continue,
            };
            self.taken();
            return Some(heard);
        }
    }

    fn ready(&self) -> BorrowedFd<'_> {
        Self::ready(self)
    }
}

/// The way into a node, if its kernel is another one.
pub(in crate::engine) fn guest(place: Place) -> Option<Arc<dyn Guest>> {
    match place {
        Place::Guest(guest) => Some(guest),
        Place::Here | Place::Closed => None,
    }
}

//! Two ends in memory, in place of a device.
//!
//! ```text
//! test  end.send() ──────> other.receive()  driver under test
//!       end.receive() <─── other.send()
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Packet;

/// Makes wires.
#[derive(Debug)]
pub struct Wire;

/// One end of a wire. Copies are the same end.
#[derive(Debug, Clone)]
pub struct WireEnd {
    state: Arc<Mutex<State>>,
    side: usize,
}

#[derive(Debug)]
struct State {
    /// What each side has yet to receive.
    queues: [VecDeque<Packet>; 2],
    limit: usize,
    up: bool,
}

/// Why an end took no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// The other end has as many packets waiting as the wire holds.
    Full,
    /// The wire is down.
    Down,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "The wire is full",
            Self::Down => "The wire is down",
        })
    }
}

impl std::error::Error for WireError {}

impl Wire {
    /// Both ends of a wire that is up and holds 1,024 packets in each direction.
    #[must_use]
    pub fn ends() -> (WireEnd, WireEnd) {
        Self::with_limit(1024)
    }

    /// Both ends of a wire that is up and holds `limit` packets in each direction.
    #[must_use]
    pub fn with_limit(limit: usize) -> (WireEnd, WireEnd) {
        let state = Arc::new(Mutex::new(State { queues: Default::default(), limit, up: true }));
        (WireEnd { state: state.clone(), side: 0 }, WireEnd { state, side: 1 })
    }
}

impl WireEnd {
    /// Sends to the other end.
    ///
    /// # Errors
    /// [`WireError`]; the packet is gone.
    pub fn send(&self, packet: Packet) -> Result<(), WireError> {
        let mut state = self.state();
        if !state.up {
            return Err(WireError::Down);
        }
        let limit = state.limit;
        let queue = &mut state.queues[1 - self.side];
        if queue.len() >= limit {
            return Err(WireError::Full);
        }
        queue.push_back(packet);
        Ok(())
    }

    /// The oldest packet that waits at this end.
    #[must_use]
    pub fn receive(&self) -> Option<Packet> {
        self.state().queues[self.side].pop_front()
    }

    /// All packets that wait at this end.
    #[must_use]
    pub fn drain(&self) -> Vec<Packet> {
        self.state().queues[self.side].drain(..).collect()
    }

    /// How many packets wait at this end.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state().queues[self.side].len()
    }

    /// Takes the wire down, or up again. What is on its way still arrives.
    pub fn set_up(&self, up: bool) {
        self.state().up = up;
    }

    /// Fails the test unless nothing waits here, and says what does.
    ///
    /// # Panics
    /// If something waits.
    #[track_caller]
    pub fn assert_silent(&self) {
        let waiting: Vec<_> = self.drain().iter().map(|p| crate::describe(&p.bytes)).collect();
        assert!(waiting.is_empty(), "nothing should have arrived, but: {waiting:#?}");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;

    #[test]
    fn both_ways_in_order() {
        let (a, b) = Wire::ends();
        let (x, y) = (Host::new(1), Host::new(2));
        a.send(x.ping(&y, 1)).unwrap();
        a.send(x.ping(&y, 2)).unwrap();
        b.send(y.ping(&x, 3)).unwrap();
        assert_eq!((a.waiting(), b.waiting()), (1, 2));
        assert_eq!(b.receive(), Some(x.ping(&y, 1)));
        assert_eq!(b.clone().drain(), [x.ping(&y, 2)]);
        assert_eq!(a.receive(), Some(y.ping(&x, 3)));
        assert_eq!(a.receive(), None);
        a.assert_silent();
    }

    #[test]
    fn full_and_down() {
        let (a, b) = Wire::with_limit(1);
        let p = Packet::plain([0; 14]);
        assert_eq!(a.send(p.clone()), Ok(()));
        assert_eq!(a.send(p.clone()), Err(WireError::Full));
        b.set_up(false);
        assert_eq!(a.send(p.clone()), Err(WireError::Down));
        assert_eq!(b.receive(), Some(p), "it was on its way");
    }

    #[test]
    #[should_panic(expected = "14 bytes")]
    fn silence_is_checked() {
        let (a, b) = Wire::ends();
        a.send(Packet::plain([0; 14])).unwrap();
        b.assert_silent();
    }
}

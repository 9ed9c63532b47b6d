//! Who has to wake whom (virtio 1.3 §2.7.7, §2.7.10).

use std::sync::atomic::{Ordering, fence};

use super::queue::at;
use super::{Broken, Queue};
use crate::memory::{GuestMemory, Unmapped};

impl Queue {
    /// Whether the guest wants to be told of what was published since it was last asked for.
    ///
    /// # Errors
    /// [`Unmapped`] if the available ring is not in the guest's memory.
    pub fn must_notify<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Result<bool, Unmapped> {
        // What was published must be visible before the guest's wish is read: it may be falling asleep just now.
        fence(Ordering::SeqCst);
        let (old, new) = (self.told, self.next_used);
        if old == new {
            return Ok(false);
        }
        self.told = new;
        if self.event_idx {
            let event = memory.load(at(self.layout.available, 4 + 2 * u64::from(self.size))?)?;
            return Ok(crosses(event, old, new));
        }
        Ok(memory.load(self.layout.available)? & NO_INTERRUPT == 0)
    }

    /// Asks the guest to tell us of the next chain it offers; whether some came meanwhile, so that there is no reason to sleep.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn wait<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Result<bool, Broken> {
        if self.event_idx {
            memory.store(self.avail_event()?, self.next_available)?;
        } else {
            memory.store(self.layout.used, 0)?;
        }
        fence(Ordering::SeqCst);
        Ok(self.available(memory)? > 0)
    }

    /// Tells the guest that we look by ourselves.
    ///
    /// # Errors
    /// [`Unmapped`] if the used ring is not in the guest's memory.
    pub fn look_on<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Result<(), Unmapped> {
        // By index, there is nothing to write: the index that was waited for has passed.
        if self.event_idx { Ok(()) } else { memory.store(self.layout.used, NO_NOTIFY) }
    }

    fn avail_event(&self) -> Result<u64, Unmapped> {
        at(self.layout.used, 4 + 8 * u64::from(self.size))
    }
}

/// Whether the step from `old` to `new` passes `event` (virtio 1.3 §2.7.7.2).
fn crosses(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

/// In the available ring: the guest looks by itself.
const NO_INTERRUPT: u16 = 1;
/// In the used ring: we look by ourselves.
const NO_NOTIFY: u16 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_crossed_once_also_where_numbers_wrap() {
        assert!(crosses(5, 5, 6));
        assert!(!crosses(6, 5, 6));
        assert!(!crosses(4, 5, 6));
        assert!(crosses(7, 5, 9));
        assert!(crosses(0xffff, 0xfffe, 1));
        assert!(!crosses(1, 0xfffe, 1));
    }
}

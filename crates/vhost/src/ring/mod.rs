//! Split virtqueues, the device's side (virtio 1.3 §2.7).
//!
//! ```text
//! descriptors  [ address u64 | length u32 | flags u16 | next u16 ] * size
//! available    flags u16 | index u16 | head u16 * size | used_event u16      written by the guest
//! used         flags u16 | index u16 | (head u32 | length u32) * size | avail_event u16    written by us
//! ```

mod chain;
mod descriptor;
mod notify;
mod queue;

pub use chain::{Chain, Pieces, Span};
pub use queue::{Layout, Queue};

use crate::memory::Unmapped;

/// Why a ring makes no sense. It is stopped: what the guest meant cannot be known any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The guest says that more buffers are available than the ring has room for.
    #[error("{0} buffers available in a ring of {1}")]
    Available(u16, u16),
    /// A descriptor that does not exist.
    #[error("Descriptor {0} of {1}")]
    Descriptor(u16, u16),
    /// A chain that comes back to itself, or is longer than the ring.
    #[error("A chain of more than {0} descriptors")]
    Endless(u16),
    /// A table of descriptors inside another one, chained on, or of a length that is not a whole number of them.
    #[error("A table of descriptors of {0} bytes that is not allowed")]
    Indirect(u32),
    /// A buffer to be read after one to be written.
    #[error("A buffer to read behind one to write")]
    Order,
    /// A ring or a table is not in the guest's memory.
    #[error(transparent)]
    Unmapped(#[from] Unmapped),
}

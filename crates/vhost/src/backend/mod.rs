//! The session with a front end: messages in; replies, and calls of a [`Host`], out.

mod session;
#[cfg(test)]
mod tests;
mod vring;

pub use session::{Backend, Violation};
pub use vring::RingStart;

use std::error::Error;

use crate::memory::Region;
use crate::message::LogArea;

/// Who maps memory and holds file descriptors for a [`Backend`].
///
/// A ring that was [started](Host::start) is to be served until it is [stopped](Host::stop); one that is not
/// [enabled](Host::enable) takes no frames meanwhile, and those that its guest sends are thrown away.
pub trait Host {
    /// A file descriptor, owned.
    type Fd;
    /// Why a wish could not be met.
    type Error: Error + 'static;

    /// What was agreed: the device's features. [`LOG_ALL`](crate::feature::LOG_ALL) comes and goes while rings run.
    fn features(&mut self, features: u64);

    /// Maps these regions in place of all there were.
    ///
    /// # Errors
    /// One cannot be mapped.
    fn map_all(&mut self, regions: Vec<(Region, Self::Fd)>) -> Result<(), Self::Error>;

    /// Maps one more region.
    ///
    /// # Errors
    /// It cannot be mapped.
    fn map(&mut self, region: Region, fd: Self::Fd) -> Result<(), Self::Error>;

    /// Lets go of a region; running rings are not in it.
    fn unmap(&mut self, region: &Region);

    /// Logs written pages there, while features say so.
    ///
    /// # Errors
    /// It cannot be mapped.
    fn log(&mut self, area: LogArea, fd: Self::Fd) -> Result<(), Self::Error>;

    /// By which the guest tells of new buffers; none: look by yourself.
    fn kick(&mut self, queue: usize, fd: Option<Self::Fd>);

    /// By which the guest is told of used buffers; none: it looks by itself.
    fn call(&mut self, queue: usize, fd: Option<Self::Fd>);

    /// By which the front end is told that a ring is broken.
    fn error(&mut self, queue: usize, fd: Option<Self::Fd>);

    /// A ring may be served from now on.
    ///
    /// # Errors
    /// Its parts are not in the memory that is mapped.
    fn start(&mut self, queue: usize, ring: RingStart) -> Result<(), Self::Error>;

    /// A ring is not touched any more; the entry of the available ring to go on with, if it was served.
    fn stop(&mut self, queue: usize) -> Option<u16>;

    /// Frames of a started ring count, or do not.
    fn enable(&mut self, queue: usize, on: bool);

    /// The guest has moved here: its address is to be announced.
    fn announce(&mut self, address: [u8; 6]);
}

//! Processors that are kept from sleeping.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

use crate::error::{Because, HostError};

/// Idle processors of the whole machine wait awake for as long as this lives, at full power.
///
/// Source: the kernel's documentation of PM QoS: the device holds a wish, the longest wake-up time in microseconds
/// that is wanted, until it is closed; with 0, idle processors poll.
#[derive(Debug)]
pub struct Awake {
    _wish: OwnedFd,
}

impl Awake {
    /// Asks for it.
    ///
    /// # Errors
    /// `EACCES` to ordinary users; `ENOENT` where the kernel has no power management.
    pub fn keep() -> Result<Self, HostError> {
        let wish = rustix::fs::open(DEVICE, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .because("open", || DEVICE)?;
        rustix::io::write(&wish, &0i32.to_ne_bytes()).because("write to", || DEVICE)?;
        Ok(Self { _wish: wish })
    }
}

const DEVICE: &str = "/dev/cpu_dma_latency";

//! The namespace that holds our ends of veth pairs, where TAPs are not to be had.
//!
//! Both ends of a pair are born outside the machine's own namespace: nothing of the machine reacts to them, and
//! dropping the namespace takes all of them along.

use netloom_sys::HostError;
use netloom_sys::netns::NetNs;

/// A lab's namespace for our ends of veth pairs. Nothing in it ever has an address.
#[derive(Debug)]
pub(crate) struct Fabric {
    netns: NetNs,
}

impl Fabric {
    /// Makes the namespace.
    ///
    /// # Errors
    /// As [`NetNs::create`].
    pub(crate) fn create() -> Result<Self, HostError> {
        Ok(Self { netns: NetNs::create()? })
    }

    /// The namespace.
    pub(crate) fn netns(&self) -> &NetNs {
        &self.netns
    }

    /// The name of our end of the pair of port number `port`: unique in the fabric.
    pub(crate) fn name(port: u32) -> String {
        format!("p{port}")
    }
}

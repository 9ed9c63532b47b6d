//! The namespace of a lab's own, where it is tried whether TAPs are to be had, and which holds our ends of veth pairs where
//! they are not.
//!
//! Both ends of a pair are born outside the machine's own namespace: nothing of the machine reacts to them, and
//! dropping the namespace takes all of them along.

use netloom_sys::HostError;
use netloom_sys::netns::NetNs;
use netloom_sys::tap::Tap;

/// A lab's own namespace. Nothing in it ever has an address.
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

    /// Whether TAP devices can be had, tried on one that nobody sees.
    ///
    /// It stays, down, as long as the fabric: closing a TAP that is to go takes 20 ms, and the kernel clears a namespace away
    /// under the lock that making the next one needs.
    pub(crate) fn has_taps(&self) -> bool {
        let tried = self.netns.run(|| Tap::create("probe").and_then(|tap| tap.persist(true)));
        matches!(tried, Ok(Ok(())))
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

//! What the tests of this crate need to know of the machine; each says aloud why it skips.

use crate::netns::NetNs;
use crate::tap::Tap;

/// Whether this process may make network namespaces.
pub(crate) fn can_make_namespaces() -> bool {
    match NetNs::create() {
        Ok(_) => true,
        Err(error) => {
            eprintln!("skipped: {error}");
            false
        }
    }
}

/// Whether this process may make TAP devices in a namespace of its own.
pub(crate) fn can_make_taps() -> bool {
    if !can_make_namespaces() {
        return false;
    }
    match Tap::available() {
        Ok(()) => true,
        Err(error) => {
            eprintln!("skipped: {error}");
            false
        }
    }
}

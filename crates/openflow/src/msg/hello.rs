//! The first message of a connection.

use crate::Versions;

/// Which versions the sender speaks (`OFPT_HELLO`). The version byte of its header is the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The bitmap element of OpenFlow 1.3.1, if there is one (`OFPHET_VERSIONBITMAP`).
    pub versions: Option<Versions>,
}

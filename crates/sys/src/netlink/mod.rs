//! Links, addresses, routes and neighbours of one network namespace, by rtnetlink.
//!
//! ```text
//! [Request, Request, ..]  ──batch()──►  one send(2)  ──►  kernel acts on each in order  ──►  one recv(2): errors + last ACK
//!    values: recorded by tests             ▲ a NetlinkSocket belongs to the namespace it was opened in
//! ```
//! Errors are matched to requests by sequence number; only the last message asks for an ACK. A failing request does not
//! stop those after it. The messages are those of `netlink-packet-route`; sockets are our own, because it is the batch
//! that makes 0.2 ms out of a millisecond per node.

mod answer;
mod devlink;
mod recorder;
mod request;
mod socket;
mod vf;
mod watch;
mod way;

pub use answer::{Address, Link, Neighbour, NeighbourState, Route};
pub use devlink::{EswitchMode, eswitch_mode};
pub use recorder::NetlinkRecorder;
pub use request::{LinkChange, NewLink, Request, RouteSpec};
pub use socket::{BatchError, Failed, NetlinkSocket};
pub use vf::{Vf, VfSetting, VfState};
pub use watch::{LinkNews, LinkWatch, Told};
pub use way::{Hop, Way};

use crate::error::HostError;

/// What can be asked of a namespace's network configuration.
pub trait Netlink {
    /// Carries out `requests` in order, all of them even if one fails.
    ///
    /// # Errors
    /// Which of them failed and why, or that the socket did.
    fn batch(&mut self, requests: &[Request]) -> Result<(), BatchError>;

    /// All interfaces.
    ///
    /// # Errors
    /// The host refused, or answered something unreadable (`EBADMSG`).
    fn links(&mut self) -> Result<Vec<Link>, HostError>;

    /// All addresses, of both families.
    ///
    /// # Errors
    /// As [`Netlink::links`].
    fn addresses(&mut self) -> Result<Vec<Address>, HostError>;

    /// All routes of the main table, of both families.
    ///
    /// # Errors
    /// As [`Netlink::links`].
    fn routes(&mut self) -> Result<Vec<Route>, HostError>;

    /// All neighbour entries (ARP and ND), of both families.
    ///
    /// # Errors
    /// As [`Netlink::links`].
    fn neighbours(&mut self) -> Result<Vec<Neighbour>, HostError>;
}

//! DHCP for IPv6: the one address of an interface (IA_NA), and name servers.
//!
//! Source: RFC 8415, 3646.

mod message;
mod server;

pub(crate) use message::read;
pub(crate) use server::answer;

/// The port servers listen at.
pub(crate) const SERVER: u16 = 547;

/// Options that are read or written.
mod option {
    pub(super) const CLIENT_ID: u16 = 1;
    pub(super) const SERVER_ID: u16 = 2;
    pub(super) const IA_NA: u16 = 3;
    pub(super) const IA_TA: u16 = 4;
    pub(super) const ADDRESS: u16 = 5;
    pub(super) const STATUS: u16 = 13;
    pub(super) const RAPID_COMMIT: u16 = 14;
    pub(super) const NAME_SERVERS: u16 = 23;
    pub(super) const SEARCH: u16 = 24;
    pub(super) const IA_PD: u16 = 25;
}

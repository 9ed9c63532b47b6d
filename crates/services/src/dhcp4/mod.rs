//! DHCP for IPv4.
//!
//! Source: RFC 2131; 2132 and 3442 (options), 6842 (the client identifier comes back).

mod message;
mod reply;
mod server;

pub(crate) use message::read;
pub(crate) use server::answer;

/// The port servers listen at.
pub(crate) const SERVER: u16 = 67;
/// The port clients listen at.
pub(crate) const CLIENT: u16 = 68;

/// Options that are read or written.
mod option {
    pub(super) const SUBNET_MASK: u8 = 1;
    pub(super) const ROUTER: u8 = 3;
    pub(super) const NAME_SERVER: u8 = 6;
    pub(super) const HOST_NAME: u8 = 12;
    pub(super) const DOMAIN_NAME: u8 = 15;
    pub(super) const MTU: u8 = 26;
    pub(super) const BROADCAST: u8 = 28;
    pub(super) const REQUESTED: u8 = 50;
    pub(super) const LEASE_TIME: u8 = 51;
    pub(super) const OVERLOAD: u8 = 52;
    pub(super) const KIND: u8 = 53;
    pub(super) const SERVER_ID: u8 = 54;
    pub(super) const WANTED: u8 = 55;
    pub(super) const MAX_LEN: u8 = 57;
    pub(super) const RENEW: u8 = 58;
    pub(super) const REBIND: u8 = 59;
    pub(super) const CLIENT_ID: u8 = 61;
    pub(super) const ROUTES: u8 = 121;
    pub(super) const END: u8 = 255;
}

/// Bytes in front of the options, the magic cookie included.
const FIXED: usize = 240;
const COOKIE: [u8; 4] = [99, 130, 83, 99];

//! What a network answers by itself.

use std::net::{Ipv4Addr, Ipv6Addr};

use netloom_flow::TenantId;
use serde::{Deserialize, Serialize};

use super::id;

/// The service of a network: packets for it are handed up, and answered by whoever runs the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Whose network it is: what others send passes by.
    #[serde(with = "id")]
    pub tenant: TenantId,
    /// Its link-layer address: all that is sent there is for it.
    pub mac: [u8; 6],
    /// Its IPv4 address.
    #[serde(default)]
    pub v4: Option<Ipv4Addr>,
    /// Its IPv6 addresses, the link-local one included.
    #[serde(default)]
    pub v6: Vec<Ipv6Addr>,
    /// Whether it is also for whoever looks for DHCP servers and routers.
    #[serde(default)]
    pub dhcp: bool,
}

//! From a resolved lab to values that the switch, the datapath and the hosts understand. Pure: nothing is touched here.

mod hosts;
mod ports;
mod tunnels;

pub(crate) use hosts::host_net;
pub(crate) use ports::{PortMap, door_worker, port_specs, shares};
pub(crate) use tunnels::tunnel_settings;

use netloom_flow::TenantId;
use netloom_lab::Lab;

/// The number of a tenant; one that the lab does not know shares nothing with anybody.
fn tenant(lab: &Lab, name: &str) -> TenantId {
    TenantId(lab.tenant_id(name).unwrap_or(u16::MAX))
}

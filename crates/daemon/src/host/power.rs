//! Taking a host's interfaces down and up again, as when it is switched off and on.

use netloom_sys::netlink::{LinkChange, Netlink as _, NetlinkSocket, Request};

use super::furnish::{self, FurnishError, HostNet};

/// Takes the interfaces of the calling thread's namespace down. The kernel forgets their routes and IPv6 addresses.
///
/// # Errors
/// What the host refused first.
pub(crate) fn lower(net: &HostNet) -> Result<(), FurnishError> {
    let mut netlink = NetlinkSocket::open()?;
    let down = LinkChange { up: Some(false), ..LinkChange::default() };
    let index = |name: &str| netlink.index_of(name);
    let indexes = net.interfaces.iter().map(|i| index(&i.name)).collect::<Result<Vec<_>, _>>()?;
    let requests: Vec<Request> =
        indexes.into_iter().map(|index| Request::SetLink { index, change: down.clone() }).collect();
    Ok(netlink.batch(&requests)?)
}

/// Takes the interfaces up, with all addresses and routes they are to have.
///
/// # Errors
/// What the host refused first.
pub(crate) fn raise(net: &HostNet) -> Result<(), FurnishError> {
    let mut netlink = NetlinkSocket::open()?;
    let indexes = net.interfaces.iter().map(|i| netlink.index_of(&i.name)).collect::<Result<Vec<_>, _>>()?;
    let known = netlink.addresses()?;
    let mut requests = Vec::new();
    for (interface, &index) in net.interfaces.iter().zip(&indexes) {
        furnish::interface(&net.lab, interface, index, &mut requests);
    }
    // IPv4 addresses outlast the night.
    requests.retain(|request| match request {
        Request::AddAddress { index, address, .. } => {
            !known.iter().any(|known| (known.index, known.address) == (*index, *address))
        }
        _ => true,
    });
    requests.extend(net.routes.iter().map(|route| Request::SetRoute(furnish::route(route, net, &indexes))));
    Ok(netlink.batch(&requests)?)
}

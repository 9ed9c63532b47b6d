//! The devices behind interfaces.

use netloom_flow::PortId;
use netloom_netdev::{PacketPort, TapPort};
use netloom_sys::Errno;
use netloom_sys::packet_socket::{PacketOptions, PacketSocket};
use netloom_sys::tap::Tap;

use super::desired::{Interface, Kind};
use super::dummy::Dummies;
use super::links::Links;
use crate::core::Core;
use crate::engine::tunnels::{TunnelError, Tunnels};
use crate::worker::Device;

/// What came of opening an interface.
pub(super) struct Opened {
    /// What frames go through; a link to another bridge has none.
    pub(super) device: Option<Box<dyn Device>>,
    /// The index of the machine's interface, if it is one.
    pub(super) index: Option<u32>,
}

/// Opens the device of an interface, or makes it: an internal one is a TAP, which goes with this process.
///
/// # Errors
/// What OVS would write in the column `error`.
pub(super) fn open(
    interface: &Interface,
    port: PortId,
    (core, tunnels): (&Core, &Tunnels),
    links: &Links,
    (dummies, datapath): (&mut Dummies, &str),
    fresh: &mut dyn FnMut() -> PortId,
) -> Result<Opened, String> {
    let name = interface.name.as_str();
    let failed = |errno| cannot_open(name, errno);
    if let Some(files) = dummies.stands_for(&interface.kind, datapath) {
        let device = dummies.open(name, &files).map_err(|error| failed(error.errno))?;
        return Ok(Opened { device: Some(Box::new(device)), index: None });
    }
    match &interface.kind {
        Kind::System => {
            let index = links.named(name).ok_or_else(|| failed(Errno::NODEV))?.index;
            let socket = PacketSocket::open(index, PacketOptions::default()).map_err(|e| failed(e.errno))?;
            socket.promiscuous(index).map_err(|error| failed(error.errno))?;
            Ok(Opened { device: Some(Box::new(PacketPort::new(socket))), index: Some(index) })
        }
        Kind::Internal { .. } | Kind::Tap => {
            let tap = Tap::create(name).map_err(|error| failed(error.errno))?;
            let index = Some(tap.index());
            Ok(Opened { device: Some(Box::new(TapPort::new(tap))), index })
        }
        Kind::Patch { .. } => Ok(Opened { device: None, index: None }),
        Kind::Tunnel(settings) => match tunnels.open_as(core, port, (**settings).clone(), fresh) {
            Ok(device) => Ok(Opened { device: Some(device), index: None }),
            Err(TunnelError::Host(error)) => Err(failed(error.errno)),
            // Two tunnels for the same packets.
            Err(TunnelError::Taken) => Err(failed(Errno::EXIST)),
        },
        Kind::Dummy(_) => Err(failed(Errno::AFNOSUPPORT)),
        Kind::Bad(why) => Err(why.clone()),
    }
}

/// OVS's words.
fn cannot_open(name: &str, errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    format!("could not open network device {name} ({text})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_as_ovs_tells_it() {
        let text = cannot_open("eth7", Errno::NODEV);
        assert_eq!(text, "could not open network device eth7 (No such device)");
    }
}

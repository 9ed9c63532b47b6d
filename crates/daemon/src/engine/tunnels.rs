//! The tunnels of a lab: which doors are open, and what stands behind each port.
//!
//! A door is opened with the first tunnel that needs it, in the network namespace the daemon was started in, and closed
//! with the last. It is a port of the datapath without a place in any switch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use netloom_datapath::{Attach, PortSpec};
use netloom_flow::{PortId, TenantId};
use netloom_lab::tunnel::Tunnel;
use netloom_netdev::{Door, DoorKey, DoorPort, SttPort, TunnelKind, TunnelPort, TunnelSettings};
use netloom_sys::HostError;

use crate::core::Core;
use crate::wiring::{door_worker, tunnel_settings};
use crate::worker::Device;

/// Doors that are open, by what they listen to.
#[derive(Debug, Default)]
pub(crate) struct Tunnels {
    open: Mutex<BTreeMap<DoorKey, Opened>>,
}

/// The driver of a tunnel's port.
fn device(settings: TunnelSettings, door: &Door) -> Result<Box<dyn Device>, HostError> {
    Ok(match settings.kind {
        TunnelKind::Stt => Box::new(SttPort::new(settings, door)?),
        _ => Box::new(TunnelPort::new(settings, door)?),
    })
}

#[derive(Debug)]
struct Opened {
    door: Arc<Door>,
    port: PortId,
}

/// A tunnel could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TunnelError {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Another tunnel has its packets.
    #[error("Another tunnel of the lab has the same key and ends")]
    Taken,
}

impl Tunnels {
    /// The device of a tunnel's port; `fresh` gives a number to the port of its door.
    ///
    /// # Errors
    /// As [`Door::open`]; the same packets are another tunnel's.
    pub(crate) fn open(
        &self,
        core: &Core,
        port: PortId,
        tunnel: &Tunnel,
        fresh: &mut dyn FnMut() -> PortId,
    ) -> Result<Box<dyn Device>, TunnelError> {
        self.open_as(core, port, tunnel_settings(tunnel), fresh)
    }

    /// The same for a tunnel in the words of its driver.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn open_as(
        &self,
        core: &Core,
        port: PortId,
        settings: TunnelSettings,
        fresh: &mut dyn FnMut() -> PortId,
    ) -> Result<Box<dyn Device>, TunnelError> {
        // It may have been another tunnel before.
        self.close(core, port);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let door = match open.get(&settings.door()) {
            Some(opened) => Arc::clone(&opened.door),
            None => {
                let door = Door::open(&settings, core.tunnel_options())?;
                let opened = Opened { door: Arc::clone(&door), port: fresh() };
                let worker = door_worker(&settings.door(), u16::try_from(core.workers()).unwrap_or(1));
                let spec = PortSpec::new(opened.port, TenantId(u16::MAX), Attach::Switch);
                let spec = PortSpec { worker, ..spec };
                core.add_door(&spec, Box::new(DoorPort::new(Arc::clone(&door))?));
                open.insert(settings.door(), opened);
                door
            }
        };
        drop(open);
        let device = device(settings.clone(), &door);
        let admitted = door.admit(port, &settings);
        match device {
            Ok(device) if admitted => Ok(device),
            failed => {
                self.close(core, port);
                failed?;
                Err(TunnelError::Taken)
            }
        }
    }

    /// A port is a tunnel no more, or never was.
    pub(crate) fn close(&self, core: &Core, port: PortId) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, opened| {
            let is_last = opened.door.dismiss(port);
            if is_last {
                core.remove_port(opened.port);
                // The next one at this port needs the socket closed.
                core.settle();
            }
            !is_last
        });
    }

    /// The port of the door of such tunnels, if it is open.
    pub(crate) fn door_of(&self, settings: &TunnelSettings) -> Option<PortId> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&settings.door()).map(|opened| opened.port)
    }

    /// The ports of doors, and what they are called.
    pub(crate) fn doors(&self) -> Vec<(PortId, String)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().map(|(key, opened)| (opened.port, format!("tunnels, {}", key.protocol))).collect()
    }
}

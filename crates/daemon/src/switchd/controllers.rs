//! Controllers, as the OpenFlow service wants them.

use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};

use netloom_flow::Nanos;
use netloom_lab::target::Target;
use netloom_transport::Tls;

use super::desired::{Bridge, Controller, Desired};
use crate::openflow::{Control, Remote, Way};

/// The first pause between two calls, as OVS has it.
const FIRST: Nanos = Nanos::from_secs(1);

/// How a bridge is to be controlled. Relative paths are in `dir`.
pub(super) fn control(desired: &Desired, bridge: &Bridge, dir: &Path) -> Control {
    let remote = |controller: &Controller| Remote {
        // By it the row is found again.
        name: controller.uuid.to_string(),
        target: controller.target.clone(),
        way: way(desired, &controller.target, dir),
        probe: controller.probe,
        pauses: (FIRST.min(controller.max_backoff), controller.max_backoff),
        auxiliary: 0,
    };
    Control {
        versions: bridge.versions,
        standalone: !bridge.secure,
        remotes: bridge.controllers.iter().filter(|_| !desired.flow_restore_wait).map(remote).collect(),
    }
}

/// Controllers whose traffic passes a bridge whatever its flows say: those elsewhere.
pub(super) fn in_band(bridge: &Bridge) -> Vec<SocketAddrV4> {
    let wanted = bridge.controllers.iter().filter(|controller| controller.in_band);
    let address = |controller: &Controller| match Target::parse(&controller.target).ok()? {
        Target::Call { ip: std::net::IpAddr::V4(ip), port, .. } if !ip.is_loopback() => {
            Some(SocketAddrV4::new(ip, port))
        }
        _ => None,
    };
    wanted.filter_map(address).collect()
}

fn way(desired: &Desired, target: &str, dir: &Path) -> Way {
    let beside = |path: PathBuf| dir.join(path);
    match Target::parse(target) {
        Err(error) => Way::Never(error.to_string()),
        Ok(Target::Call { ip, port, tls: false }) => Way::Tcp(vec![SocketAddr::new(ip, port)], None),
        Ok(Target::Listen { ip, port, tls: false }) => Way::Listen(SocketAddr::new(ip, port), None),
        Ok(Target::CallUnix(path)) => Way::Unix(beside(path)),
        Ok(Target::ListenUnix(path)) => Way::ListenUnix(beside(path)),
        Ok(Target::Call { ip, port, .. }) => match certificates(desired) {
            Ok(tls) => Way::Tls(SocketAddr::new(ip, port), tls),
            Err(why) => Way::Never(why),
        },
        Ok(Target::Listen { ip, port, .. }) => match certificates(desired) {
            Ok(tls) => Way::Listen(SocketAddr::new(ip, port), Some(tls)),
            Err(why) => Way::Never(why),
        },
    }
}

/// Who we are, and whom we trust; or why nobody can know.
fn certificates(desired: &Desired) -> Result<Tls, String> {
    let [key, certificate, ca] = desired.ssl.as_ref().ok_or("no certificates: see `ovs-vsctl set-ssl`")?;
    let read = |path: &String| std::fs::read(path).map_err(|error| format!("{path}: {error}"));
    Tls::new(read(key)?, read(certificate)?, read(ca)?).map_err(|error| {
        match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        }
    })
}

//! Port drivers: what lies between the datapath and a device of the kernel.
//!
//! ```text
//!             TapPort                          PacketPort
//! read(2)  -> | header 12 | frame |         recvmmsg -> 32 x | header 12 | frame |, tag beside it
//!               parsed ^      ^ lent to the datapath as a Frame, room for more headers in front
//! write(2) <- | header 12 | frame |         sendmmsg <- small frames gathered until flush; large ones at once
//! ```
//! Both carry super-packets of up to 64 KiB and unfinished checksums through untouched. Neither ever blocks: a full queue
//! is a refusal that the datapath counts.

mod capture;
mod datagram;
mod dummy;
mod gateway;
mod interface;
mod packet;
mod pcapng;
mod scratch;
mod tap;
mod tunnel;
mod vhost;

pub use capture::{Capture, CaptureOptions, CaptureReader, CaptureTap};
pub use datagram::DatagramPort;
pub use dummy::{DummyControl, DummyFiles, DummyPort};

#[cfg(feature = "testing")]
pub use gateway::BareGateway;
pub use gateway::{
    Ask, Doors, GatewayControl, GatewayCounters, GatewayPort, GatewaySettings, GatewayShare, Inner, Protocol,
    Tell, Whither,
};
pub use interface::{InterfaceControl, InterfacePort};
pub use packet::PacketPort;
pub use pcapng::{Flow, PacketBlock, PcapngWriter};
pub use tap::TapPort;
pub use tunnel::{Door, DoorKey, DoorPort, InKey, OutKey, SttPort, TunnelKind, TunnelPort, TunnelSettings};
pub use vhost::{Copied, GuestStatus, Hold, HoldCount, VhostPort};

use netloom_datapath::Refused;
use netloom_sys::Errno;

/// How a device's error number is told to the datapath.
fn refused(errno: Errno) -> Refused {
    match errno {
        Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM => Refused::Full,
        other => Refused::Error(other.raw_os_error()),
    }
}

//! Tunnel ports of STT: frames of up to 64 KiB leave whole, and come whole.
//!
//! ```text
//! small frame   SttPort --- one packet ---------------------> raw socket      (routed by the kernel)
//! large frame   SttPort --- super-packet of TCP ------------> Injector        (next hop as the kernel has it: Ways)
//!               SttPort --- pieces, where no hop is known --> raw socket
//! both          DoorPort <-- pieces, mostly one ------------  raw socket, which claims the port from the kernel's TCP
//!                  | Stitcher: pieces put together, then key, sender, receiver: whose tunnel?
//!                  v
//!               the datapath, by the tunnel's port
//! ```
//!
//! A raw socket cannot send more than a link takes; a packet socket with a virtio-net header can, and to every device the
//! STT packet is an ordinary super-packet of TCP. Why both, ARCHITECTURE.md says.

mod port;
mod stitch;
mod ways;

pub use port::SttPort;
pub(super) use stitch::Stitcher;

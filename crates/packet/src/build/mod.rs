//! Writing whole packets: values in, bytes out, lengths and checksums right.
//!
//! ```
//! use netloom_packet::build::{Frame, Ip};
//! use netloom_packet::Mac;
//!
//! let ip = Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).udp(4000, 53, b"question");
//! let frame = Frame::ip(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]), ip).vlan(100);
//! let mut buffer = [0; 128];
//! assert_eq!(frame.emit(&mut buffer), Some(18 + 20 + 8 + 8));
//! ```
//!
//! It writes no IP options, extension headers or fragments, and no padding to 60 bytes: tests that need those
//! write bytes.

mod frame;
mod ip;
mod l4;

pub use frame::{Arp, Body, Frame};
pub use ip::{Ends, Ip};
pub use l4::{L4, Tcp};

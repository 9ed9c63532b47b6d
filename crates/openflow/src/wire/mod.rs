//! Messages as bytes of a version, and back.
//!
//! [`decode`] reads one message, [`encode`] writes one: a long reply becomes several frames. Each noun has a file
//! here as it has one in [`crate::msg`]; what a version has alone is in a folder of its own. Reading is strict where a
//! request is wrong, and gives the error that the peer is to be told. Writing leaves out what a version cannot say: a
//! controller of 1.0 sees as much of a flow as 1.0 has words for.

mod action;
mod asynchronous;
mod bundle;
mod controller;
mod counts;
mod decode;
mod encode;
mod error;
mod experimenter;
mod features;
mod flow_mod;
mod flow_removed;
mod group;
mod hello;
mod instruction;
mod meter;
mod multipart;
mod nicira;
mod oxm;
mod packet_in;
mod packet_in2;
mod packet_out;
mod port;
mod port_desc;
mod protocol;
mod queue;
mod reader;
mod role;
mod table;
mod v10;
mod v11;
mod writer;

pub use decode::decode;
pub use encode::{EncodeError, encode};
pub use protocol::Protocol;

pub(crate) use decode::{Shape, shape};
pub(crate) use multipart::prefix_len;

use netloom_flow::FlowMatch;

use crate::Version;

/// Whether a match can be said in full with the structure of a version's own flow mod; else 1.0 needs
/// [`crate::msg::FlowFormat::Nxm`].
#[must_use]
pub fn can_say(version: Version, matches: &FlowMatch) -> bool {
    match version {
        Version::V10 => v10::matches::can_say(matches),
        Version::V11 => v11::matches::can_say(matches),
        _ => oxm::can_say(matches),
    }
}

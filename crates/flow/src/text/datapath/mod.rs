//! Keys and actions of the datapath in the syntax of `ovs-dpctl`: what `dpctl/dump-flows` prints.
//!
//! ```text
//! recirc_id(0),in_port(2),packet_type(ns=0,id=0),eth(src=..),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0,frag=no)
//! set(ipv4(ttl=63)),ct(commit,zone=3),recirc(0x1)
//! ```
//!
//! A field that the mask leaves out is not printed, unless everything is asked for; one that it has whole has no mask.
//! What Open vSwitch's datapath has no words for (backbone headers, copied TTLs) has some of ours.
//!
//! It is only printed: nobody writes flows of our datapath by hand.
//!
//! Source: ovs-dpctl(8).

mod actions;
mod attribute;
mod key;

pub use actions::{actions, ct};
pub use key::key;

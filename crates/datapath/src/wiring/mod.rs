//! Everything behind an output: ports, their links and their devices.
//!
//! What is sent to a port is handled here to its end: it waits on a link, is handed to a driver, or arrives at
//! another switch. Arrivals are queued and looked up one after the other by [`crate::pass`], never by recursion.

mod board;
mod devices;
mod inner;
mod links;
mod punts;
mod qos;
mod waiting;

pub(crate) use board::{Arrival, PUNTS, Punted, Wiring};

//! The whole of it on a real machine: labs that are brought up by the command line, used, changed and taken down.
//!
//! Every test has a place of its own (`NETLOOM_RUN_DIR`), so no other lab of the machine is ever met. As root the tests
//! that make sense for both run twice, as root and as an ordinary user. What cannot be run is said aloud and counts as
//! passed: without root and without user namespaces that is all of it.

#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]
#![expect(clippy::disallowed_methods, reason = "tests of real processes measure real time")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod machine;
mod place;

mod appctl;
mod bad_days;
mod captures;
mod chaos;
mod compose;
mod containers;
mod controllers;
mod firewall;
mod guest;
mod hosts;
mod interfaces;
mod internet;
mod isolation;
mod kept;
mod leftovers;
mod limits;
mod links;
mod migration;
mod monitors;
mod networks;
mod nodes;
mod ofctl;
mod openflow;
mod ovsdb;
mod ports;
mod programs;
mod qos;
mod rows;
mod switchd;
mod tables;
mod trace;
mod tunnels;
mod updates;
mod vhost;
mod vms;

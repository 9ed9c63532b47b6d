//! The process behind a lab: sockets, threads and the clock.
//!
//! One daemon per lab, started by `netloom up`, gone with `netloom down`. What it does in order, each a file:
//!
//! 1. [`launch`]: the command line starts its own binary again as `netloom daemon --lab NAME` and waits for one
//!    line, ready or why not;
//! 2. [`process`]: a session of its own, the lab's directory ([`Home`]) and lock, what a dead daemon left is
//!    removed, log, pid file, socket, then the engine, at first without any thread ([`Boot`]);
//! 3. [`http`]: `api.sock`, HTTP/1.1; a command is handed to [`Engine::command`] on a thread of its own, a
//!    stream to [`Engine::stream`] with the bare socket;
//! 4. `openflow`: `<bridge>.mgmt` of every switch, for `ovs-ofctl` and controllers, on a thread of its own;
//! 5. `services`: what networks answer by themselves, addresses and names, on a thread of its own;
//! 6. after `down` the directory goes, the answer is sent, the process ends.
//!
//! Beside it, without any lab, [`ovsdb_server`] and [`switchd`] stand in for Open vSwitch's two daemons; [`ovs`] is what both
//! share.
//!
//! The shell knows nothing of packets; [`engine`] knows nothing of sockets.

mod asked;
mod core;
pub mod engine;
mod host;
pub mod http;
mod keeper;
pub mod launch;
mod openflow;
mod outside;
pub mod ovs;
pub mod ovsdb_server;
mod probe;
pub mod process;
mod punts;
mod service;
mod services;
mod slowpath;
mod state;
mod stream;
pub mod switchd;
mod trace;
mod tracked;
mod wiring;
mod worker;

pub use engine::{become_owner, copy_inside, remove_volumes};
pub use probe::probe_inside;
pub use service::{Boot, Engine, Prepared, Sink};
pub use state::{
    Home, HomeError, Homes, Identity, Lock, LockError, authorities, data_dir, docker_config, is_label,
};
pub use stream::{Conn, ConnError, End, Program, Stdio, pump};

//! What the stand-ins for Open vSwitch's daemons have in common: where their files are, how they are started and
//! controlled.
//!
//! - [`dirs`]: folders; [`socket`]: sockets in them; [`lock`] and [`pidfile`]: who has a file;
//! - [`detach`]: going into the background; [`log`]: the log, in Open vSwitch's form;
//! - [`unixctl`]: the control socket, for `ovs-appctl`.

pub mod detach;
pub mod dirs;
pub mod lock;
pub mod log;
pub mod pidfile;
pub mod socket;
pub mod unixctl;

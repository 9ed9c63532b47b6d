//! The threads that move packets: each owns a [`netloom_datapath::Worker`], an epoll set and nothing else.
//!
//! ```text
//! mail (changes) ──► thread: mail → due links → wait → service ready ports → ...
//!                         │ miss: slowpath, read view of the switch model
//! ```
//!
//! Everything that decides is pure and lives in `netloom-datapath`; here are the clock, the waiting and the mail.

mod shared;
mod spin;
mod standing;
mod thread;
mod vigil;

pub(crate) use thread::{Caller, Device, Mail, WorkerHandle};

//! The threads that move packets: each has a [`netloom_datapath::Worker`] and an epoll set, and nothing else. While it
//! waits, a thread with packets of controllers takes the worker and sends them itself ([`shared`]): to wake it takes longer.
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

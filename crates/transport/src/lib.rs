//! Bytes between a stream and an OpenFlow session.
//!
//! The session knows what bytes mean, the stream carries them, whatever it is: [`pump`] moves them, keeps the session's
//! deadlines, and lets no peer make more wait than [`Limits`] say. What a message does is the [`Peer`]'s. [`Tls`] wraps a
//! stream as `ssl:` and `pssl:` want it.

mod pump;
mod tls;

pub use pump::{End, Limits, Peer, pump};
pub use tls::{Tls, TlsError};

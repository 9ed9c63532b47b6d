//! Bytes between a stream and an OpenFlow session.
//!
//! The session knows what bytes mean, the stream carries them, whatever it is: [`pump`] moves them, keeps the session's
//! deadlines, and lets no peer make more wait than [`Limits`] and its [`Inbox`] say. What a message does is the [`Peer`]'s. [`Tls`] wraps a
//! stream as `ssl:` and `pssl:` want it.

mod inbox;
mod pump;
mod reader;
mod tls;

pub use inbox::{Inbox, Room};
pub use pump::{End, Limits, Peer, pump};
pub use reader::Reader;
pub use tls::{Tls, TlsError};
pub use tokio_rustls::client::TlsStream as ClientStream;

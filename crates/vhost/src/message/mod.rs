//! What goes over the socket: a header, a payload, and file descriptors beside it.

mod header;
mod payload;
mod request;

pub(crate) use header::reply;
pub use header::{HEADER, Header};
pub use payload::{BadMessage, LogArea, MAX_PAYLOAD, Message, VringAddress, VringFd};
pub use request::Request;

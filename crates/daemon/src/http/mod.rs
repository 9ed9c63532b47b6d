//! `api.sock`: HTTP/1.1 on a unix socket, one thread of tokio.
//!
//! ```text
//! accept -> peer (may this user?) -> route -> /v1/command -> dispatch (one exclusive command at a time)
//!                                                              -> a thread: Engine::command -> lines
//!                                          -> /v1/stream  -> 101, the bare socket -> a thread: Engine::stream
//! ```

mod answer;
mod dispatch;
mod peer;
mod route;
mod server;

pub(crate) use peer::may_ask;
pub use server::{Server, ServerError};

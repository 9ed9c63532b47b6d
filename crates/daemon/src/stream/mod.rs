//! The framed stream, as the engine holds it after the upgrade.

mod conn;
mod pump;

pub use conn::{Conn, ConnError};
pub use pump::{End, Program, Stdio, pump};

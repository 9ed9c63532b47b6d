//! JSON as OVSDB has it: members of objects that must be there or must not, text as Open vSwitch writes it, and
//! messages found in a stream of bytes.

mod members;
mod stream;
pub(crate) mod text;

pub(crate) use members::{Kinds, Members, is_id};
pub use stream::{Limits, StreamError};
pub(crate) use stream::{MessageReader, integer};

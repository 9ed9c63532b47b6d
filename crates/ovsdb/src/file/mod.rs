//! The log file: a schema, then one record per transaction, each with its length and hash.
//!
//! ```text
//! OVSDB JSON <bytes of the JSON, its newline counted> <SHA-1 of them in hexadecimal>
//! {"Table":{"<uuid>":{"column":value}, "<uuid of a deleted row>":null},"_date":ms,"_comment":"..","_is_diff":true}
//! ```
//! A crash can tear only the last record. So a bad record with another one after it is damage, and an error; a bad
//! record at the end is cut off and reported. With `_is_diff`, the columns of a row that was there hold differences
//! ([`Datum`](crate::data::Datum) has the rule), so adding a port to a bridge of 1,000 is a short record.
//!
//! What is safe when: a record is in the kernel before its transaction is acknowledged if whoever has the file
//! writes it before sending the reply, and on the disk if it calls `fsync` besides, which a transaction asks for by
//! `{"op":"commit","durable":true}`.
//!
//! Source: ovsdb(5), "Standalone Database Format".

mod changes;
mod load;
mod object;
mod policy;
mod read;
mod rows;
mod values;
mod write;

pub use load::{Loaded, load};
pub use policy::Compaction;
pub use read::{FileError, Tail};
pub use write::{snapshot, transaction};

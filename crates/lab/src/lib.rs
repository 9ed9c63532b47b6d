//! From a lab file to a running lab.
//!
//! One straight line: [`load`] reads the file, [`resolve`] leaves nothing to guess. Nothing here opens a file or
//! a socket, reads a clock or starts a thread; whoever does so implements small traits.

pub mod address;
pub mod apply;
pub mod config;
mod error;
pub mod expect;
mod file;
pub mod journal;
pub mod lab;
pub mod mac;
pub mod names;
pub mod plan;
pub mod quantity;
mod resolve;
mod schema;
pub mod setting_words;
pub mod settings;
pub mod topology;

pub use error::{Errors, FileError, Span, Spanned, TextError, did_you_mean, line_column};
pub use file::{LabFile, MAX_FILE, check_files, load, name_of};
pub use lab::Lab;
pub use resolve::{resolve, resolve_after};
pub use schema::schema;

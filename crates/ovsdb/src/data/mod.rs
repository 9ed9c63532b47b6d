//! Values: atoms, and the sets and maps of them that columns hold.

mod atom;
mod datum;
mod merge;
mod symbols;

pub use atom::{Atom, Real};
pub use datum::Datum;
pub(crate) use merge::Differences;
pub(crate) use symbols::Symbols;

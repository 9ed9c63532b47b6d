//! What to do with a packet, remembered: first by its exact look, then by the parts that mattered.
//!
//! ```text
//! key --signature--> exact ----fits?----> flow
//!                      | no
//!                      v
//!                   megaflow (per port, per mask) --> flow, and the signature leads there from now on
//!                      | no
//!                      v
//!                    a miss
//! ```
//!
//! A cached answer is right as long as nothing it depends on has changed. One epoch tells whether anything has
//! changed at all; only then is the slow path asked about this flow.

mod exact;
pub(crate) mod hash;
mod lookup;
mod megaflow;
mod table;

pub(crate) use hash::fold;
pub(crate) use lookup::Cache;
pub use megaflow::CachedFlow;

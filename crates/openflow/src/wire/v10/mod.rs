//! What only 1.0 has.

pub(crate) mod matches;

//! What only 1.1 has.

pub(crate) mod matches;

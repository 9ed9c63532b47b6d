//! Where the output of a `run:` process goes.

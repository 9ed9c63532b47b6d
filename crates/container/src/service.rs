//! When a `run:` process is started again.

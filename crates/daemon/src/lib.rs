//! The process behind a lab: sockets, threads and the clock

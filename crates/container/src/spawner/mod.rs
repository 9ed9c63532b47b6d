//! The spawner: one process with one thread that is the parent of every process of every node of a lab.
//!
//! It is forked before the daemon has a second thread, because a fork of a process with threads may do almost nothing.
//!
//! **Nothing is left behind.** It is the first process of a PID namespace of its own, and the namespaces of the nodes are below
//! it: when it ends, by itself or by SIGKILL, the kernel kills everything in them. It ends when the daemon's socket closes, and
//! the kernel kills it when the daemon dies. Its mounts, the scratch file system included, are in a mount namespace of its own
//! and go with it.

mod calls;
mod handle;
mod node;
mod outbox;
mod server;

pub use handle::{Event, SpawnError, Spawned, Spawner, SpawnerConfig, SpawnerSeed, Started, Streams};

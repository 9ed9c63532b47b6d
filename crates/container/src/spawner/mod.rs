//! The spawner: one process with one thread that is the parent of every process of every node of a lab.
//!
//! It is forked before the daemon has a second thread, because a fork of a process with threads may do almost nothing.
//!
//! **Nothing is left behind.** It is the first process of a PID namespace of its own, and the namespaces of the nodes are below
//! it: when it ends, by itself or by SIGKILL, the kernel kills everything in them. It ends when the daemon's socket closes, and
//! the kernel kills it when the daemon dies. Its mounts, the scratch file system included, are in a mount namespace of its own
//! and go with it.
//!
//! ```no_run
//! use std::os::fd::AsFd;
//! use netloom_container::{HostSpec, ProcessSpec, Spawner, SpawnerConfig};
//! use netloom_sys::netns::NetNs;
//!
//! // On the main thread, before there is another one.
//! let seed = Spawner::fork(&SpawnerConfig::default())?;
//! let spawner = seed.connect(|_| { /* the lab is over */ })?;
//! let netns = NetNs::create()?;
//! let host = HostSpec::new("h1", "/run/netloom/lab/hosts/h1");
//! let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
//! let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
//! let process = spawner.spawn(&host, &ProcessSpec::new(["ip", "address"]), netns.as_fd(), Some(streams))?;
//! assert_eq!(process.wait().shell_code(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calls;
mod handle;
mod node;
mod outbox;
mod server;

pub use handle::{Agent, Event, SpawnError, Spawned, Spawner, SpawnerConfig, SpawnerSeed, Started, Streams};

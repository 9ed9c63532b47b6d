//! From a spec to a running process: root file system, namespaces, spawner.
//!
//! ```text
//!  daemon (threads)                 spawner (one thread, PID 1 of the lab)             node
//!  Spawner::spawn  --- request --->  clone3(pid, mount, uts, ipc) ------------------>  init: builds the root file system,
//!     (netns, stdin..stderr by fd)                                                     mounts /proc, reaps
//!                                    setns(pid); clone3 ---------------------------->  process: joins, drops privileges, exec
//!  Started (pidfd, terminal) <-----
//!  Exited                    <-----  waits for every process of every node
//! ```
//!
//! - [`spec`]: what a host and a process are to be: plain values.
//! - [`spawner`]: the handle of the daemon, the server behind it, the state machine of a node.
//! - [`rootfs`]: what a host sees of the machine's files.
//! - [`limits`]: what a node's processes may use of the machine.
//! - [`service`]: when a `run:` process is started again; [`health`]: whether it is well; [`log`] and [`collector`]: where its output goes.
//!
//! It deliberately knows nothing of labs, images or links: who calls it hands over a network namespace, and paths of
//! directories, unpacked layers among them.

pub mod capability;
pub mod collector;
pub mod health;
mod identity;
mod init;
pub mod limits;
pub mod log;
mod process;
mod protocol;
pub mod rootfs;
pub mod seccomp;
pub mod service;
pub mod spawner;
pub mod spec;

pub use protocol::{Ending, Failure, ProcessId, Step};
pub use spawner::{Agent, Event, SpawnError, Spawned, Spawner, SpawnerConfig, SpawnerSeed, Started, Streams};
pub use spec::{
    BoundFile, Filesystem, HostSpec, ImageRoot, Mount, MountSource, ProcessSpec, TerminalSize, User,
};

//! Every system call netloom makes, as safe types by noun.
//!
//! The only home of `unsafe`. One file per kernel interface; every type owns its file descriptor; every failure is a
//! [`HostError`] naming operation, object and errno. Nothing here decides anything: policy lives with the callers.

pub mod affinity;
pub mod awake;
pub mod beneath;
pub mod boot;
pub mod cgroup;
pub mod child;
pub mod clock;
pub mod datagram;
pub mod epoll;
mod error;
pub mod eventfd;
pub mod fd_stream;
pub mod heap;
pub mod icmp;
pub mod load;
pub mod memory;
pub mod mount_tree;
pub mod namespaces;
pub mod netlink;
pub mod netns;
pub mod netns_name;
pub mod packet_socket;
pub mod privileges;
pub mod process;
pub mod raw_mode;
pub mod rlimit;
pub mod sched;
pub mod seqpacket;
pub mod shared_memory;
pub mod signals;
pub mod sniffer;
mod sockopt;
pub mod stamp;
pub mod sysctl;
pub mod tap;
pub mod tcp;
pub mod terminal;
#[cfg(test)]
mod testing;
pub mod timer;
pub mod tsc;
pub mod underlay;
pub mod userns;
pub mod vfio;

pub use error::HostError;
pub use rustix::io::Errno;

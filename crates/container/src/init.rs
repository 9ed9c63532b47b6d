//! The first process of a node: builds what the node sees, then only waits for orphans.
//!
//! It is PID 1 of the node, so signals sent from inside cannot reach it, and when it ends the kernel ends everything in its
//! namespace. It ends when the spawner asks and no orphan is left, or when the spawner is gone. While it waits it costs
//! nothing: no timer, no program of its own.

use std::os::fd::BorrowedFd;

use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::namespaces::Namespaces;
use netloom_sys::seqpacket::SeqPacket;
use netloom_sys::signals::SignalFd;
use netloom_sys::{HostError, cgroup, child, namespaces, privileges};
use serde::{Deserialize, Serialize};

use crate::protocol::{Failure, Received, Step, receive, tell};
use crate::rootfs;
use crate::spec::HostSpec;

/// Init to spawner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Word {
    /// The node is built; its namespaces come with it.
    Ready,
    /// It could not be built.
    Failed(Failure),
    /// Asked to end, but there are orphans.
    Busy,
    /// The last orphan has ended.
    OrphansGone,
}

/// Spawner to init.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// End, if there are no orphans.
    End,
    /// Send this signal to every process of the node.
    Signal(i32),
}

/// Runs as the first process of a node and returns its exit code.
pub(crate) fn run(socket: &SeqPacket, netns: BorrowedFd<'_>, host: &HostSpec) -> i32 {
    let told = match build(netns, host) {
        Ok(own) => tell(socket, &Word::Ready, &own.fds()).is_ok(),
        Err(failure) => {
            // It is the spawner that reports it; if that is gone nobody asks.
            let _ = tell(socket, &Word::Failed(failure), &[]);
            false
        }
    };
    i32::from(!told || serve(socket).is_err())
}

fn build(netns: BorrowedFd<'_>, host: &HostSpec) -> Result<Namespaces, Failure> {
    let failed = Failure::at(Step::Namespaces);
    privileges::die_with_parent().map_err(&failed)?;
    namespaces::set_process_name(c"netloom-init");
    if host.image.is_some() {
        // A namespace of control groups begins where its maker is.
        cgroup::join(&host.groups).map_err(&failed)?;
        namespaces::own_cgroups().map_err(&failed)?;
    }
    // Beside the node's group: where memory runs short there the kernel looks for the largest, and with this process all
    // would end.
    cgroup::join(&host.init_groups).map_err(&failed)?;
    namespaces::enter_net(netns).map_err(&failed)?;
    namespaces::set_hostname(&host.hostname).map_err(&failed)?;
    let own = Namespaces::of_this_process(host.image.is_some()).map_err(&failed)?;
    rootfs::build(host).map_err(Failure::at(Step::RootFileSystem))?;
    Ok(own)
}

/// Reaps until asked to end. Returns early only when the kernel refuses even to wait.
fn serve(socket: &SeqPacket) -> Result<(), HostError> {
    let children = SignalFd::block(&[SIGCHLD])?;
    let mut epoll = Epoll::new(2)?;
    epoll.add(socket, 0, Interest::Read)?;
    epoll.add(&children, 1, Interest::Read)?;
    let mut owes_word = false;
    let mut buffer = [0; 64];
    loop {
        epoll.wait(None, |_| {})?;
        while children.take().is_some() {}
        let alone = reap_all();
        match receive::<Order>(socket, &mut buffer, true) {
            Received::Message(Order::End, _) if alone => return Ok(()),
            Received::Message(Order::End, _) => {
                owes_word = true;
                let _ = tell(socket, &Word::Busy, &[]);
            }
            // ESRCH: nobody is there.
            Received::Message(Order::Signal(number), _) => {
                let _ = child::kill_all(number);
            }
            Received::Closed => return Ok(()),
            Received::Nothing | Received::Nonsense => {}
        }
        if alone && owes_word {
            owes_word = false;
            let _ = tell(socket, &Word::OrphansGone, &[]);
        }
    }
}

/// Takes all children that have ended; true if none is left.
fn reap_all() -> bool {
    loop {
        match child::reap() {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}

const SIGCHLD: i32 = 17;

//! Network namespaces, held by file descriptor: without a name, they go with their last holder.
//!
//! The namespace is a property of a *thread*, so everything bound to another one is made by a thread that enters it:
//! a short-lived one ([`NetNs::run`]), or, when there are hundreds to make, one that creates them in a loop
//! ([`NetNsMaker`]: about 0.5 ms per namespace, no thread start each).
//!
//! A namespace stays alive while any fd, mount, process or socket refers to it. **An open TAP fd is such a socket:** make
//! TAPs persistent and close them first (about 0.3 ms per node in all; the other way round 25 ms each).

#![expect(unsafe_code, reason = "unshare(2) is unsafe in general; here only for CLONE_NEWNET")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags};

use crate::error::{Because, HostError};

/// A network namespace, alive at least as long as this value.
#[derive(Debug)]
pub struct NetNs {
    fd: OwnedFd,
}

impl NetNs {
    /// The namespace of the calling thread.
    ///
    /// # Errors
    /// When /proc is not mounted or no fd is left.
    pub fn current() -> Result<Self, HostError> {
        Self::open("/proc/thread-self/ns/net")
    }

    /// Opens the namespace behind a file: `/proc/<pid>/ns/net` or a name in `/run/netns`.
    ///
    /// # Errors
    /// As open(2). That the file is a network namespace at all shows when it is entered.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, HostError> {
        let path = path.as_ref();
        let fd = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .because("open the network namespace", || path.display().to_string())?;
        Ok(Self { fd })
    }

    /// Makes an empty namespace (only `lo`, down) with a thread of its own. For many, use a [`NetNsMaker`].
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN` in the user namespace, `ENOSPC` at the limit of namespaces, or no thread left.
    pub fn create() -> Result<Self, HostError> {
        on_thread(|| unshare_net().and_then(|()| Self::current()))?
    }

    /// Runs `work` inside the namespace, on a thread that ends with it. Sockets and TAPs opened there stay bound to the
    /// namespace and may be used from any thread afterwards. A panic of `work` goes on in the caller.
    ///
    /// # Errors
    /// `EPERM` when the namespace belongs to a user namespace where the caller lacks `CAP_SYS_ADMIN`, or no thread left.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> Result<R, HostError> {
        on_thread(|| self.enter().map(|()| work()))?
    }

    /// Runs `work` inside one namespace after the other, all on one fresh thread: for many, much cheaper than
    /// [`NetNs::run`] each. Ends at the first that cannot be entered.
    ///
    /// # Errors
    /// As [`NetNs::run`].
    pub fn run_in_each<'a, K: Send, R: Send>(
        namespaces: impl IntoIterator<Item = (K, &'a Self)> + Send,
        mut work: impl FnMut(&K) -> R + Send,
    ) -> Result<Vec<(K, R)>, HostError> {
        on_thread(|| {
            let inside = |(key, netns): (K, &Self)| {
                netns.enter()?;
                let result = work(&key);
                Ok((key, result))
            };
            namespaces.into_iter().map(inside).collect()
        })?
    }

    /// Moves the calling thread into the namespace for good. For threads and processes that exist only to live there.
    ///
    /// # Errors
    /// As [`NetNs::run`].
    pub fn enter(&self) -> Result<(), HostError> {
        rustix::thread::move_into_link_name_space(self.fd.as_fd(), Some(LinkNameSpaceType::Network))
            .because("enter the network namespace", || self.object())
    }

    /// The inode that identifies the namespace as long as it lives (the number in `net:[4026531840]`).
    ///
    /// # Errors
    /// As fstat(2); not met in practice.
    pub fn inode(&self) -> Result<u64, HostError> {
        self.identity().map(|(_, inode)| inode)
    }

    /// Device and inode, which no other file has as long as the namespace is held.
    ///
    /// # Errors
    /// As fstat(2).
    pub fn identity(&self) -> Result<(u64, u64), HostError> {
        let found = rustix::fs::fstat(&self.fd).because("inspect the network namespace", || self.object())?;
        Ok((found.st_dev, found.st_ino))
    }

    /// Another holder of the same namespace.
    ///
    /// # Errors
    /// When no fd is left.
    pub fn duplicate(&self) -> Result<Self, HostError> {
        let fd = self.fd.try_clone().because("hold the network namespace a second time", || self.object())?;
        Ok(Self { fd })
    }

    /// The number of the fd, for a netlink request that names this namespace. Hold `self` until it is answered.
    #[must_use]
    pub fn raw(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    fn object(&self) -> String {
        format!("with fd {}", self.fd.as_raw_fd())
    }
}

impl AsFd for NetNs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<OwnedFd> for NetNs {
    /// Takes an fd that came from elsewhere, say over a socket.
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}

impl From<NetNs> for OwnedFd {
    fn from(ns: NetNs) -> Self {
        ns.fd
    }
}

/// A thread that makes namespaces one after another and furnishes each from inside before the next.
///
/// ```text
/// make(f) ─► queue ─► thread: unshare ─► open its ns fd ─► f(&ns) ─► Pending
///                             └ queue empty: back to where it was born, so that it pins no namespace
/// ```
#[derive(Debug)]
pub struct NetNsMaker {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
}

type Job = Box<dyn FnOnce(Result<&NetNs, HostError>) + Send>;

impl NetNsMaker {
    /// Starts the thread, in the caller's namespace.
    ///
    /// # Errors
    /// No thread or fd left.
    pub fn start() -> Result<Self, HostError> {
        let home = NetNs::current()?;
        let (jobs, queue) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("netns-maker".to_owned())
            .spawn(move || make_in_loop(&home, &queue))
            .because("start the thread", || "netns-maker")?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Asks for one namespace, furnished by `furnish`, which runs inside it; returns at once.
    pub fn make<R: Send + 'static>(&self, furnish: impl FnOnce(&NetNs) -> R + Send + 'static) -> Pending<R> {
        let (done, result) = mpsc::sync_channel(1);
        let job: Job = Box::new(move |ns| {
            let made = ns.and_then(|ns| Ok((ns.duplicate()?, furnish(ns))));
            // The asker may have lost interest: then the namespace goes with the message.
            let _ = done.send(made);
        });
        if let Some(jobs) = &self.jobs {
            // A failed send drops the job, and with it `done`: the asker is told by `wait`.
            let _ = jobs.send(job);
        }
        Pending { result }
    }
}

impl Drop for NetNsMaker {
    /// Finishes what was asked for, then ends the thread.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A namespace that was asked for.
#[derive(Debug)]
pub struct Pending<R> {
    result: mpsc::Receiver<Result<(NetNs, R), HostError>>,
}

impl<R> Pending<R> {
    /// Waits for the namespace and what furnishing it returned.
    ///
    /// # Errors
    /// As [`NetNs::create`]; `EIO` when furnishing panicked.
    pub fn wait(self) -> Result<(NetNs, R), HostError> {
        self.result.recv().unwrap_or_else(|_| {
            Err(HostError::new("create", "a network namespace: its thread ended", rustix::io::Errno::IO))
        })
    }
}

fn make_in_loop(home: &NetNs, queue: &mpsc::Receiver<Job>) {
    loop {
        let job = match queue.try_recv() {
            Ok(job) => job,
            Err(mpsc::TryRecvError::Disconnected) => return,
            Err(mpsc::TryRecvError::Empty) => {
                // Failing to go home only keeps the last namespace alive a little longer.
                let _ = home.enter();
                let Ok(job) = queue.recv() else { return };
                job
            }
        };
        // A furnisher that panics loses its own namespace only: its `Pending` reports it, the thread goes on.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            match unshare_net().and_then(|()| NetNs::current()) {
                Ok(ns) => job(Ok(&ns)),
                Err(error) => job(Err(error)),
            }
        }));
    }
}

fn unshare_net() -> Result<(), HostError> {
    // SAFETY: unshare(2) is unsafe only because of CLONE_FILES, which would give this thread a file table of its own;
    // CLONE_NEWNET leaves the table shared.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }
        .because("create", || "a network namespace")
}

/// Runs `work` on a fresh thread and waits for it.
fn on_thread<R: Send>(work: impl FnOnce() -> R + Send) -> Result<R, HostError> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)
            .because("start the thread", || "netns")?;
        Ok(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::can_make_namespaces;

    #[test]
    fn runs_inside_and_leaves_the_caller_where_it_was() {
        if !can_make_namespaces() {
            return;
        }
        let before = NetNs::current().unwrap().inode().unwrap();
        let ns = NetNs::create().unwrap();
        let inside = ns.run(|| NetNs::current().unwrap().inode().unwrap()).unwrap();
        assert_eq!(inside, ns.inode().unwrap());
        assert_ne!(inside, before);
        assert_eq!(NetNs::current().unwrap().inode().unwrap(), before);
    }

    #[test]
    fn each_is_entered_in_turn() {
        if !can_make_namespaces() {
            return;
        }
        let all = [NetNs::create().unwrap(), NetNs::create().unwrap()];
        let inside = |_: &usize| NetNs::current().unwrap().inode().unwrap();
        let found = NetNs::run_in_each(all.iter().enumerate(), inside).unwrap();
        let expected: Vec<_> = all.iter().map(|ns| ns.inode().unwrap()).enumerate().collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn maker_makes_distinct_namespaces_in_order() {
        if !can_make_namespaces() {
            return;
        }
        let maker = NetNsMaker::start().unwrap();
        let pending: Vec<_> = (0..8).map(|n| maker.make(move |ns| (n, ns.inode().unwrap()))).collect();
        let mut inodes = std::collections::BTreeSet::new();
        for (expected, pending) in pending.into_iter().enumerate() {
            let (ns, (n, inode)) = pending.wait().unwrap();
            assert_eq!(n, expected);
            assert_eq!(ns.inode().unwrap(), inode);
            inodes.insert(inode);
        }
        assert!(inodes.len() >= 2, "a fresh inode each while the others are held: {inodes:?}");
    }

    #[test]
    fn a_panicking_furnisher_is_reported_and_the_maker_survives() {
        if !can_make_namespaces() {
            return;
        }
        let maker = NetNsMaker::start().unwrap();
        let bad = maker.make(|_| -> () { panic!("on purpose") });
        let good = maker.make(|_| 7);
        assert_eq!(bad.wait().unwrap_err().errno, rustix::io::Errno::IO);
        assert_eq!(good.wait().unwrap().1, 7);
    }

    #[test]
    fn opening_what_is_no_namespace_fails_when_entered() {
        let file = NetNs::open("/dev/null").unwrap();
        assert_eq!(file.run(|| ()).unwrap_err().errno, rustix::io::Errno::INVAL);
    }
}

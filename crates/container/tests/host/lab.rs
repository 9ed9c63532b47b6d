//! A spawner, a directory and a network namespace for tests.

use std::fs;
use std::io::{Read, pipe};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::time::Duration;

use netloom_container::{Ending, Event, HostSpec, ProcessSpec, SpawnError, Spawned, Spawner, SpawnerConfig};
use netloom_sys::netns::NetNs;

/// Where one run of the tests lives.
pub(crate) struct Lab {
    pub(crate) dir: PathBuf,
    pub(crate) spawner: Spawner,
    pub(crate) netns: NetNs,
    host: String,
    count: u32,
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) ending: Ending,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Lab {
    /// Starts a spawner; the error says why this machine or user cannot.
    pub(crate) fn start() -> Result<Self, String> {
        Self::start_with(Duration::from_millis(200), |_| {})
    }

    /// The same, with the time that an init stays and something to do when the spawner ends.
    pub(crate) fn start_with(
        idle: Duration,
        on_event: impl FnOnce(Event) + Send + 'static,
    ) -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!("netloom-host-test-{}", std::process::id()));
        fs::create_dir_all(dir.join("lab")).map_err(|error| error.to_string())?;
        fs::create_dir_all(dir.join("scratch")).map_err(|error| error.to_string())?;
        let config = SpawnerConfig { scratch: Some(dir.join("scratch")), idle, ..SpawnerConfig::default() };
        let started = Spawner::fork(&config).map_err(|error| error.to_string());
        let seed = started.inspect_err(|_| drop(fs::remove_dir_all(&dir)))?;
        let spawner = seed.connect(on_event).map_err(|error| error.to_string())?;
        let netns = NetNs::create().map_err(|error| error.to_string())?;
        Ok(Self { dir, spawner, netns, host: "h0".to_owned(), count: 0 })
    }

    /// The following commands run in a new host.
    pub(crate) fn next_host(&mut self) {
        self.count += 1;
        self.host = format!("h{}", self.count);
    }

    /// The host of the test as the lab file would make it.
    pub(crate) fn host(&self) -> HostSpec {
        let mut host = HostSpec::new(self.host.as_str(), self.dir.join("scratch").join(&self.host));
        host.lab_dir = Some(self.lab_dir());
        host
    }

    pub(crate) fn lab_dir(&self) -> PathBuf {
        self.dir.join("lab")
    }

    /// Runs a shell script in the test's host.
    pub(crate) fn sh(&self, script: &str) -> Done {
        self.run(&self.host(), &ProcessSpec::new(["sh", "-c", script])).expect("the shell starts")
    }

    /// Runs a shell script in a host of its own kind.
    pub(crate) fn sh_in(&self, host: &HostSpec, script: &str) -> Done {
        self.run(host, &ProcessSpec::new(["sh", "-c", script])).expect("the shell starts")
    }

    /// Runs a process to its end, with an empty stdin.
    pub(crate) fn run(&self, host: &HostSpec, process: &ProcessSpec) -> Result<Done, SpawnError> {
        let (mut out, out_end) = pipe().expect("a pipe");
        let (mut err, err_end) = pipe().expect("a pipe");
        let null = fs::File::open("/dev/null").expect("/dev/null");
        let streams = [null.as_fd(), out_end.as_fd(), err_end.as_fd()];
        let spawned = self.start_in(host, process, Some(streams));
        drop((out_end, err_end));
        let spawned = spawned?;
        let (mut out_text, mut err_text) = (String::new(), String::new());
        let reader = std::thread::spawn(move || {
            let _ = err.read_to_string(&mut err_text);
            err_text
        });
        let _ = out.read_to_string(&mut out_text);
        let err = reader.join().expect("the reader ends");
        Ok(Done { ending: spawned.wait(), out: out_text, err })
    }

    /// How many inits this lab's spawner has.
    pub(crate) fn inits(&self) -> usize {
        let spawner = self.spawner.pid();
        let path = format!("/proc/{spawner}/task/{spawner}/children");
        let children = fs::read_to_string(path).expect("the spawner runs");
        let is_init = |pid: &&str| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "netloom-init")
        };
        children.split_whitespace().filter(is_init).count()
    }

    /// Starts a process in a host.
    pub(crate) fn start_in(
        &self,
        host: &HostSpec,
        process: &ProcessSpec,
        streams: Option<[BorrowedFd<'_>; 3]>,
    ) -> Result<Spawned, SpawnError> {
        self.spawner.spawn(host, process, self.netns.as_fd(), streams)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.spawner.stop_all(Duration::ZERO);
        let _ = fs::remove_dir_all(&self.dir);
    }
}

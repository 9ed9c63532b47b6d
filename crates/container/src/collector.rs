//! The output of all `run:` processes of a lab, read by one thread and written to their logs.
//!
//! A process whose output nobody reads stops at a full pipe, so this thread does nothing else, and a slow disk delays it
//! only as long as one write. An idle collector costs nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use netloom_sys::HostError;
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::eventfd::EventFd;

use crate::log::Log;

/// The collecting thread; it ends, with what is in the pipes written, when this is dropped.
pub struct Collector {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    wake: EventFd,
    ending: AtomicBool,
    new: Mutex<Vec<Source>>,
}

struct Source {
    output: File,
    log: Log,
    on_end: Box<dyn FnOnce(Log) + Send>,
}

impl Collector {
    /// Starts the thread.
    ///
    /// # Errors
    /// No descriptor or thread left.
    pub fn start() -> Result<Self, HostError> {
        let wake = EventFd::new()?;
        let shared = Arc::new(Shared { wake, ending: AtomicBool::new(false), new: Mutex::new(Vec::new()) });
        let epoll = Epoll::new(64)?;
        epoll.add(&shared.wake, WAKE, Interest::Read)?;
        let work = Arc::clone(&shared);
        let thread = thread::Builder::new().name("log-collector".to_owned()).spawn(move || work.run(epoll));
        let thread =
            thread.map_err(|error| HostError::from_io("start the thread", "log-collector", &error))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Writes what comes out of `output`, the reading end of a pipe, to `log` until its last writer has closed it; then
    /// `on_end` gets the log back, on the collecting thread.
    pub fn collect(&self, output: OwnedFd, log: Log, on_end: impl FnOnce(Log) + Send + 'static) {
        let source = Source { output: File::from(output), log, on_end: Box::new(on_end) };
        self.shared.new.lock().unwrap_or_else(PoisonError::into_inner).push(source);
        self.shared.wake.signal();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::SeqCst);
        self.shared.wake.signal();
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed; there is nothing to undo.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

impl Shared {
    fn run(&self, mut epoll: Epoll) {
        let mut sources = BTreeMap::new();
        let mut next = WAKE + 1;
        let mut buffer = vec![0; 64 * 1024];
        // Who prints without end must not keep the collector from ending.
        let mut rounds_left = 64_u32;
        loop {
            // Asked before the round: what was in the pipes when the end came is still read in it.
            let ending = self.ending.load(Ordering::SeqCst);
            rounds_left -= u32::from(ending);
            let timeout = ending.then_some(0);
            let mut ready = Vec::new();
            if epoll.wait(timeout, |one| ready.push(one.token)).is_err()
                || (ending && ready.is_empty())
                || rounds_left == 0
            {
                return;
            }
            for token in ready {
                if token == WAKE {
                    self.wake.clear();
                    self.take_new(&epoll, &mut sources, &mut next);
                } else {
                    serve(&epoll, &mut sources, token, &mut buffer);
                }
            }
        }
    }

    fn take_new(&self, epoll: &Epoll, sources: &mut BTreeMap<u64, Source>, next: &mut u64) {
        let new = std::mem::take(&mut *self.new.lock().unwrap_or_else(PoisonError::into_inner));
        for source in new {
            match epoll.add(&source.output, *next, Interest::Read) {
                Ok(()) => drop(sources.insert(*next, source)),
                // A file cannot be waited for and needs no reader: its writer never waits.
                Err(_) => (source.on_end)(source.log),
            }
            *next += 1;
        }
    }
}

/// Reads once, so that no source keeps the others waiting.
fn serve(epoll: &Epoll, sources: &mut BTreeMap<u64, Source>, token: u64, buffer: &mut [u8]) {
    let Some(source) = sources.get_mut(&token) else { return };
    match source.output.read(buffer) {
        Ok(length) if length > 0 => source.log.write(buffer.get(..length).unwrap_or_default()),
        Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
        _ => {
            let _ = epoll.remove(&source.output);
            if let Some(source) = sources.remove(&token) {
                (source.on_end)(source.log);
            }
        }
    }
}

const WAKE: u64 = 0;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn outputs_end_up_in_their_own_logs() {
        let dir = std::env::temp_dir().join(format!("netloom-collector-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let collector = Collector::start().expect("a thread");
        let (ended, endings) = mpsc::channel();
        for name in ["a", "b", "c"] {
            let (output, mut input) = std::io::pipe().expect("a pipe");
            let log = Log::open(dir.join(name), 1 << 20).expect("a log");
            let ended = ended.clone();
            collector.collect(output.into(), log, move |_| ended.send(name).expect("the test waits"));
            for _ in 0..10_000 {
                // More than a pipe holds: it is read meanwhile.
                writeln!(input, "from {name}").expect("somebody reads");
            }
        }
        let mut names: Vec<_> = endings.iter().take(3).collect();
        names.sort_unstable();
        assert_eq!(names, ["a", "b", "c"]);
        for name in names {
            let text = Log::read(&dir.join(name)).expect("the log");
            assert_eq!(text, format!("from {name}\n").repeat(10_000).as_bytes());
        }
        std::fs::remove_dir_all(dir).expect("the directory");
    }

    #[test]
    fn an_end_writes_what_was_already_printed() {
        let path = std::env::temp_dir().join(format!("netloom-collector-end-{}", std::process::id()));
        let collector = Collector::start().expect("a thread");
        let (output, mut input) = std::io::pipe().expect("a pipe");
        collector.collect(output.into(), Log::open(&path, 1_000).expect("a log"), |_| {});
        input.write_all(b"last words\n").expect("room");
        drop(collector);
        assert_eq!(Log::read(&path).expect("the log"), b"last words\n");
        std::fs::remove_file(path).expect("the log");
    }
}

//! What the shell asks of the engine.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use netloom_api::{ApiError, Command, DownReport, Progress, Reply};

use crate::{Conn, Home};

/// The first of three stations of an engine: nothing is started.
pub trait Boot {
    /// Removes what a dead daemon of this lab left, by its journal. The caller holds the lab's lock.
    ///
    /// Called before [`Self::prepare`] if the directory is not empty, and by `netloom down` of a dead lab.
    /// Leaves the files that [`Home`] names to the caller; removes everything else it made in the directory.
    ///
    /// # Errors
    /// If nothing can be done at all. What could not be removed goes to [`DownReport::left`].
    fn recover(&self, home: &Home) -> Result<DownReport, ApiError>;

    /// Does what must be done while the process has one thread: enters a user namespace, forks the spawner.
    ///
    /// # Errors
    /// If the machine lacks what every lab needs.
    fn prepare(self: Box<Self>, home: &Home) -> Result<Box<dyn Prepared>, ApiError>;
}

/// The second station: may start threads.
pub trait Prepared {
    /// Starts the engine, of an empty lab.
    ///
    /// # Errors
    /// If it cannot; everything is undone.
    fn start(self: Box<Self>) -> Result<Arc<dyn Engine>, ApiError>;
}

/// The third station: answers.
///
/// Methods are called on threads that may block, several at a time; commands for which
/// [`Command::is_exclusive`] holds never overlap.
pub trait Engine: Send + Sync {
    /// Does a command and answers it.
    ///
    /// [`Command::Down`] ends everything the engine started, threads and spawner included, and removes what it
    /// made in the lab's directory; no call follows it.
    ///
    /// # Errors
    /// As the command's documentation says. What had been done is undone.
    fn command(&self, command: Command, sink: &Sink) -> Result<Reply, ApiError>;

    /// Does a stream, and returns at its end. An error is sent as the stream's last frame.
    ///
    /// # Errors
    /// If it cannot be started.
    fn stream(&self, command: Command, conn: &mut Conn) -> Result<(), ApiError>;
}

/// Where a command's progress goes, and how it learns that nobody waits for it any more.
#[derive(Clone)]
pub struct Sink {
    send: Arc<Report>,
    cancelled: Arc<AtomicBool>,
}

type Report = dyn Fn(Progress) -> bool + Send + Sync;

impl Sink {
    /// A sink that hands progress to `send`, which says whether anybody still listens.
    pub fn new(send: impl Fn(Progress) -> bool + Send + Sync + 'static) -> Self {
        Self { send: Arc::new(send), cancelled: Arc::default() }
    }

    /// A sink for those who do not care.
    #[must_use]
    pub fn ignore() -> Self {
        Self::new(|_| true)
    }

    /// A sink that keeps what it is given, for tests.
    #[must_use]
    pub fn keep() -> (Self, Arc<Mutex<Vec<Progress>>>) {
        let kept = Arc::<Mutex<Vec<Progress>>>::default();
        let inner = kept.clone();
        let sink = Self::new(move |progress| {
            inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(progress);
            true
        });
        (sink, kept)
    }

    /// Reports progress. May drop an [`Progress::Item`] when the reader is slow; waits for it otherwise.
    pub fn send(&self, progress: Progress) {
        if !(self.send)(progress) {
            self.cancel();
        }
    }

    /// Whether the caller went away or asked to stop: undo and return [`netloom_api::ErrorKind::Cancelled`].
    /// Worth a look between two steps.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// What [`Self::cancel`] sets.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        self.cancelled.clone()
    }

    /// Asks the command to stop.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink").field("cancelled", &self.is_cancelled()).finish_non_exhaustive()
    }
}

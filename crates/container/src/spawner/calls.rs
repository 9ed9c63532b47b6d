//! Who waits for which answer, and the thread that hands the answers out.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use netloom_sys::seqpacket::SeqPacket;

use super::handle::SpawnError;
use crate::protocol::{Ending, MAX_MESSAGE, ProcessId, Received, Reply, RequestId, receive};

/// What the handle and the reading thread share.
pub(super) struct Shared {
    pub(super) socket: SeqPacket,
    pub(super) next: AtomicU64,
    pub(super) gone: AtomicBool,
    pub(super) calls: Mutex<Calls>,
}

/// Who waits for what.
#[derive(Default)]
pub(super) struct Calls {
    pub(super) answers: BTreeMap<RequestId, OnAnswer>,
    pub(super) endings: BTreeMap<ProcessId, OnEnding>,
}

pub(super) type OnAnswer = Box<dyn FnOnce(Result<Vec<OwnedFd>, SpawnError>) + Send>;
pub(super) type OnEnding = Box<dyn FnOnce(Ending) + Send>;

impl Shared {
    pub(super) fn calls(&self) -> MutexGuard<'_, Calls> {
        // The lists are whole between any two statements: a panic of a holder spoils nothing.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until the spawner ends, then answers all who still wait.
    pub(super) fn read(&self) {
        let mut buffer = vec![0; MAX_MESSAGE];
        loop {
            match receive::<Reply>(&self.socket, &mut buffer, false) {
                Received::Message(reply, fds) => self.handle(reply, fds),
                Received::Nonsense | Received::Nothing => {}
                Received::Closed => break,
            }
        }
        self.gone.store(true, Ordering::SeqCst);
        let calls = std::mem::take(&mut *self.calls());
        for on_answer in calls.answers.into_values() {
            on_answer(Err(SpawnError::Gone));
        }
        for on_end in calls.endings.into_values() {
            on_end(KILLED);
        }
    }

    fn handle(&self, reply: Reply, fds: Vec<OwnedFd>) {
        match reply {
            Reply::Ready => {}
            Reply::Started { id } | Reply::Done { id } => self.answer(id, Ok(fds)),
            Reply::Failed { id, failure } => self.answer(id, Err(SpawnError::Refused(failure))),
            Reply::Exited { process, ending } => {
                let on_end = self.calls().endings.remove(&process);
                if let Some(on_end) = on_end {
                    on_end(ending);
                }
            }
        }
    }

    fn answer(&self, id: RequestId, answer: Result<Vec<OwnedFd>, SpawnError>) {
        let on_answer = self.calls().answers.remove(&id);
        if let Some(on_answer) = on_answer {
            on_answer(answer);
        }
    }
}

/// What became of a process whose spawner has ended.
pub(super) const KILLED: Ending = Ending::Signal(9);

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

impl Calls {
    /// Adds a call: both at once, so that whoever empties the lists finds both or neither.
    pub(super) fn insert(&mut self, id: RequestId, on_answer: OnAnswer, on_end: Option<OnEnding>) {
        self.answers.insert(id, on_answer);
        if let Some(on_end) = on_end {
            self.endings.insert(ProcessId(id), on_end);
        }
    }
}

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
        let mut calls = std::mem::take(&mut *self.calls());
        // A process whose start was not yet told of has no end to tell of.
        let Calls { answers, endings } = &mut calls;
        endings.retain(|process, _| !answers.contains_key(&process.0));
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

    /// Hands out an answer; a spawn that failed has no end to tell of.
    pub(super) fn answer(&self, id: RequestId, answer: Result<Vec<OwnedFd>, SpawnError>) {
        let mut calls = self.calls();
        let on_answer = calls.answers.remove(&id);
        if answer.is_err() {
            calls.endings.remove(&ProcessId(id));
        }
        // A callback may call back: the lists must be free.
        drop(calls);
        if let Some(on_answer) = on_answer {
            on_answer(answer);
        }
    }
}

/// What became of a process whose spawner has ended.
pub(super) const KILLED: Ending = Ending::Signal(9);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::protocol::{Failure, Step, tell};

    /// A reader, and the other end of its socket: the test plays the spawner.
    fn reader() -> (Arc<Shared>, SeqPacket, std::thread::JoinHandle<()>) {
        let (socket, spawner) = SeqPacket::pair().expect("a pair");
        let calls = Mutex::new(Calls::default());
        let shared =
            Arc::new(Shared { socket, next: AtomicU64::new(1), gone: AtomicBool::new(false), calls });
        let reading = Arc::clone(&shared);
        (shared, spawner, std::thread::spawn(move || reading.read()))
    }

    fn call(shared: &Shared, id: RequestId, said: &mpsc::Sender<String>) {
        let (answers, endings) = (said.clone(), said.clone());
        let on_answer: OnAnswer = Box::new(move |answer| {
            let what =
                answer.map_or_else(|error| error.to_string(), |fds| format!("started with {}", fds.len()));
            answers.send(format!("{id}: {what}")).expect("the test listens");
        });
        let on_end: OnEnding =
            Box::new(move |ending| endings.send(format!("{id}: {ending}")).expect("the test listens"));
        shared.calls().insert(id, on_answer, Some(on_end));
    }

    #[test]
    fn answers_and_ends_reach_their_callers_and_the_end_of_the_spawner_all_others() {
        let (shared, spawner, thread) = reader();
        let (said, heard) = mpsc::channel();
        for id in 1..=4 {
            call(&shared, id, &said);
        }
        let failure = Failure::new(Step::Exec, "no such command");
        for reply in [
            Reply::Started { id: 1 },
            Reply::Started { id: 2 },
            Reply::Started { id: 99 },
            Reply::Failed { id: 3, failure },
            Reply::Exited { process: ProcessId(1), ending: Ending::Code(4) },
            Reply::Exited { process: ProcessId(99), ending: Ending::Code(0) },
        ] {
            tell(&spawner, &reply, &[]).expect("it reads");
        }
        spawner.send(b"nonsense", &[], false).expect("it reads");
        drop(spawner);
        thread.join().expect("it ends");
        drop(said);
        let words: Vec<_> = heard.try_iter().collect();
        let expected = [
            "1: started with 0",
            "2: started with 0",
            "3: no such command",
            "1: exit code 4",
            "4: The spawner has ended",
            "2: signal 9",
        ];
        assert_eq!(words, expected, "3 and 4 never ran: nobody is told of their end");
    }
}

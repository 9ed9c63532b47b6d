//! A thread that reads long rows of messages for the connections of a lab, while others are carried out.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, OnceLock};

use netloom_openflow::session::{Ahead, Session, Unread};
use tokio::sync::oneshot;

/// Hands rows to its thread, which begins with the first and ends with the last copy of this. Copies are the same one.
#[derive(Debug, Clone, Default)]
pub struct Reader(Arc<OnceLock<Option<Sender<Job>>>>);

/// A row, and where it goes then.
type Job = (Unread, oneshot::Sender<Ahead>);

impl Reader {
    fn read(&self, row: Unread) -> oneshot::Receiver<Ahead> {
        let (done, read) = oneshot::channel();
        match self.0.get_or_init(begin) {
            // The thread ends after this has.
            Some(jobs) => drop(jobs.send((row, done))),
            // No thread is left: it takes longer, then.
            None => drop(done.send(row.read())),
        }
        read
    }
}

fn begin() -> Option<Sender<Job>> {
    let (jobs, inbox) = channel();
    let thread = std::thread::Builder::new().name("openflow-read".to_owned());
    thread.spawn(move || work(&inbox)).ok().map(|_| jobs)
}

fn work(inbox: &Receiver<Job>) {
    while let Ok((row, done)) = inbox.recv() {
        // Whose connection has ended does not want it any more.
        let _ = done.send(row.read());
    }
}

/// The rows of one connection: the next is read while this one is carried out.
#[derive(Debug)]
pub(crate) struct Rows {
    reader: Option<Reader>,
    lent: Option<oneshot::Receiver<Ahead>>,
    /// More has come than was read at once.
    is_long: bool,
}

impl Rows {
    /// Without a reader, there are none.
    pub(crate) const fn new(reader: Option<Reader>) -> Self {
        Self { reader, lent: None, is_long: false }
    }

    /// Notes whether the last reading was as much as can be read at once.
    pub(crate) const fn came(&mut self, is_whole: bool) {
        self.is_long = is_whole;
    }

    /// Whether more should be read before what was read is carried out, so that there is something to lend.
    pub(crate) fn are_short(&self, session: &Session) -> bool {
        self.is_long && self.reader.is_some() && self.lent.is_none() && session.unread() < ENOUGH
    }

    /// Gives a session back what was lent, and waits for it if there is nothing else to be done. `false`: it is lost.
    pub(crate) async fn take_back(&mut self, session: &mut Session) -> bool {
        let Some(lent) = &mut self.lent else { return true };
        let row = if session.is_waiting() {
            lent.await.ok()
        } else {
            match lent.try_recv() {
                Ok(row) => Some(row),
                Err(oneshot::error::TryRecvError::Empty) => return true,
                Err(oneshot::error::TryRecvError::Closed) => None,
            }
        };
        self.lent = None;
        row.map(|row| session.take_back(row)).is_some()
    }

    /// Lends the next row, if there is one.
    pub(crate) fn lend(&mut self, session: &mut Session) {
        if let (Some(reader), None) = (&self.reader, &self.lent) {
            self.lent = session.lend().map(|row| reader.read(row));
        }
    }
}

/// Bytes that are a row, and some.
const ENOUGH: usize = 48 << 10;

//! A controller's end of one connection: bytes prepared before, and a wait for the answer that counts.

use std::io::{self, Read, Write};
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::wire::{self, HEADER, kind};
use crate::run::Failed;

/// The longest wait for an answer: a peer may take minutes for a million flows.
const PATIENCE: Duration = Duration::from_secs(300);

/// One connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: UnixStream,
    read: Vec<u8>,
    /// Bytes of it that are done with.
    done: usize,
    /// Where the next bytes are read to.
    chunk: Box<[u8]>,
    /// How long the stream is waited for.
    patience: Duration,
}

/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// A message as it came.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) xid: u32,
    pub(super) body: Vec<u8>,
}

impl Client {
    /// Connects and agrees on 1.4.
    ///
    /// # Errors
    /// [`Failed::Check`].
    pub(super) fn connect(path: &Path) -> Result<Self, Failed> {
        let wrong = |e: io::Error| Failed::Check(format!("{}: {e}", path.display()));
        let stream = UnixStream::connect(path).map_err(wrong)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(wrong)?;
        let chunk = vec![0; CHUNK].into();
        let mut client = Self { stream, read: Vec::new(), done: 0, chunk, patience: PATIENCE };
        // The versions as a bitmap: nothing but 1.4.
        let body = [0, 1, 0, 8, 0, 0, 0, 1 << wire::VERSION];
        client.send(&wire::message(kind::HELLO, 1, &body)).map_err(wrong)?;
        client.until(|message| message.kind == kind::HELLO)?;
        Ok(client)
    }

    /// Sends bytes as they are.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends bytes and a barrier behind them, while answers are read.
    ///
    /// # Errors
    /// [`Failed::Check`] if anything was refused.
    pub(super) fn carry_out(&mut self, bytes: &[u8]) -> Result<(), Failed> {
        let mut writer = self.stream.try_clone().map_err(|e| Failed::Check(e.to_string()))?;
        std::thread::scope(|scope| {
            let sent = scope.spawn(move || {
                writer.write_all(bytes)?;
                writer.write_all(&wire::message(kind::BARRIER_REQUEST, 0x00ba_441e, &[]))
            });
            let answered = self.until(|message| message.kind == kind::BARRIER_REPLY);
            match sent.join() {
                Ok(Ok(())) => answered.map(drop),
                Ok(Err(error)) => Err(Failed::Check(format!("sending: {error}"))),
                Err(_) => Err(Failed::Check("the sender panicked".to_owned())),
            }
        })
    }

    /// Reads until a message that `is` it; echoes are answered, errors are the end.
    ///
    /// # Errors
    /// [`Failed::Check`].
    pub(super) fn until(&mut self, is: impl Fn(&Message) -> bool) -> Result<Message, Failed> {
        loop {
            let message = self.next().map_err(|e| Failed::Check(format!("reading: {e}")))?;
            if is(&message) {
                return Ok(message);
            }
            match message.kind {
                kind::ERROR => {
                    return Err(Failed::Check(format!("refused: {:02x?}", message.body.get(..24))));
                }
                kind::ECHO_REQUEST => {
                    let reply = wire::message(kind::ECHO_REPLY, message.xid, &message.body);
                    self.send(&reply).map_err(|e| Failed::Check(e.to_string()))?;
                }
                _ => {}
            }
        }
    }

    /// The next message.
    pub(super) fn next(&mut self) -> io::Result<Message> {
        self.wait_for(PATIENCE)?;
        loop {
            if let Some(message) = self.take() {
                return Ok(message);
            }
            self.more()?;
        }
    }

    /// Reads what has come, or waits until something does.
    fn more(&mut self) -> io::Result<()> {
        match self.stream.read(&mut self.chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.read.drain(..std::mem::take(&mut self.done));
                self.read.extend(&self.chunk[..count]);
                Ok(())
            }
        }
    }

    fn wait_for(&mut self, patience: Duration) -> io::Result<()> {
        if self.patience != patience {
            self.stream.set_read_timeout(Some(patience))?;
            self.patience = patience;
        }
        Ok(())
    }

    /// Waits for messages, and hands out all that have come, where they lie: type and body. `false`: there were none in this
    /// time.
    ///
    /// # Errors
    /// [`Failed::Check`]
    pub(super) fn ready(
        &mut self,
        within: Duration,
        mut each: impl FnMut(u8, &[u8]),
    ) -> Result<bool, Failed> {
        let wrong = |e: io::Error| Failed::Check(format!("reading: {e}"));
        self.wait_for(within).map_err(wrong)?;
        let mut any = false;
        loop {
            while let Some((kind, _, body)) = message_at(&self.read, self.done) {
                each(kind, &self.read[body.clone()]);
                self.done = body.end;
                any = true;
            }
            if any {
                return Ok(true);
            }
            match self.more() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(wrong(error)),
            }
        }
    }

    fn take(&mut self) -> Option<Message> {
        let (kind, xid, body) = message_at(&self.read, self.done)?;
        self.done = body.end;
        Some(Message { kind, xid, body: self.read[body].to_vec() })
    }
}

/// The message at some place: its type, its transaction id, and where its body lies. `None`: not all of it has come.
fn message_at(bytes: &[u8], at: usize) -> Option<(u8, u32, Range<usize>)> {
    let [_, kind, a, b, x @ ..] = *bytes.get(at..)?.first_chunk::<HEADER>()?;
    let end = at + usize::from(u16::from_be_bytes([a, b])).max(HEADER);
    (end <= bytes.len()).then_some((kind, u32::from_be_bytes(x), at + HEADER..end))
}

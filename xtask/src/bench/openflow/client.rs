//! A controller's end of one connection: bytes prepared before, and a wait for the answer that counts.

use std::io::{self, Read, Write};
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
}

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
        let mut client = Self { stream, read: Vec::new(), done: 0 };
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
        loop {
            if let Some(message) = self.take() {
                return Ok(message);
            }
            let mut bytes = [0; 1 << 16];
            match self.stream.read(&mut bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => {
                    self.read.drain(..std::mem::take(&mut self.done));
                    self.read.extend(&bytes[..count]);
                }
            }
        }
    }

    /// Waits for messages, and takes all that have come; `None`: there were none in this time.
    ///
    /// # Errors
    /// [`Failed::Check`]
    pub(super) fn ready(&mut self, within: Duration) -> Result<Option<Vec<Message>>, Failed> {
        let wrong = |e: io::Error| Failed::Check(format!("reading: {e}"));
        self.stream.set_read_timeout(Some(within)).map_err(wrong)?;
        let first = match self.next() {
            Ok(message) => Some(message),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => return Err(wrong(error)),
        };
        self.stream.set_read_timeout(Some(PATIENCE)).map_err(wrong)?;
        let Some(first) = first else { return Ok(None) };
        let mut messages = vec![first];
        messages.extend(std::iter::from_fn(|| self.take()));
        Ok(Some(messages))
    }

    fn take(&mut self) -> Option<Message> {
        let [_, kind, a, b, x @ ..] = *self.read.get(self.done..)?.first_chunk::<HEADER>()?;
        let length = usize::from(u16::from_be_bytes([a, b])).max(HEADER);
        let body = self.read.get(self.done + HEADER..self.done + length)?.to_vec();
        self.done += length;
        Some(Message { kind, xid: u32::from_be_bytes(x), body })
    }
}

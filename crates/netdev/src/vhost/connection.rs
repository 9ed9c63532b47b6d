//! The socket to the front end: bytes into whole messages.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netloom_sys::Errno;
use netloom_sys::fd_stream::FdStream;
use netloom_vhost::message::{HEADER, Header, MAX_PAYLOAD};

/// One connection, and what of the next message has come.
#[derive(Debug)]
pub(super) struct Connection {
    stream: FdStream,
    bytes: [u8; HEADER + MAX_PAYLOAD],
    got: usize,
    fds: Vec<OwnedFd>,
}

/// A message as it came.
#[derive(Debug)]
pub(super) struct Incoming<'a> {
    pub(super) header: Header,
    pub(super) payload: &'a [u8],
    pub(super) fds: Vec<OwnedFd>,
}

impl Connection {
    pub(super) fn new(stream: FdStream) -> Self {
        Self { stream, bytes: [0; HEADER + MAX_PAYLOAD], got: 0, fds: Vec::new() }
    }

    /// The next message, if all of it is there. Nothing behind it is read, so that descriptors stay with their message.
    ///
    /// # Errors
    /// `ECONNRESET` when the front end is gone, `EMSGSIZE` for a message longer than any.
    pub(super) fn next(&mut self) -> Result<Option<Incoming<'_>>, Errno> {
        loop {
            let wanted = self.wanted()?;
            if self.got == wanted
                && wanted >= HEADER
                && self.header().is_some_and(|header| size(&header) == wanted)
            {
                return Ok(self.taken(wanted));
            }
            let room = self.bytes.get_mut(self.got..wanted).unwrap_or_default();
            match self.stream.receive(room, &mut self.fds) {
                Ok(0) => return Err(Errno::CONNRESET),
                Ok(count) => self.got += count,
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Answers.
    ///
    /// # Errors
    /// As sendmsg(2); a front end that does not read its answers gets `EAGAIN` and is gone, too.
    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), Errno> {
        self.stream.send(bytes, &[])
    }

    fn header(&self) -> Option<Header> {
        (self.got >= HEADER).then(|| self.bytes.first_chunk().map(Header::parse))?
    }

    /// Bytes of the message, as far as is known.
    fn wanted(&self) -> Result<usize, Errno> {
        let wanted = self.header().map_or(HEADER, |header| size(&header));
        if wanted > self.bytes.len() { Err(Errno::MSGSIZE) } else { Ok(wanted) }
    }

    fn taken(&mut self, size: usize) -> Option<Incoming<'_>> {
        self.got = 0;
        let header = self.bytes.first_chunk().map(Header::parse)?;
        let payload = self.bytes.get(HEADER..size)?;
        Some(Incoming { header, payload, fds: std::mem::take(&mut self.fds) })
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

fn size(header: &Header) -> usize {
    usize::try_from(header.size).unwrap_or(usize::MAX).saturating_add(HEADER)
}

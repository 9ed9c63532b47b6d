//! One end of a framed stream: a socket and a decoder.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use netloom_api::stream::{BadFrame, Decoder, Frame, emit_bytes};
use rustix::net::{RecvFlags, SendFlags, recv, send};

/// One end of a framed stream. Writing blocks while the other side is slow; reading blocks only in
/// [`Self::receive`].
#[derive(Debug)]
pub struct Conn {
    socket: UnixStream,
    decoder: Decoder,
    out: Vec<u8>,
    /// What [`Self::queue_bytes`] took and the socket did not yet.
    queue: Vec<u8>,
}

/// Why a stream ended early.
#[derive(Debug, thiserror::Error)]
pub enum ConnError {
    /// The other side sent what is no frame.
    #[error(transparent)]
    Bad(#[from] BadFrame),
    /// The socket failed.
    #[error("The stream is broken")]
    Io(#[from] io::Error),
}

impl Conn {
    /// Around `socket`; `read` was read from it already.
    ///
    /// # Errors
    /// If the socket cannot be made blocking.
    pub fn new(socket: UnixStream, read: &[u8]) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        let mut decoder = Decoder::new();
        decoder.push(read);
        Ok(Self { socket, decoder, out: Vec::new(), queue: Vec::new() })
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// If the other side is gone.
    pub fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.out.clear();
        frame.emit(&mut self.out);
        self.socket.write_all(&self.out)
    }

    /// Sends bytes as `stdout` (1) or `stderr` (2) frames.
    ///
    /// # Errors
    /// If the other side is gone.
    pub fn send_bytes(&mut self, kind: u8, bytes: &[u8]) -> io::Result<()> {
        self.out.clear();
        emit_bytes(kind, bytes, &mut self.out);
        self.socket.write_all(&self.out)
    }

    /// Takes bytes of a kind (0 for `stdin`) to be sent by [`Self::flush`]: an end that must go on reading while the
    /// other one is slow to read, or both would wait for each other.
    pub fn queue_bytes(&mut self, kind: u8, bytes: &[u8]) {
        emit_bytes(kind, bytes, &mut self.queue);
    }

    /// Takes a frame to be sent by [`Self::flush`].
    pub fn queue(&mut self, frame: &Frame) {
        frame.emit(&mut self.queue);
    }

    /// How many bytes wait for [`Self::flush`].
    #[must_use]
    pub const fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Sends of what waits as much as goes without waiting.
    ///
    /// # Errors
    /// If the other side is gone.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.queue.is_empty() {
            match send(&self.socket, &self.queue, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(length) => drop(self.queue.drain(..length)),
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Drops what waits for [`Self::flush`].
    pub fn forget(&mut self) {
        self.queue.clear();
    }

    /// Says that nothing more will be sent. What the other side still says can be read.
    pub fn hang_up(&self) {
        // One that is gone does not have to be told.
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    /// The next frame that was read already.
    ///
    /// # Errors
    /// [`BadFrame`].
    pub fn poll(&mut self) -> Result<Option<Frame>, BadFrame> {
        self.decoder.poll()
    }

    /// Waits for the next frame; `None`: the other side closed.
    ///
    /// # Errors
    /// [`ConnError`].
    pub fn receive(&mut self) -> Result<Option<Frame>, ConnError> {
        loop {
            if let Some(frame) = self.decoder.poll()? {
                return Ok(Some(frame));
            }
            if self.read(RecvFlags::empty())? == Some(0) {
                return Ok(None);
            }
        }
    }

    /// Reads what is there without waiting: `Some(0)`: the other side closed; `None`: nothing is there.
    /// Take all frames out with [`Self::poll`] afterwards.
    ///
    /// # Errors
    /// If the socket failed.
    pub fn fill(&mut self) -> io::Result<Option<usize>> {
        self.read(RecvFlags::DONTWAIT)
    }

    fn read(&mut self, flags: RecvFlags) -> io::Result<Option<usize>> {
        let mut bytes = [0; 16 << 10];
        match recv(&self.socket, &mut bytes, flags) {
            Ok((length, _)) => {
                self.decoder.push(bytes.get(..length).unwrap_or_default());
                Ok(Some(length))
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_go_both_ways_and_the_end_is_seen() {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut near, mut far) =
            (Conn::new(near, &[4, 0, 0, 0, 1, 2]).unwrap(), Conn::new(far, &[]).unwrap());
        assert_eq!(near.receive().unwrap(), Some(Frame::Signal(2)), "read before the upgrade");
        assert_eq!(near.fill().unwrap(), None);
        far.send(&Frame::Exit(3)).unwrap();
        assert_eq!(near.receive().unwrap(), Some(Frame::Exit(3)));
        drop(far);
        assert_eq!(near.receive().unwrap(), None);
    }

    #[test]
    fn what_the_other_side_does_not_read_waits() {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut near, mut far) = (Conn::new(near, &[]).unwrap(), Conn::new(far, &[]).unwrap());
        near.queue_bytes(0, &vec![7; 2 << 20]);
        near.flush().unwrap();
        assert!(near.queued() > 1 << 20, "more than a socket holds");
        let reader = std::thread::spawn(move || {
            let mut got = 0;
            while let Some(Frame::Stdin(bytes)) = far.receive().unwrap() {
                got += bytes.len();
            }
            got
        });
        while near.queued() > 0 {
            near.flush().unwrap();
        }
        drop(near);
        assert_eq!(reader.join().unwrap(), 2 << 20);
    }

    #[test]
    fn nonsense_ends_the_stream() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = Conn::new(near, &[]).unwrap();
        far.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        assert!(matches!(near.receive(), Err(ConnError::Bad(BadFrame::Kind(b'G')))));
    }
}

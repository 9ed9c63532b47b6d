//! Copies between a framed stream and a program until the program ends or the other side is gone.
//!
//! One thread, one `poll`. Output is copied as it comes; a slow client makes the program wait, as a slow
//! terminal would. Input waits in memory, at most 1 MiB, while the program does not read; then the
//! stream is not read either, signals included.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netloom_api::TermSize;
use netloom_api::stream::Frame;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::{Conn, ConnError};

/// Input bytes that may wait for the program.
const PENDING: usize = 1 << 20;

/// The near ends of a program's pipes, or the master of its terminal: then `stdin` and `stdout` are two
/// duplicates of it and `stderr` is `None`.
#[derive(Debug, Default)]
pub struct Stdio {
    /// Where its input goes.
    pub stdin: Option<OwnedFd>,
    /// Where its output comes from.
    pub stdout: Option<OwnedFd>,
    /// Where its error output comes from.
    pub stderr: Option<OwnedFd>,
}

/// The program at the far end.
pub trait Program {
    /// Becomes readable when the program has ended: a pidfd, or an eventfd that a thread writes.
    fn ended(&self) -> BorrowedFd<'_>;
    /// The status as a shell's `$?` (128 + signal), once [`Self::ended`] is readable.
    fn status(&mut self) -> i32;
    /// The client's terminal has a new size.
    fn resize(&mut self, size: TermSize);
    /// The client got a signal.
    fn signal(&mut self, number: u8);
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The program ended; the exit frame is sent.
    Exited(i32),
    /// The client is gone; the program still runs.
    HungUp,
}

/// Copies until the end.
///
/// # Errors
/// [`ConnError::Bad`] if the client sends nonsense, [`ConnError::Io`] if `poll` itself fails. A client that goes
/// away is no error but [`End::HungUp`].
pub fn pump(conn: &mut Conn, stdio: Stdio, program: &mut dyn Program) -> Result<End, ConnError> {
    let mut pump = Pump {
        stdin: stdio.stdin.map(pipe).transpose()?,
        outputs: [stdio.stdout.map(pipe).transpose()?, stdio.stderr.map(pipe).transpose()?],
        pending: VecDeque::new(),
        eof: false,
    };
    // Frames read before the upgrade.
    pump.frames(conn, program)?;
    loop {
        let ready = pump.wait(conn, program)?;
        if ready.conn {
            if let None | Some(1..) = conn.fill().unwrap_or(Some(0)) {
                pump.frames(conn, program)?;
            } else {
                return Ok(End::HungUp);
            }
        }
        pump.feed();
        for (index, kind) in [(0, 1), (1, 2)] {
            if ready.outputs[index] && pump.copy(index, kind, conn).is_err() {
                return Ok(End::HungUp);
            }
        }
        if ready.ended {
            // What a child left behind may hold the pipes open for ever: copy what is there and end.
            for (index, kind) in [(0, 1), (1, 2)] {
                while pump.copy(index, kind, conn).is_ok_and(|more| more) {}
            }
            let status = program.status();
            let sent = conn.send(&Frame::Exit(status));
            return Ok(if sent.is_ok() { End::Exited(status) } else { End::HungUp });
        }
    }
}

struct Pump {
    stdin: Option<File>,
    outputs: [Option<File>; 2],
    pending: VecDeque<u8>,
    /// The client sends no more input.
    eof: bool,
}

struct Ready {
    conn: bool,
    ended: bool,
    outputs: [bool; 2],
}

fn pipe(fd: OwnedFd) -> io::Result<File> {
    fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
    Ok(File::from(fd))
}

impl Pump {
    fn wait(&self, conn: &Conn, program: &dyn Program) -> io::Result<Ready> {
        let want = |on: bool, flags| if on { flags } else { PollFlags::empty() };
        let room = self.pending.len() < PENDING;
        let mut fds = vec![
            PollFd::from_borrowed_fd(conn.as_fd(), want(room, PollFlags::IN)),
            PollFd::from_borrowed_fd(program.ended(), PollFlags::IN),
        ];
        let mut places = [None; 2];
        for (place, output) in places.iter_mut().zip(&self.outputs) {
            if let Some(file) = output {
                *place = Some(fds.len());
                fds.push(PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN));
            }
        }
        if let Some(file) = self.stdin.as_ref().filter(|_| !self.pending.is_empty()) {
            fds.push(PollFd::from_borrowed_fd(file.as_fd(), PollFlags::OUT));
        }
        loop {
            match poll(&mut fds, None) {
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let ready = |place: Option<usize>| {
            place.and_then(|place| fds.get(place)).is_some_and(|fd| !fd.revents().is_empty())
        };
        Ok(Ready { conn: ready(Some(0)), ended: ready(Some(1)), outputs: places.map(ready) })
    }

    fn frames(&mut self, conn: &mut Conn, program: &mut dyn Program) -> Result<(), ConnError> {
        while let Some(frame) = conn.poll()? {
            match frame {
                Frame::Stdin(bytes) if bytes.is_empty() => self.eof = true,
                Frame::Stdin(bytes) if self.stdin.is_some() => self.pending.extend(bytes),
                Frame::Resize(size) => program.resize(size),
                Frame::Signal(number) => program.signal(number),
                // The rest is for the other direction; input for a program that closed its own is lost.
                _ => {}
            }
        }
        self.feed();
        Ok(())
    }

    /// Writes waiting input as far as the program takes it.
    fn feed(&mut self) {
        while let Some(stdin) = &mut self.stdin {
            let (front, _) = self.pending.as_slices();
            if front.is_empty() {
                break;
            }
            match stdin.write(front) {
                Ok(length) => drop(self.pending.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    self.stdin = None;
                    self.pending.clear();
                }
            }
        }
        if self.eof && self.pending.is_empty() {
            self.stdin = None;
        }
    }

    /// Copies one read of output `index`; whether more may be there. Fails if the client is gone.
    fn copy(&mut self, index: usize, kind: u8, conn: &mut Conn) -> io::Result<bool> {
        let Some(output) = self.outputs.get_mut(index) else { return Ok(false) };
        let Some(file) = output else { return Ok(false) };
        let mut bytes = [0; 32 << 10];
        match file.read(&mut bytes) {
            Ok(length @ 1..) => conn.send_bytes(kind, bytes.get(..length).unwrap_or_default()).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            // The end; of a terminal it is EIO.
            Ok(0) | Err(_) => {
                *output = None;
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command};

    use rustix::process::{PidfdFlags, pidfd_open};

    use super::*;

    struct Shell {
        child: Child,
        pidfd: OwnedFd,
        told: Vec<String>,
    }

    impl Program for Shell {
        fn ended(&self) -> BorrowedFd<'_> {
            self.pidfd.as_fd()
        }
        fn status(&mut self) -> i32 {
            self.child.wait().unwrap().code().unwrap_or(-1)
        }
        fn resize(&mut self, size: TermSize) {
            self.told.push(format!("{}x{}", size.columns, size.rows));
        }
        fn signal(&mut self, number: u8) {
            self.told.push(format!("signal {number}"));
            self.child.kill().unwrap();
        }
    }

    fn sh(script: &str) -> (Shell, Stdio) {
        let piped = std::process::Stdio::piped;
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(piped())
            .stdout(piped())
            .stderr(piped())
            .spawn()
            .unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let stdio = Stdio {
            stdin: child.stdin.take().map(Into::into),
            stdout: child.stdout.take().map(Into::into),
            stderr: child.stderr.take().map(Into::into),
        };
        (Shell { pidfd: pidfd_open(pid, PidfdFlags::empty()).unwrap(), child, told: vec![] }, stdio)
    }

    fn conns() -> (Conn, Conn) {
        let (near, far) = UnixStream::pair().unwrap();
        (Conn::new(near, &[]).unwrap(), Conn::new(far, &[]).unwrap())
    }

    #[test]
    fn a_program_gets_its_input_and_its_output_and_status_come_back() {
        let (mut near, mut far) = conns();
        far.send(&Frame::Resize(TermSize { rows: 2, columns: 3 })).unwrap();
        far.send(&Frame::Stdin(b"hello\n".to_vec())).unwrap();
        far.send(&Frame::Stdin(vec![])).unwrap();
        let (mut shell, stdio) = sh("cat; echo bad >&2; exit 7");
        assert_eq!(pump(&mut near, stdio, &mut shell).unwrap(), End::Exited(7));
        assert_eq!(shell.told, ["3x2"]);
        let (mut out, mut err) = (vec![], vec![]);
        loop {
            match far.receive().unwrap() {
                Some(Frame::Stdout(bytes)) => out.extend(bytes),
                Some(Frame::Stderr(bytes)) => err.extend(bytes),
                Some(Frame::Exit(status)) => break assert_eq!(status, 7),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((out.as_slice(), err.as_slice()), (&b"hello\n"[..], &b"bad\n"[..]));
    }

    #[test]
    fn more_input_than_the_program_wants_does_not_block_its_end() {
        let (mut near, mut far) = conns();
        let writer = std::thread::spawn(move || {
            let _ = far.send(&Frame::Stdin(vec![b'x'; 4 << 20]));
            std::iter::from_fn(|| far.receive().ok().flatten()).last()
        });
        let (mut shell, stdio) = sh("exec 0<&-; exit 3");
        assert_eq!(pump(&mut near, stdio, &mut shell).unwrap(), End::Exited(3));
        drop(near);
        // The client's write fails or is swallowed; in any case it is not stuck.
        drop(writer.join().unwrap());
    }

    #[test]
    fn a_background_child_does_not_hold_the_stream() {
        let (mut near, mut far) = conns();
        let (mut shell, stdio) = sh("sleep 5 & echo gone");
        assert_eq!(pump(&mut near, stdio, &mut shell).unwrap(), End::Exited(0));
        assert_eq!(far.receive().unwrap(), Some(Frame::Stdout(b"gone\n".to_vec())));
    }

    #[test]
    fn a_signal_is_passed_on_and_a_client_that_leaves_is_noticed() {
        let (mut near, mut far) = conns();
        far.send(&Frame::Signal(15)).unwrap();
        let (mut shell, stdio) = sh("sleep 30");
        assert_eq!(pump(&mut near, stdio, &mut shell).unwrap(), End::Exited(-1));
        assert_eq!(shell.told, ["signal 15"]);

        let (mut near, far) = conns();
        drop(far);
        let (mut shell, stdio) = sh("sleep 30");
        assert_eq!(pump(&mut near, stdio, &mut shell).unwrap(), End::HungUp);
        shell.child.kill().unwrap();
        shell.child.wait().unwrap();
    }
}

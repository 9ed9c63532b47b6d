//! The user's end of a stream: keys, window size and signals go there, output comes back.

use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;

use netloom_api::stream::Frame;
use netloom_api::{ApiError, ErrorKind, TermSize};
use netloom_daemon::Conn;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use crate::client::Patience;
use crate::interrupt::{Signals, is_end, is_resize};

/// Bytes of input that may wait for the lab to take them.
const AHEAD: usize = 256 << 10;

/// The size of the terminal on standard output; `None` also for one that does not know it, such as a serial line.
pub(crate) fn size() -> Option<TermSize> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(TermSize { rows: size.ws_row, columns: size.ws_col })
}

/// Whether both ends are a terminal, so that a program can have one too.
pub(crate) fn is_both() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Standard input in raw mode until dropped.
#[derive(Debug)]
pub(crate) struct Raw(Termios);

impl Raw {
    /// Where it is a terminal.
    pub(crate) fn enter() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Copies until the program ends; its status as a shell's `$?`.
///
/// With `tty`, the user's terminal is raw and signals are keys; without, signals are passed on.
pub(crate) fn session(conn: Conn, tty: bool) -> Result<u8, ApiError> {
    converse(conn, tty, None)
}

/// The same with a machine's console, which has no end of its own: a key leaves it, or the end of the input.
pub(crate) fn console(conn: Conn, tty: bool) -> Result<u8, ApiError> {
    converse(conn, tty, Some(LEAVE))
}

/// Ctrl-], as of telnet and virsh.
const LEAVE: u8 = 0x1d;

fn converse(mut conn: Conn, tty: bool, leave: Option<u8>) -> Result<u8, ApiError> {
    let _raw = if tty { Raw::enter() } else { None };
    let mut signals = Signals::terminal().map_err(|error| broken(&error))?;
    let mut input = true;
    loop {
        if let Some(end) = frames(&mut conn)? {
            return Ok(end);
        }
        // What the program does not take yet waits here, and then nothing more is read for it.
        let ready = wait(&conn, &signals, input && conn.queued() < AHEAD).map_err(|error| broken(&error))?;
        for number in signals.take() {
            let frame = match size() {
                Some(size) if is_resize(number) => Frame::Resize(size),
                _ if is_end(number) => Frame::Signal(u8::try_from(number).unwrap_or(15)),
                _ => continue,
            };
            conn.queue(&frame);
        }
        if ready.input {
            input = match forward(&mut conn, leave) {
                Forwarded::More => true,
                Forwarded::End if leave.is_none() => false,
                Forwarded::End | Forwarded::Left => {
                    // Whether or not it arrives: what was typed before was meant.
                    let _ = conn.flush();
                    return last_words(&mut conn);
                }
            };
        }
        // Who does not listen any more may still have something to say: how the program ended.
        if conn.flush().is_err() {
            conn.forget();
            input = false;
        }
        if ready.conn
            && conn.fill().map_err(|error| broken(&error))? == Some(0)
            && frames(&mut conn)?.is_none()
        {
            return Err(ApiError::new(ErrorKind::Failed, "The lab ended."));
        }
    }
}

/// Receives frames until the stream ends: what comes is handed on, Ctrl-C ends it.
pub(crate) fn follow(
    mut conn: Conn,
    mut patience: Patience,
    each: &mut dyn FnMut(Frame) -> bool,
) -> Result<u8, ApiError> {
    loop {
        while let Some(frame) = conn.poll().map_err(|error| broken(&error))? {
            match frame {
                Frame::Exit(status) => return Ok(u8::try_from(status).unwrap_or(1)),
                Frame::Error(error) => return Err(*error),
                frame => {
                    if !each(frame) {
                        return Ok(0);
                    }
                }
            }
        }
        if let Some(signals) = patience.signals.take() {
            let ready = wait(&conn, &signals, false).map_err(|error| broken(&error))?;
            let mut signals = signals;
            if signals.take().into_iter().any(is_end) {
                return Ok(0);
            }
            patience.signals = Some(signals);
            if !ready.conn {
                continue;
            }
        }
        if conn.fill().map_err(|error| broken(&error))? == Some(0) {
            return Ok(0);
        }
    }
}

struct Ready {
    conn: bool,
    input: bool,
}

fn wait(conn: &Conn, signals: &Signals, input: bool) -> io::Result<Ready> {
    let stdin = io::stdin();
    let room = if conn.queued() > 0 { PollFlags::OUT } else { PollFlags::empty() };
    let mut fds = vec![PollFd::from_borrowed_fd(conn.as_fd(), PollFlags::IN | room)];
    fds.extend(signals.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    if input {
        fds.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
    }
    match poll(&mut fds, None) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok(Ready { conn: false, input: false }),
        Err(errno) => return Err(errno.into()),
    }
    let ready = |fd: Option<&PollFd<'_>>, but| fd.is_some_and(|fd| !fd.revents().difference(but).is_empty());
    Ok(Ready {
        conn: ready(fds.first(), PollFlags::OUT),
        input: input && ready(fds.last(), PollFlags::empty()),
    })
}

/// What came of reading what was typed.
enum Forwarded {
    /// There may be more.
    More,
    /// There is no more.
    End,
    /// The key that leaves was among it.
    Left,
}

/// Sends what was typed.
fn forward(conn: &mut Conn, leave: Option<u8>) -> Forwarded {
    let mut bytes = [0; 32 << 10];
    // Not through `io::stdin()`: its buffer would hide bytes from poll.
    let length = match rustix::io::read(io::stdin(), &mut bytes) {
        Ok(length) => length,
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Forwarded::More,
        Err(_) => 0,
    };
    let typed = bytes.get(..length).unwrap_or_default();
    if leave.is_some_and(|key| typed.contains(&key)) {
        return Forwarded::Left;
    }
    conn.queue_bytes(0, typed);
    if length > 0 { Forwarded::More } else { Forwarded::End }
}

/// Takes what was received; the status if the program ended.
/// Says that nothing more comes, and hears the other side out: whoever leaves at once may not have been let in.
fn last_words(conn: &mut Conn) -> Result<u8, ApiError> {
    conn.hang_up();
    loop {
        if let Some(end) = frames(conn)? {
            return Ok(end);
        }
        // Nobody who is there keeps silent for so long; who is not has nothing to say.
        let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
        let heard = poll(&mut [PollFd::new(&*conn, PollFlags::IN)], Some(&patience));
        if !matches!(heard, Ok(1..)) || !matches!(conn.fill(), Ok(None | Some(1..))) {
            return frames(conn).map(|end| end.unwrap_or(0));
        }
    }
}

fn frames(conn: &mut Conn) -> Result<Option<u8>, ApiError> {
    while let Some(frame) = conn.poll().map_err(|error| broken(&error))? {
        match frame {
            Frame::Stdout(bytes) => copy(&mut io::stdout(), &bytes),
            Frame::Stderr(bytes) => copy(&mut io::stderr(), &bytes),
            Frame::Exit(status) => return Ok(Some(u8::try_from(status & 0xff).unwrap_or(1))),
            Frame::Error(error) => return Err(*error),
            _ => {}
        }
    }
    Ok(None)
}

/// Whoever read our output may have left; the program learns it when the stream closes.
fn copy(to: &mut impl Write, bytes: &[u8]) {
    let _ = to.write_all(bytes).and_then(|()| to.flush());
}

fn broken(error: &(dyn std::error::Error + 'static)) -> ApiError {
    ApiError::caused(ErrorKind::Internal, "The stream to the lab broke.", error)
}

/// All of standard input, for commands that take a text there.
pub(crate) fn read_all() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

//! A lab's daemon that talks to another lab's: its `api.sock`, words, and secrets that go over it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use netloom_api::stream::Frame;
use netloom_api::{ApiError, Command, ErrorKind, STREAM_PROTOCOL};
use netloom_sys::clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{SECRET, Word};
use crate::Conn;

/// Bytes of the longest answer before a stream.
const MOST_HEAD: usize = 16 << 10;
/// How long a machine may take to answer a call.
const CALL: Duration = Duration::from_secs(3);

/// Asks the lab behind `socket` for a stream.
pub(super) fn call(socket: &Path, command: &Command) -> Result<Conn, ApiError> {
    let failed = |error: io::Error| {
        ApiError::caused(
            ErrorKind::Failed,
            format!("Cannot talk to the lab at {}.", socket.display()),
            &error,
        )
        .hint("it has to be up, and this lab's user has to be let in; `netloom ls labs`")
    };
    let mut stream = UnixStream::connect(socket).map_err(failed)?;
    stream.set_read_timeout(Some(CALL)).map_err(failed)?;
    stream.set_write_timeout(Some(CALL)).map_err(failed)?;
    let body = serde_json::to_vec(command).map_err(|error| failed(error.into()))?;
    let head = format!(
        "POST /v1/stream HTTP/1.1\r\nhost: lab\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: upgrade\r\nupgrade: {STREAM_PROTOCOL}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).map_err(failed)?;
    let answer = head_of(&mut stream).map_err(failed)?;
    if !answer.starts_with(b"HTTP/1.1 101 ") {
        return Err(ApiError::new(
            ErrorKind::Unsupported,
            format!("The lab at {} takes no machines: it is of another version.", socket.display()),
        ));
    }
    stream.set_read_timeout(None).map_err(failed)?;
    Conn::new(stream, &[]).map_err(failed)
}

/// Reads up to the end of an answer's head, and nothing behind it.
fn head_of(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MOST_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(head)
}

/// Something from the other side.
#[derive(Debug)]
pub(super) enum Heard {
    Word(Word),
    /// A frame of a card that moves: which card, and the frame behind its header.
    Packet(usize, Vec<u8>),
    /// Sums of pages, some of them.
    Sums(Vec<u8>),
    /// A page of memory: its number and its bytes.
    Page(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// It is gone, or says what nobody understands.
    Gone,
    /// It says why it cannot be.
    Error(ApiError),
}

/// Says a word; whether it was heard shows later.
pub(super) fn say(conn: &mut Conn, word: &Word) -> io::Result<()> {
    conn.send(&Frame::Event(serde_json::to_string(word).map_err(io::Error::other)?))
}

/// Sends a packet of a card.
pub(super) fn send_packet(conn: &mut Conn, card: usize, packet: &[u8]) -> io::Result<()> {
    let number = u8::try_from(card).map_err(io::Error::other)?;
    conn.send(&Frame::Stdin([&[number], packet].concat()))
}

/// What the other side says next, if it says something within so many nanoseconds.
pub(super) fn hear(conn: &mut Conn, patience: u64) -> Heard {
    let until = clock::now().saturating_add(patience);
    loop {
        match conn.poll() {
            Ok(Some(Frame::Event(text))) => {
                return serde_json::from_str(&text).map_or(Heard::Gone, Heard::Word);
            }
            Ok(Some(Frame::Stdin(bytes))) => {
                return match bytes.split_first() {
                    Some((card, packet)) => Heard::Packet(usize::from(*card), packet.to_vec()),
                    None => Heard::Gone,
                };
            }
            Ok(Some(Frame::Stdout(bytes))) => return Heard::Sums(bytes),
            Ok(Some(Frame::Stderr(bytes))) => return Heard::Page(bytes),
            Ok(Some(Frame::Error(error))) => return Heard::Error(*error),
            Ok(Some(_)) | Err(_) => return Heard::Gone,
            Ok(None) => {}
        }
        let left = until.saturating_sub(clock::now());
        let timeout = Timespec::try_from(Duration::from_nanos(left)).ok();
        let ready = poll(&mut [PollFd::new(&*conn, PollFlags::IN)], timeout.as_ref());
        match ready {
            Ok(0) => return Heard::Nothing,
            Ok(_) if matches!(conn.fill(), Ok(Some(0)) | Err(_)) => return Heard::Gone,
            _ => {}
        }
    }
}

/// So many random bytes, in hexadecimal digits.
pub(super) fn secret() -> io::Result<String> {
    let mut bytes = [0; SECRET];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.map(|byte| format!("{byte:02x}")).concat())
}

/// Calls where the other lab listens, at the first of these addresses that takes the call.
pub(super) fn connect(addresses: &[IpAddr], port: u16, token: &str) -> Result<TcpStream, String> {
    let mut said = Vec::new();
    for address in addresses {
        let called = TcpStream::connect_timeout(&SocketAddr::new(*address, port), CALL);
        let greeted = called.and_then(|mut stream| {
            stream.set_nodelay(true)?;
            stream.write_all(token.as_bytes())?;
            Ok(stream)
        });
        match greeted {
            Ok(stream) => return Ok(stream),
            Err(error) => said.push(format!("{address} port {port}: {error}")),
        }
    }
    Err(said.join(", "))
}

/// A place to be called at, at every address of this machine.
pub(super) fn listen() -> io::Result<(TcpListener, u16)> {
    // Where there is no IPv6, there is IPv4.
    let listener = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0"))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// Waits until somebody calls who knows the token; others are hung up on. In words: why nobody did.
pub(super) fn answer(
    listener: &TcpListener,
    conn: &mut Conn,
    token: &str,
    patience: u64,
) -> Result<TcpStream, String> {
    let until = clock::now().saturating_add(patience);
    loop {
        let left = until.saturating_sub(clock::now());
        if left == 0 {
            return Err("nobody has called".to_owned());
        }
        let timeout = Timespec::try_from(Duration::from_nanos(left)).ok();
        let mut fds = [
            PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(conn.as_fd(), PollFlags::IN),
        ];
        let _ = poll(&mut fds, timeout.as_ref());
        if !fds[1].revents().is_empty() {
            return Err("the other lab has given up".to_owned());
        }
        let Ok((stream, _)) = listener.accept() else { continue };
        if is_known(&stream, token).unwrap_or(false) {
            return Ok(stream);
        }
    }
}

/// Whether who has called says the token.
fn is_known(mut stream: &TcpStream, token: &str) -> io::Result<bool> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(CALL))?;
    let mut said = [0; 2 * SECRET];
    stream.read_exact(&mut said)?;
    stream.set_read_timeout(None)?;
    // All of it is looked at, however it begins.
    let differ = said.iter().zip(token.as_bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    Ok(token.len() == said.len() && differ == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> [Conn; 2] {
        let (near, far) = UnixStream::pair().unwrap();
        [Conn::new(near, &[]).unwrap(), Conn::new(far, &[]).unwrap()]
    }

    #[test]
    fn words_and_packets_arrive_and_nonsense_is_the_end() {
        let [mut near, mut far] = pair();
        say(&mut near, &Word::Go {}).unwrap();
        send_packet(&mut near, 3, b"packet").unwrap();
        assert!(matches!(hear(&mut far, 0), Heard::Word(Word::Go {})));
        assert!(matches!(hear(&mut far, 0), Heard::Packet(3, bytes) if bytes == b"packet"));
        assert!(matches!(hear(&mut far, 1_000_000), Heard::Nothing));
        for wrong in [Frame::Event("{\"go\":1}".into()), Frame::Stdin(Vec::new()), Frame::Exit(0)] {
            near.send(&wrong).unwrap();
            assert!(matches!(hear(&mut far, 0), Heard::Gone), "{wrong:?}");
        }
        drop(near);
        assert!(matches!(hear(&mut far, 1_000_000_000), Heard::Gone));
    }

    #[test]
    fn only_who_knows_the_token_is_let_in() {
        let (listener, port) = listen().unwrap();
        let (token, [_near, mut far]) = (secret().unwrap(), pair());
        let here = [IpAddr::from([127, 0, 0, 1])];
        let wrong = connect(&here, port, &secret().unwrap()).unwrap();
        let torn = connect(&here, port, &token[..10]).unwrap();
        torn.shutdown(std::net::Shutdown::Write).unwrap();
        let right = connect(&here, port, &token).unwrap();
        let got = answer(&listener, &mut far, &token, 5_000_000_000).unwrap();
        assert_eq!(got.peer_addr().unwrap().port(), right.local_addr().unwrap().port());
        assert_eq!((&wrong).read(&mut [0]).unwrap_or(0), 0, "it was hung up on");
        assert_eq!(answer(&listener, &mut far, &token, 1_000_000).unwrap_err(), "nobody has called");
    }

    #[test]
    fn who_gives_up_is_not_waited_for() {
        let (listener, _) = listen().unwrap();
        let [near, mut far] = pair();
        drop(near);
        assert_eq!(
            answer(&listener, &mut far, "x", 5_000_000_000).unwrap_err(),
            "the other lab has given up"
        );
    }
}

//! The server, asked over its socket as a client would, with an engine that does nothing real.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use netloom_api::stream::Frame;
use netloom_api::{ApiError, Command, DownReport, ErrorKind, Progress, Reply};
use netloom_daemon::http::Server;
use netloom_daemon::{Conn, Engine, Home, Homes, Sink};

/// `Status` answers at once, `Play` waits until it is let go or cancelled, `Logs` echoes input.
struct Echo {
    started: Sender<()>,
    go: Mutex<Receiver<()>>,
    cancelled: Sender<()>,
}

impl Engine for Echo {
    fn command(&self, command: Command, sink: &Sink) -> Result<Reply, ApiError> {
        match command {
            Command::Status => {
                sink.send(Progress::Note { text: "looking".into() });
                Ok(Reply::Labs(vec![]))
            }
            Command::Play => {
                self.started.send(()).unwrap();
                let go = self.go.lock().unwrap();
                while go.recv_timeout(Duration::from_millis(2)).is_err() {
                    if sink.is_cancelled() {
                        self.cancelled.send(()).unwrap();
                        return Err(ApiError::new(ErrorKind::Cancelled, "Stopped."));
                    }
                }
                Ok(Reply::Done {})
            }
            Command::Down { .. } => Ok(Reply::Down(DownReport::default())),
            other => Err(ApiError::new(ErrorKind::Unsupported, format!("No {}.", other.word()))),
        }
    }

    fn stream(&self, _: Command, conn: &mut Conn) -> Result<(), ApiError> {
        while let Ok(Some(frame)) = conn.receive() {
            match frame {
                Frame::Stdin(bytes) if bytes.is_empty() => break,
                Frame::Stdin(bytes) => conn.send(&Frame::Stdout(bytes)).unwrap(),
                Frame::Signal(_) => return Err(ApiError::new(ErrorKind::NotFound, "No such node.")),
                _ => {}
            }
        }
        conn.send(&Frame::Exit(0)).unwrap();
        Ok(())
    }
}

struct Lab {
    home: Home,
    started: Receiver<()>,
    go: Sender<()>,
    cancelled: Receiver<()>,
    server: JoinHandle<()>,
    _place: tempfile::TempDir,
}

fn lab() -> Lab {
    let place = tempfile::tempdir().unwrap();
    let home = Homes::at(place.path().join("base")).home("shop").unwrap();
    home.create().unwrap();
    let listener = UnixListener::bind(home.socket()).unwrap();
    let ((tell, started), (go, wait), (cancel, cancelled)) = (channel(), channel(), channel());
    let engine = Arc::new(Echo { started: tell, go: Mutex::new(wait), cancelled: cancel });
    let server = Server { listener, home: home.clone(), group: false };
    let server = std::thread::spawn(move || server.serve(engine, || ()).unwrap());
    Lab { home, started, go, cancelled, server, _place: place }
}

impl Lab {
    fn send(&self, head: &str, body: &str) -> UnixStream {
        let mut socket = UnixStream::connect(self.home.socket()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let length = body.len();
        write!(socket, "{head} HTTP/1.1\r\nhost: lab\r\ncontent-length: {length}\r\n").unwrap();
        if head.contains("stream") {
            write!(socket, "connection: upgrade\r\nupgrade: netloom-stream\r\n\r\n{body}").unwrap();
        } else {
            write!(socket, "connection: close\r\n\r\n{body}").unwrap();
        }
        socket
    }

    fn ask(&self, head: &str, body: &str) -> String {
        let mut text = String::new();
        self.send(head, body).read_to_string(&mut text).unwrap();
        text
    }
}

#[test]
fn progress_comes_before_the_reply() {
    let lab = lab();
    let text = lab.ask("POST /v1/command", r#"{"do":"status"}"#);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let (note, reply) = (text.find(r#"{"progress":{"event":"note""#), text.find(r#"{"reply":{"labs":[]}}"#));
    assert!(note.is_some() && note < reply, "{text}");
}

#[test]
fn nonsense_is_answered_and_the_server_lives_on() {
    let lab = lab();
    for (head, body, status) in [
        ("POST /v1/command", "{", "400"),
        ("POST /v1/command", r#"{"do":"dance"}"#, "400"),
        ("GET /v1/command", "", "405"),
        ("POST /v2/command", "", "404"),
    ] {
        let text = lab.ask(head, body);
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{text}");
        assert!(text.contains(r#"{"error":{"kind""#), "{text}");
    }
    assert!(lab.ask("POST /v1/command", r#"{"do":"top","interval_ms":1}"#).contains("/v1/stream"));
    assert!(lab.ask("POST /v1/command", r#"{"do":"status"}"#).contains("labs"));
}

#[test]
fn one_exclusive_command_at_a_time() {
    let lab = lab();
    let mut first = lab.send("POST /v1/command", r#"{"do":"play"}"#);
    lab.started.recv().unwrap();
    let second = lab.ask("POST /v1/command", r#"{"do":"down"}"#);
    assert!(second.contains(r#""kind":"busy""#) && second.contains("`play`"), "{second}");
    assert!(lab.ask("POST /v1/command", r#"{"do":"status"}"#).contains("labs"), "reading goes on");
    lab.go.send(()).unwrap();
    let mut text = String::new();
    first.read_to_string(&mut text).unwrap();
    assert!(text.contains(r#"{"reply":{"done":{}}}"#), "{text}");
}

#[test]
fn a_client_that_leaves_cancels_its_command() {
    let lab = lab();
    let first = lab.send("POST /v1/command", r#"{"do":"play"}"#);
    lab.started.recv().unwrap();
    drop(first);
    lab.cancelled.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_stream_is_the_bare_socket_after_the_upgrade() {
    let lab = lab();
    let mut socket = lab.send("POST /v1/stream", r#"{"do":"logs"}"#);
    let mut head = vec![];
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    let mut conn = Conn::new(socket, &[]).unwrap();
    conn.send(&Frame::Stdin(b"hello".to_vec())).unwrap();
    assert_eq!(conn.receive().unwrap(), Some(Frame::Stdout(b"hello".to_vec())));
    conn.send(&Frame::Signal(2)).unwrap();
    let Some(Frame::Error(error)) = conn.receive().unwrap() else { panic!("an error") };
    assert_eq!(error.kind, ErrorKind::NotFound);
    assert_eq!(conn.receive().unwrap(), None);
}

#[test]
fn down_removes_the_directory_before_it_answers_and_ends_the_server() {
    let lab = lab();
    std::fs::write(lab.home.log_file(), "x").unwrap();
    let text = lab.ask("POST /v1/command", r#"{"do":"down"}"#);
    assert!(text.contains(r#"{"reply":{"down":"#), "{text}");
    assert!(!lab.home.exists());
    lab.server.join().unwrap();
}

//! A registry in this process that answers as a test wants it to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) from: u64,
    pub(crate) authorization: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Breaks off after so many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// Says nothing of its length, and goes on until nobody listens.
    pub(crate) endless: bool,
}

impl Answer {
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self { status: 200, body: body.to_vec(), ..Self::default() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The registry; its thread ends with the process.
pub(crate) struct Server {
    pub(crate) address: String,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
    /// Bytes of endless bodies that were taken.
    pub(crate) poured: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (asked, poured) = (Arc::<Mutex<Vec<Asked>>>::default(), Arc::<AtomicUsize>::default());
        let (log, count, answer) = (Arc::clone(&asked), Arc::clone(&poured), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, count, answer) = (Arc::clone(&log), Arc::clone(&count), Arc::clone(&answer));
                std::thread::spawn(move || {
                    if let Some(request) = read(&stream) {
                        log.lock().unwrap().push(request.clone());
                        // A client that hangs up has its reasons.
                        let _ = write(stream, &answer(&request), &count);
                    }
                });
            }
        });
        Self { address, asked, poured }
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.path.clone()).collect()
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut asked = Asked { path, from: 0, authorization: None };
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { return Some(asked) };
        match name.to_ascii_lowercase().as_str() {
            "range" => asked.from = value.trim_start_matches("bytes=").trim_end_matches('-').parse().ok()?,
            "authorization" => asked.authorization = Some(value.to_owned()),
            _ => {}
        }
    }
}

fn write(mut stream: TcpStream, answer: &Answer, poured: &AtomicUsize) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !answer.endless {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n")?;
    stream.write_all(&answer.body[..answer.cut.unwrap_or(answer.body.len())])?;
    if !answer.endless {
        return Ok(());
    }
    loop {
        poured.fetch_add(stream.write(&[0; 4096])?, Ordering::Relaxed);
    }
}

//! Clients of the bench: one that changes things, and many that look on. They read no JSON, they count it.
//!
//! The one that changes things does not sleep while it waits for an answer, or its waking, which takes longer than a
//! transaction, would be told as the server's time.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netloom_sys::epoll::{Epoll, Interest};

use crate::run::Failed;

/// A client that changes things.
pub(super) struct Client {
    stream: UnixStream,
    bytes: Vec<u8>,
    count: Count,
    refused: bool,
}

/// How often a client that does not sleep looks for an answer before it gives up: for some tens of seconds.
const MOST_LOOKS: u64 = 100_000_000;

/// Objects in a stream of them.
#[derive(Default)]
struct Count {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl Count {
    /// How many end in `bytes`.
    fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut ended = 0;
        for &byte in bytes {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    ended += usize::from(self.depth == 0);
                }
                _ => {}
            }
        }
        ended
    }
}

fn failed(source: std::io::Error) -> Failed {
    Failed::File { path: "the server's socket".to_owned(), source }
}

impl Client {
    pub(super) fn connect(socket: &Path) -> Result<Self, Failed> {
        let stream = UnixStream::connect(socket).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(failed)?;
        Ok(Self { stream, bytes: vec![0; 1 << 16], count: Count::default(), refused: false })
    }

    /// Sends a transaction.
    pub(super) fn send(&mut self, params: &str) -> Result<(), Failed> {
        self.request("transact", params)
    }

    fn request(&mut self, method: &str, params: &str) -> Result<(), Failed> {
        // Two of the same number under way at a time would be refused; the length of what was sent differs.
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let text = format!(r#"{{"id":{id},"method":"{method}","params":{params}}}"#);
        self.stream.write_all(text.as_bytes()).map_err(failed)
    }

    /// Waits for answers; how many came.
    pub(super) fn receive(&mut self) -> Result<usize, Failed> {
        self.piece().map(|(ended, _)| ended)
    }

    /// From now on it looks again and again for what comes, and does not sleep. Requests are short: they find room.
    pub(super) fn stay_awake(&self) -> Result<(), Failed> {
        self.stream.set_nonblocking(true).map_err(failed)
    }

    fn piece(&mut self) -> Result<(usize, usize), Failed> {
        let mut looks = 0_u64;
        let length = loop {
            match self.stream.read(&mut self.bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock && looks < MOST_LOOKS => looks += 1,
                read => break read.map_err(failed)?,
            }
        };
        if length == 0 {
            return Err(Failed::Check("the server has hung up".to_owned()));
        }
        let bytes = self.bytes.get(..length).unwrap_or_default();
        self.refused |= contains(bytes, b"\"error\":\"") || contains(bytes, b"\"error\":{");
        Ok((self.count.feed(bytes), length))
    }

    /// Whether anything was refused.
    pub(super) const fn refused(&self) -> bool {
        self.refused
    }

    /// Does one transaction; the answer.
    pub(super) fn ask(&mut self, params: &str) -> Result<String, Failed> {
        self.send(params)?;
        self.answer()
    }

    fn answer(&mut self) -> Result<String, Failed> {
        let mut answer = Vec::new();
        loop {
            let (ended, length) = self.piece()?;
            answer.extend_from_slice(self.bytes.get(..length).unwrap_or_default());
            if ended > 0 {
                return Ok(String::from_utf8_lossy(&answer).into_owned());
            }
        }
    }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

/// Clients that look on, read by one thread.
pub(super) struct Monitors {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<usize>>,
}

impl Monitors {
    /// Has so many look at two tables, as switches do.
    pub(super) fn begin(socket: &Path, count: usize) -> Result<Self, Failed> {
        let mut clients = Vec::new();
        for n in 0..count {
            let mut client = Client::connect(socket)?;
            client.request(
                "monitor_cond_since",
                &format!(
                    r#"["Open_vSwitch",["m",{n}],{{"Bridge":[{{"columns":["name","external_ids"]}}],"Open_vSwitch":[{{"columns":["next_cfg","bridges"]}}]}},"00000000-0000-0000-0000-000000000000"]"#
                ),
            )?;
            client.answer()?;
            client.stream.set_nonblocking(true).map_err(failed)?;
            clients.push(client);
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || watch(clients, &stopped));
        Ok(Self { stop, thread })
    }

    /// Ends them once nothing more comes; each must have been told of all transactions, one by one or some at a time.
    pub(super) fn end(self, transactions: usize) -> Result<(), Failed> {
        self.stop.store(true, Ordering::Relaxed);
        let told = self.thread.join().unwrap_or_default();
        match told.iter().all(|told| *told > 0 && *told <= transactions) {
            true => Ok(()),
            false => {
                Err(Failed::Check(format!("monitors were told {told:?} of {transactions} transactions")))
            }
        }
    }
}

/// When nothing has come for so long, nothing more does.
const QUIET_NS: u64 = 300_000_000;

fn watch(mut clients: Vec<Client>, stop: &AtomicBool) -> Vec<usize> {
    let mut told = vec![0; clients.len()];
    let Ok(mut epoll) = Epoll::new(64) else { return told };
    for (n, client) in clients.iter().enumerate() {
        if epoll.add(&client.stream, n as u64, Interest::Read).is_err() {
            return told;
        }
    }
    loop {
        let mut ready = Vec::new();
        let _ = epoll.wait(Some(QUIET_NS), |it| ready.push(it.token));
        if ready.is_empty() && stop.load(Ordering::Relaxed) {
            return told;
        }
        for n in ready.into_iter().filter_map(|token| usize::try_from(token).ok()) {
            // A piece at a time: one for which more comes all the while must not keep the others waiting.
            let ended = clients.get_mut(n).and_then(|client| client.receive().ok());
            if let (Some(told), Some(ended)) = (told.get_mut(n), ended) {
                *told += ended;
            }
        }
    }
}

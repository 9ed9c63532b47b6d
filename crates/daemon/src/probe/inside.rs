//! The prober inside a guest: `netloom guest probe`, started by the agent there. It does one errand and ends.

use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use netloom_sys::netns::NetNs;
use serde::de::DeserializeOwned;

use super::bulk::{tcp, udp};
use super::envoy::{Answer, Errand, Word};
use super::ping::{PingJob, ping};
use super::{Probed, reach, silence};

/// The prober of a guest, told what to do by standard input; returns an exit code.
#[must_use]
pub fn probe_inside() -> u8 {
    // The agent ends it by its process group.
    let _ = netloom_sys::terminal::leave();
    let input = std::io::BufReader::new(std::io::stdin());
    match run(input, &mut std::io::stdout().lock()) {
        Ok(()) => 0,
        Err(why) => {
            // Nobody there to read it is nobody to tell.
            let _ = writeln!(std::io::stderr(), "{why}");
            1
        }
    }
}

/// Does what the first line of the input says.
///
/// # Errors
/// In words: a line that nobody understands, or that cannot be read or written.
pub(crate) fn run(input: impl BufRead + Send + 'static, output: &mut dyn Write) -> Result<(), String> {
    let mut lines = Lines::read(input);
    let errand = lines.first().ok_or("there is no errand")?;
    let errand = serde_json::from_str(&errand).map_err(|error| format!("the errand: {error}"))?;
    let mut say = |answer: &Answer| -> Result<(), String> {
        let mut line = serde_json::to_vec(answer).map_err(|error| error.to_string())?;
        line.push(b'\n');
        output.write_all(&line).and_then(|()| output.flush()).map_err(|error| error.to_string())
    };
    match carry_out(errand, &mut lines, &mut say) {
        Ok(()) => Ok(()),
        Err(why) => say(&Answer::Failed(why)),
    }
}

type Say<'a> = &'a mut dyn FnMut(&Answer) -> Result<(), String>;

fn carry_out(errand: Errand, lines: &mut Lines, say: Say<'_>) -> Result<(), String> {
    match errand {
        Errand::Ping { to, count, timeout } => say(&Answer::Pings(pings(&to, count, timeout)?)),
        Errand::TcpReceive { at, nanos } => tcp_receive(at, nanos, lines, say),
        Errand::TcpSend { to } => tcp_send(to, say),
        Errand::UdpReceive { at, run, nanos } => udp_receive(at, run, nanos, lines, say),
        Errand::UdpSend { to, run, offer, bytes, nanos } => {
            let socket = udp::bind(udp::any(to.is_ipv6())).map_err(text)?;
            socket.connect(to).map_err(text)?;
            let sent = udp::sender(&socket, run, (offer, bytes), nanos, &|| true).map_err(text)?;
            say(&Answer::Bulk(sent))
        }
        Errand::Reach(part) => reach::part(*part, lines, say),
        Errand::Silence { run, listens } => silence::part(run, listens, lines, say),
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn pings(to: &[IpAddr], count: u32, timeout: u64) -> Result<Vec<super::PairResult>, String> {
    let netns = Arc::new(NetNs::current().map_err(text)?);
    let probed = |address: Option<IpAddr>| Probed {
        name: String::new(),
        netns: Arc::clone(&netns),
        interface: 0,
        v4: address.and_then(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }),
        v6: address.and_then(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None }),
        guest: None,
    };
    let nodes: Vec<Probed> = std::iter::once(None).chain(to.iter().copied().map(Some)).map(probed).collect();
    let v6 = to.first().is_some_and(IpAddr::is_ipv6);
    let pairs = (1..nodes.len()).map(|at| (0, at)).collect();
    let job = PingJob { pairs, v6, count, timeout, clear: false };
    ping(&nodes, &job, &mut |_| true).map_err(text)
}

fn tcp_receive(at: IpAddr, nanos: u64, lines: &mut Lines, say: Say<'_>) -> Result<(), String> {
    let listener = TcpListener::bind(SocketAddr::new(at, 0)).map_err(text)?;
    say(&Answer::Port(listener.local_addr().map_err(text)?.port()))?;
    let Some(Word::Peer(port)) = lines.word() else { return Err("nobody came".to_owned()) };
    let stream = tcp::accept(&listener, port).map_err(text)?.ok_or("the connection did not arrive")?;
    tcp::impatient(&stream);
    let goes_on = || !lines.over.load(Ordering::Relaxed);
    say(&Answer::Bulk(tcp::receive(stream, nanos, &goes_on)))
}

fn tcp_send(to: SocketAddr, say: Say<'_>) -> Result<(), String> {
    let stream = tcp::dial(to).map_err(text)?;
    tcp::impatient(&stream);
    say(&Answer::Port(stream.local_addr().map_err(text)?.port()))?;
    // Until the other end has had enough, or the errand is over and this process is ended.
    tcp::send(stream, &AtomicBool::new(false));
    Ok(())
}

fn udp_receive(at: IpAddr, run: u32, nanos: u64, lines: &mut Lines, say: Say<'_>) -> Result<(), String> {
    let socket = udp::bind(at).map_err(text)?;
    say(&Answer::Port(socket.local_addr().map_err(text)?.port()))?;
    say(&Answer::Bulk(udp::receiver(&socket, run, nanos, &lines.over)))
}

/// The lines of the input, read by a thread of their own.
pub(super) struct Lines {
    lines: Receiver<String>,
    waiting: VecDeque<String>,
    /// The input has ended, or the other side has said that it is done.
    pub(super) over: Arc<AtomicBool>,
}

impl Lines {
    fn read(input: impl BufRead + Send + 'static) -> Self {
        let (tell, lines) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let done = serde_json::to_string(&Word::Over).unwrap_or_default();
        std::thread::spawn(move || {
            for line in input.lines().map_while(Result::ok) {
                if line == done {
                    ended.store(true, Ordering::Relaxed);
                }
                let _ = tell.send(line);
            }
            ended.store(true, Ordering::Relaxed);
        });
        Self { lines, waiting: VecDeque::new(), over }
    }

    fn first(&mut self) -> Option<String> {
        self.waiting.pop_front().or_else(|| self.lines.recv().ok())
    }

    /// The next word, waited for; `None` at the end.
    fn word(&mut self) -> Option<Word> {
        serde_json::from_str(&self.first()?).ok()
    }

    /// Whether something of the kind has been said, waited for no longer than `time`; `None`: the input has ended.
    pub(super) fn said<T: DeserializeOwned>(&mut self, time: Duration) -> Option<Option<T>> {
        match self.lines.recv_timeout(time) {
            Ok(line) => Some(serde_json::from_str(&line).ok()),
            Err(mpsc::RecvTimeoutError::Timeout) => Some(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
        }
    }
}

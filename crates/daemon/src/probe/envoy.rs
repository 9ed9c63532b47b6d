//! Netloom's prober inside a node whose kernel is another one: what it is told, and what it answers.
//!
//! ```text
//! here                        there ([`super::inside`])
//! Errand ────────────────────►
//!        ◄──────────────────── Answer ..
//! Word .. ───────────────────►             both one line of JSON each; the end of the input is the end of the errand
//! ```
//! What comes back is a guest's, which may say anything: lines are bounded, and numbers are held against what was asked.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::time::Duration;

use netloom_lab::expect::ProbeKind;
use netloom_sys::clock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};

use super::bulk::Bulk;
use super::echo::Token;
use super::ping::PairResult;
use super::silence::Way;
use super::station::Interface;

/// A node in which netloom can be asked to run its prober.
pub(crate) trait Guest: fmt::Debug + Send + Sync {
    /// Starts it; `goes_on` is asked now and then while the guest is waited for.
    ///
    /// # Errors
    /// In words: why there is nobody to talk to.
    fn enter(&self, goes_on: &dyn Fn() -> bool) -> Result<Box<dyn Inside>, String>;
}

/// A prober that runs in a guest. Dropped, it ends.
pub(crate) trait Inside: Send {
    /// Gives it input; none: that was all.
    fn say(&self, bytes: Vec<u8>);
    /// What it said.
    fn poll(&self) -> Option<Heard>;
    /// Becomes readable when there is something to [`Self::poll`].
    fn ready(&self) -> BorrowedFd<'_>;
}

/// What was heard of a prober.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Bytes of its answers.
    Bytes(Vec<u8>),
    /// What it complained about.
    Complaint(Vec<u8>),
    /// It has ended.
    Over,
}

/// What a prober is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Errand {
    /// Echo requests to each of the addresses; answered by [`Answer::Pings`].
    Ping {
        /// Who is asked.
        to: Vec<IpAddr>,
        /// Requests each.
        count: u32,
        /// Nanoseconds after which one is given up.
        timeout: u64,
    },
    /// A connection is waited for at an address, and what comes is counted: [`Answer::Port`], and once [`Word::Peer`] is
    /// heard, [`Answer::Bulk`].
    TcpReceive {
        /// Where.
        at: IpAddr,
        /// Nanoseconds that count.
        nanos: u64,
    },
    /// Bytes are sent until the other end has enough: [`Answer::Port`], its own.
    TcpSend {
        /// To whom.
        to: SocketAddr,
    },
    /// Datagrams are waited for and counted: [`Answer::Port`], and after [`Word::Over`], [`Answer::Bulk`].
    UdpReceive {
        /// Where.
        at: IpAddr,
        /// The number of the job.
        run: u32,
        /// Nanoseconds that count.
        nanos: u64,
    },
    /// Datagrams are sent: [`Answer::Bulk`].
    UdpSend {
        /// To whom.
        to: SocketAddr,
        /// The number of the job.
        run: u32,
        /// Bits of payload a second; `None`: as fast as they go.
        offer: Option<u64>,
        /// Bytes of payload.
        bytes: usize,
        /// Nanoseconds that count.
        nanos: u64,
    },
    /// A part of a job of [`super::reach`]: [`Answer::Ready`], after [`Word::Go`] its own packets and [`Answer::Sent`], and
    /// at the end of the input [`Answer::Report`].
    Reach(Box<Part>),
    /// A part of a job of [`super::silence`]: [`Answer::Interfaces`], [`Answer::Fired`] to each [`Volley`], and at the end of the
    /// input [`Answer::Heard`].
    Silence {
        /// The number of the job.
        run: u32,
        /// Whether it is listened for what arrives.
        listens: bool,
    },
}

/// What a prober of a guest has to do with a job of [`super::reach`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Part {
    /// The number of the job.
    pub(super) run: u32,
    /// Where the guest is among the stations.
    pub(super) me: usize,
    /// Its addresses.
    pub(super) v4: Option<Ipv4Addr>,
    /// Its addresses.
    pub(super) v6: Option<Ipv6Addr>,
    /// Whether it may take a port on which nothing listens.
    pub(super) may_listen: bool,
    /// As in the job.
    pub(super) packets: u32,
    /// As in the job.
    pub(super) gap: u64,
    /// As in the job.
    pub(super) wait: u64,
    /// The entries that begin or end in the guest.
    pub(super) entries: Vec<PartEntry>,
}

/// An entry: its number, sender, target, kind, address, and whether others have that, too.
pub(super) type PartEntry = (usize, usize, usize, ProbeKind, IpAddr, bool);

/// What came of a guest's part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Report {
    /// Of the entries that begin in it: number, attempts, and why nothing could be sent.
    pub(super) tried: Vec<(usize, Vec<Tried>, Option<String>)>,
    /// Of the entries that end in it: number and attempt of what was seen.
    pub(super) seen: Vec<(usize, u32)>,
}

/// An attempt: whether it was sent, whether it is known to have arrived, nanoseconds there and back.
pub(super) type Tried = (bool, bool, Option<u64>);

/// What is to be sent by a prober of a guest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Volley(pub(super) Vec<(ProbeKind, Token, Way)>);

/// What is said to a prober that is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Word {
    /// The connection comes from this port.
    Peer(u16),
    /// Begin.
    Go,
    /// The other side is done.
    Over,
}

/// What a prober answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Its port.
    Port(u16),
    /// It listens.
    Ready,
    /// It has sent all it had to.
    Sent,
    /// What was counted.
    Bulk(Bulk),
    /// A result for each address.
    Pings(Vec<PairResult>),
    /// What came of its part.
    Report(Report),
    /// Its interfaces.
    Interfaces(Vec<Interface>),
    /// For each packet of a volley: the number of an error, if it could not be sent.
    Fired(Vec<Option<i32>>),
    /// What arrived, and whether that may not be all of it.
    Heard {
        /// Probes, and which packet of each.
        seen: Vec<(u32, u32)>,
        /// Something was missed.
        missed: bool,
    },
    /// Why it cannot do it.
    Failed(String),
}

/// A prober in a guest, on an errand.
pub(super) struct Envoy {
    inside: Box<dyn Inside>,
    line: Vec<u8>,
    complaint: Vec<u8>,
    over: bool,
}

impl fmt::Debug for Envoy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envoy").field("over", &self.over).finish_non_exhaustive()
    }
}

impl Envoy {
    /// Sends one into a guest.
    ///
    /// # Errors
    /// In words: as [`Guest::enter`].
    pub(super) fn send(
        guest: &dyn Guest,
        errand: &Errand,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Self, String> {
        let inside = guest.enter(goes_on)?;
        let envoy = Self { inside, line: Vec::new(), complaint: Vec::new(), over: false };
        envoy.tell(errand);
        Ok(envoy)
    }

    /// Says something to it.
    pub(super) fn tell<T: Serialize>(&self, what: &T) {
        let mut line = serde_json::to_vec(what).unwrap_or_default();
        line.push(b'\n');
        self.inside.say(line);
    }

    /// That was all.
    pub(super) fn finish(&self) {
        self.inside.say(Vec::new());
    }

    /// Its next answer.
    ///
    /// # Errors
    /// In words: it could not do what it was asked, has ended, says nothing for `patience` nanoseconds, or what nobody
    /// understands; or nobody waits any more.
    pub(super) fn hear(&mut self, patience: u64, goes_on: &dyn Fn() -> bool) -> Result<Answer, String> {
        let until = clock::now().saturating_add(patience);
        loop {
            if let Some(answer) = self.poll()? {
                return Ok(answer);
            }
            if clock::now() >= until {
                return Err("netloom in the guest does not answer".to_owned());
            }
            if !goes_on() {
                return Err("it was given up".to_owned());
            }
            self.wait();
        }
    }

    /// Its next answer, if it is there.
    ///
    /// # Errors
    /// As [`Self::hear`].
    pub(super) fn poll(&mut self) -> Result<Option<Answer>, String> {
        loop {
            if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.line.drain(..=end).collect();
                return match serde_json::from_slice(&line) {
                    Ok(Answer::Failed(why)) => Err(why),
                    Ok(answer) => Ok(Some(answer)),
                    Err(_) => Err("netloom in the guest says what nobody understands".to_owned()),
                };
            }
            if self.over {
                let words = String::from_utf8_lossy(&self.complaint);
                let last = words.lines().next_back().unwrap_or("it has ended").trim().to_owned();
                return Err(format!("netloom in the guest: {last}"));
            }
            match self.inside.poll() {
                None => return Ok(None),
                Some(Heard::Over) => self.over = true,
                Some(Heard::Bytes(bytes)) => self.line.extend_from_slice(&bytes),
                Some(Heard::Complaint(bytes)) => {
                    let room = COMPLAINT.saturating_sub(self.complaint.len());
                    self.complaint.extend(bytes.into_iter().take(room));
                }
            }
            if self.line.len() > LONGEST {
                return Err("netloom in the guest says too much".to_owned());
            }
        }
    }

    fn wait(&self) {
        let mut fds = [PollFd::from_borrowed_fd(self.inside.ready(), PollFlags::IN)];
        // A signal only makes the round come early.
        let _ = poll(&mut fds, Timespec::try_from(LOOK).ok().as_ref());
    }
}

/// The longest answer, in bytes.
const LONGEST: usize = 16 << 20;
/// Bytes kept of complaints.
const COMPLAINT: usize = 4 << 10;
/// How often it is looked whether somebody still waits.
const LOOK: Duration = Duration::from_millis(100);
/// How long a prober may take to be ready: it may have to be loaded first, by an emulated processor.
pub(super) const START: u64 = 30_000_000_000;

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use netloom_sys::eventfd::EventFd;
    use std::os::fd::AsFd;

    use super::*;

    /// A guest that says what it was to say.
    struct Script(Mutex<VecDeque<Heard>>, EventFd);

    impl Inside for Script {
        fn say(&self, _: Vec<u8>) {}

        fn poll(&self) -> Option<Heard> {
            self.0.lock().unwrap().pop_front()
        }

        fn ready(&self) -> BorrowedFd<'_> {
            self.1.as_fd()
        }
    }

    fn envoy(said: Vec<Heard>) -> Envoy {
        let inside = Box::new(Script(Mutex::new(said.into()), EventFd::new().unwrap()));
        Envoy { inside, line: Vec::new(), complaint: Vec::new(), over: false }
    }

    #[test]
    fn answers_come_in_any_pieces() {
        let line = b"{\"Port\":7}\n\"Ready\"\n";
        for size in [1, 3, 100] {
            let mut envoy = envoy(line.chunks(size).map(|piece| Heard::Bytes(piece.to_vec())).collect());
            assert_eq!(envoy.poll(), Ok(Some(Answer::Port(7))), "pieces of {size}");
            assert_eq!(envoy.poll(), Ok(Some(Answer::Ready)));
            assert_eq!(envoy.poll(), Ok(None));
        }
    }

    #[test]
    fn a_guest_may_say_anything_and_is_not_believed() {
        let bytes = |text: &str| Heard::Bytes(text.as_bytes().to_vec());
        let lots = || (0..300).map(|_| Heard::Bytes(vec![b'x'; 64 << 10])).collect::<Vec<_>>();
        for (said, why) in [
            (vec![bytes("hello\n")], "what nobody understands"),
            (vec![bytes("{\"Port\":70000}\n")], "what nobody understands"),
            (vec![bytes("{\"Failed\":\"no route\"}\n")], "no route"),
            (vec![Heard::Complaint(b"a\nb\n".to_vec()), Heard::Over], "netloom in the guest: b"),
            (vec![Heard::Over], "it has ended"),
            (lots(), "says too much"),
        ] {
            let said = envoy(said).poll().unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn nobody_waits_for_ever() {
        let why = envoy(Vec::new()).hear(50_000_000, &|| true).unwrap_err();
        assert!(why.contains("does not answer"), "{why}");
        let why = envoy(Vec::new()).hear(u64::MAX, &|| false).unwrap_err();
        assert!(why.contains("given up"), "{why}");
    }
}

//! A connection as a state machine: bytes and the time in, events, bytes and a deadline out.
//!
//! ```text
//!            hello out            hello in, a common version        bytes, deadlines
//!  new() ──────────────▶ waiting ───────────────────────▶ up ──────────────────────▶ up
//!                           │ no common version, no hello in time    │ a broken stream, silence
//!                           ▼                                        ▼
//!                        closed ◀────────────────────────────────  closed
//! ```
//!
//! Both sides are the same machine: a switch answers with [`Session::reply`] and [`Session::refuse`], a controller asks
//! with [`Session::request`]. What needs no decision is done here: version negotiation, echoes, probes when the peer is
//! silent, multipart requests put together and replies cut, the error for a message that cannot be read, and the
//! settings that change how later bytes are read. Barriers are left to whoever handles events: a reply is in order
//! because he answers in order.
//!
//! ```
//! use netloom_flow::Nanos;
//! use netloom_openflow::session::{Event, Session, Settings};
//! use netloom_openflow::{Message, Versions};
//!
//! let now = Nanos::ZERO;
//! let mut switch = Session::new(Settings::switch(Versions::ALL), now);
//! let mut controller = Session::new(Settings::controller(Versions::ALL), now);
//! switch.handle_bytes(now, &controller.take_output());
//! controller.handle_bytes(now, &switch.take_output());
//! controller.request(&Message::BarrierRequest).expect("every version has it");
//! switch.handle_bytes(now, &controller.take_output());
//! while let Some(event) = switch.poll_event() {
//!     if let Event::Message(request, Message::BarrierRequest) = event {
//!         switch.reply(&request, &Message::BarrierReply).expect("likewise");
//!     }
//! }
//! assert!(!switch.take_output().is_empty());
//! ```
//!
//! Source: OpenFlow 1.5.1 §6.3; probes and limits as OVS has them (`rconn.c`, `ofp-msgs.c`).

mod ahead;
mod negotiate;
mod reassembly;
mod request;

use std::collections::VecDeque;

use netloom_flow::Nanos;

use self::ahead::Loan;
pub use self::ahead::{Ahead, Unread};
use self::reassembly::{Assembled, Reassembly};
pub use self::request::Request;
use crate::frame::{Frames, HEADER_LEN, Head, Header};
use crate::msg::{ErrorMessage, FlowFormat, Message, PacketInFormat};
use crate::wire::{self, EncodeError, Protocol, Shape};
use crate::{OfError, Version, Versions, Xid};

/// Memory of output that is kept for the next; what was longer is given up.
const REUSED: usize = 64 << 10;

/// Messages that are read ahead of whoever handles them: so few that their memory is still at hand then, and is used
/// again for the next.
const AHEAD: usize = 7;

/// How long the first hello may take.
const HELLO_TIMEOUT: Nanos = Nanos::from_secs(10);
const ECHO_REQUEST: u8 = 2;
const ECHO_REPLY: u8 = 3;

/// What a connection is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The versions it may speak.
    pub versions: Versions,
    /// After this long without a byte, the peer is asked whether it is there; after as long again, it is not. `None`:
    /// never.
    pub probe: Option<Nanos>,
    /// How many bytes multipart messages that are not complete may have.
    pub multipart_limit: usize,
}

impl Settings {
    /// For a switch.
    #[must_use]
    pub const fn switch(versions: Versions) -> Self {
        Self { versions, probe: Some(Nanos::from_secs(5)), multipart_limit: 1 << 20 }
    }

    /// For a controller, who gets longer messages.
    #[must_use]
    pub const fn controller(versions: Versions) -> Self {
        Self { versions, probe: Some(Nanos::from_secs(5)), multipart_limit: 64 << 20 }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Both sides agreed on a version.
    Up(Version),
    /// A message came, other than hellos and echoes.
    Message(Request, Message),
    /// A reply to a probe, or to an echo that was asked for: the peer is there.
    EchoReply(Xid),
    /// A message came that cannot be read. The error was answered already.
    Refused(Request, OfError),
    /// The connection has ended: send what is left of the output, then close it. Nothing follows.
    Closed(CloseReason),
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// No version in common.
    #[error("The peer speaks {theirs:?}, we speak {ours:?}")]
    NoCommonVersion {
        /// What we speak.
        ours: Versions,
        /// What the peer speaks.
        theirs: Versions,
    },
    /// Something else than a hello came first.
    #[error("The first message has type {0}, not that of a hello")]
    NoHello(u8),
    /// No hello came.
    #[error("No hello came within 10 s")]
    HelloTimeout,
    /// The peer did not agree.
    #[error("The peer refused our hello")]
    HelloRefused,
    /// A length that cannot be.
    #[error("A message has a length under 8")]
    BrokenStream,
    /// A message of another version than agreed.
    #[error("A message has version {0:#04x}, which was not agreed")]
    WrongVersion(u8),
    /// A probe was not answered.
    #[error("The peer is silent")]
    Silent,
    /// We ended it.
    #[error("It was closed")]
    Local,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No hello has come yet.
    Waiting,
    /// A version is agreed.
    Up,
    /// The end.
    Closed,
}

/// A connection.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    state: State,
    protocol: Protocol,
    frames: Frames,
    parts: Reassembly,
    output: Vec<u8>,
    events: VecDeque<Event>,
    /// What is read in another thread.
    loan: Loan,
    next_xid: u32,
    /// When the last bytes came, or the session began.
    heard: Nanos,
    /// When the bytes came that are read next.
    came: Nanos,
    /// When a probe was sent that is not answered yet.
    probed: Option<Nanos>,
}

impl Session {
    /// Begins, with a hello in the output.
    #[must_use]
    pub fn new(settings: Settings, now: Nanos) -> Self {
        let highest = settings.versions.highest().unwrap_or(Version::V10);
        let mut session = Self {
            settings,
            state: State::Waiting,
            protocol: Protocol::new(highest),
            frames: Frames::default(),
            parts: Reassembly::new(settings.multipart_limit),
            output: Vec::new(),
            events: VecDeque::new(),
            loan: Loan::default(),
            next_xid: 1,
            heard: now,
            came: now,
            probed: None,
        };
        session.say_hello();
        session
    }

    /// The version agreed on, once it is.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        (self.state == State::Up).then_some(self.protocol.version)
    }

    /// How the connection speaks.
    #[must_use]
    pub const fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Says how packets are sent to a controller that did not ask.
    pub const fn set_packet_in_format(&mut self, format: PacketInFormat) {
        self.protocol.packet_in_format = format;
    }

    /// Says how a controller of 1.0 speaks of flows; send the message that tells the switch, too.
    pub const fn set_flow_format(&mut self, format: FlowFormat) {
        self.protocol.flow_format = format;
    }

    /// Says that flow mods of 1.0 name a table; likewise.
    pub const fn set_flow_mod_table_id(&mut self, set: bool) {
        self.protocol.flow_mod_table_id = set;
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// What is to be sent, to the end of what was written so far.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes memory back that [`Session::take_output`] gave, for what is said next.
    pub fn reuse_output(&mut self, mut written: Vec<u8>) {
        if self.output.capacity() == 0 && written.capacity() <= REUSED {
            written.clear();
            self.output = written;
        }
    }

    /// How many bytes [`Session::take_output`] would give.
    #[must_use]
    pub const fn output_len(&self) -> usize {
        self.output.len()
    }

    /// What happened, the oldest first. `None`: nothing more until further bytes come, or time passes.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            self.read_ahead();
        }
        self.events.pop_front()
    }

    /// The same, if it is one that `is` asked for; another stays.
    pub fn poll_event_if(&mut self, is: impl FnOnce(&Event) -> bool) -> Option<Event> {
        if self.events.is_empty() {
            self.read_ahead();
        }
        self.events.front().is_some_and(is).then(|| self.events.pop_front()).flatten()
    }

    /// Reads some of what has come, if nothing is left that was read: so it can be polled at once later. Whether there is
    /// anything to be polled then.
    pub fn read_on(&mut self) -> bool {
        if self.events.is_empty() {
            self.read_ahead();
        }
        !self.events.is_empty()
    }

    /// What was read already, the oldest first.
    pub fn queued(&self) -> impl Iterator<Item = &Event> {
        self.events.iter()
    }

    /// When [`Session::handle_deadline`] is to be called.
    #[must_use]
    pub fn deadline(&self) -> Nanos {
        match self.state {
            State::Waiting => self.heard + HELLO_TIMEOUT,
            State::Up => self.probe_at().min(self.parts.deadline()),
            State::Closed => Nanos::MAX,
        }
    }

    fn probe_at(&self) -> Nanos {
        self.settings.probe.map_or(Nanos::MAX, |interval| self.probed.unwrap_or(self.heard) + interval)
    }

    /// Lets time pass.
    pub fn handle_deadline(&mut self, now: Nanos) {
        match self.state {
            State::Waiting if now >= self.heard + HELLO_TIMEOUT => self.end(CloseReason::HelloTimeout),
            State::Up => {
                for late in self.parts.expire(now) {
                    self.refuse(&late, OfError::BrcMultipartRequestTimeout);
                }
                if now >= self.probe_at() {
                    self.probe(now);
                }
            }
            State::Waiting | State::Closed => {}
        }
    }

    fn probe(&mut self, now: Nanos) {
        if self.probed.is_some() {
            self.end(CloseReason::Silent);
            return;
        }
        self.probed = Some(now);
        // Every version has echoes, and an empty one fits into a frame.
        let sent = self.request(&Message::EchoRequest(Vec::new()));
        debug_assert!(sent.is_ok(), "an echo can be said in every version");
    }

    /// Takes in bytes of the peer. They are read as far as needed: the rest when [`Session::poll_event`] comes to it.
    pub fn handle_bytes(&mut self, now: Nanos, bytes: &[u8]) {
        if self.state == State::Closed || bytes.is_empty() {
            return;
        }
        if self.state == State::Up {
            self.heard = now;
            self.probed = None;
        }
        self.came = now;
        self.frames.push(bytes);
        self.read_ahead();
    }

    fn read_ahead(&mut self) {
        while self.state != State::Closed
            && self.events.len() < AHEAD
            && let Some((request, read)) = self.loan.next()
        {
            self.handle_read(request, read, false);
        }
        if self.loan.blocks() {
            return;
        }
        let mut frames = std::mem::take(&mut self.frames);
        while self.state != State::Closed && self.events.len() < AHEAD {
            match frames.next_frame() {
                Ok(Some(frame)) => self.handle_frame(self.came, frame),
                Ok(None) => break,
                Err(_) => self.end(CloseReason::BrokenStream),
            }
        }
        self.frames = frames;
    }

    fn handle_frame(&mut self, now: Nanos, frame: &[u8]) {
        let Some(header) = Header::parse(frame) else { return };
        if self.state == State::Waiting {
            self.handle_hello(now, header, frame);
            return;
        }
        match header.kind {
            // A second hello says nothing new.
            0 => {}
            ECHO_REQUEST => self.echo(header, frame),
            ECHO_REPLY => self.events.push_back(Event::EchoReply(header.xid)),
            1 => self.handle_message(frame, Request::of(header, frame)),
            _ if header.version != self.protocol.version.wire() => {
                self.refuse(&Request::of(header, frame), OfError::BrcBadVersion);
                self.end(CloseReason::WrongVersion(header.version));
            }
            _ => self.handle_part(now, header, frame),
        }
    }

    /// Answers at once, in the version of the question.
    fn echo(&mut self, header: Header, frame: &[u8]) {
        self.output.extend_from_slice(&Header { kind: ECHO_REPLY, ..header }.emit());
        self.output.extend_from_slice(frame.get(HEADER_LEN..).unwrap_or(&[]));
    }

    fn handle_part(&mut self, now: Nanos, header: Header, frame: &[u8]) {
        let request = Request::of(header, frame);
        let body = frame.get(HEADER_LEN..).unwrap_or(&[]);
        let shape = wire::shape(self.protocol.version, header.kind, body);
        if shape == Shape::Single {
            self.handle_message(frame, request);
            return;
        }
        match self.parts.add(now, self.protocol.version, shape, request.clone(), frame) {
            Assembled::Whole => self.handle_message(frame, request),
            Assembled::Joined(bytes, request) => self.handle_message(&bytes, request),
            Assembled::Waiting => {}
            Assembled::Refused(error) => {
                self.refuse(&request, error);
                self.events.push_back(Event::Refused(request, error));
            }
        }
    }

    fn handle_message(&mut self, bytes: &[u8], request: Request) {
        let read = wire::decode(&self.protocol, bytes);
        self.handle_read(request, read, bytes.get(1) == Some(&1));
    }

    fn handle_read(&mut self, request: Request, read: crate::error::Result<Message>, is_error: bool) {
        match read {
            Ok(message) => {
                self.apply(&message);
                self.events.push_back(Event::Message(request, message));
            }
            Err(error) => {
                // An error is never answered with an error, lest both sides go on for ever.
                if !is_error {
                    self.refuse(&request, error);
                }
                self.events.push_back(Event::Refused(request, error));
            }
        }
    }

    /// Settings change how the next bytes are read, so they cannot wait for whoever handles events.
    const fn apply(&mut self, message: &Message) {
        match message {
            Message::SetFlowFormat(format) => self.protocol.flow_format = *format,
            Message::FlowModTableId(set) => self.protocol.flow_mod_table_id = *set,
            Message::SetPacketInFormat(format) => self.protocol.packet_in_format = *format,
            _ => {}
        }
    }

    /// Sends what answers nothing: with the transaction id 0.
    ///
    /// # Errors
    /// [`EncodeError`] if the version has no such message, or it is too long; then nothing is sent.
    pub fn send(&mut self, message: &Message) -> Result<(), EncodeError> {
        self.put(self.protocol, Xid::NONE, message)
    }

    /// Sends a request with a new transaction id, which its answer will bear.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub fn request(&mut self, message: &Message) -> Result<Xid, EncodeError> {
        let xid = Xid(self.next_xid);
        self.put(self.protocol, xid, message)?;
        // 0 is for what answers nothing.
        self.next_xid = self.next_xid.checked_add(1).unwrap_or(1);
        Ok(xid)
    }

    /// Answers a message in its own form: in 1.0, flows are spoken of as they were asked for.
    ///
    /// # Errors
    /// As [`Session::send`].
    pub fn reply(&mut self, request: &Request, message: &Message) -> Result<(), EncodeError> {
        let mut protocol = self.protocol;
        if matches!(message, Message::MultipartReply(_)) {
            protocol.flow_format = match request.quote().get(HEADER_LEN..HEADER_LEN + 2) {
                Some([0xff, 0xff]) => FlowFormat::Nxm,
                _ => FlowFormat::OpenFlow10,
            };
        }
        self.put(protocol, request.xid, message)
    }

    /// Tells that a message was wrong.
    pub fn refuse(&mut self, request: &Request, error: OfError) {
        self.quote(request.xid, request.quote().to_vec(), error);
    }

    /// Tells that a message of a bundle was wrong: `head` is that of [`crate::msg::BundleAdd`].
    pub fn refuse_part(&mut self, head: &Head, error: OfError) {
        self.quote(head.xid(), head.bytes().to_vec(), error);
    }

    fn quote(&mut self, xid: Xid, data: Vec<u8>, error: OfError) {
        let sent = self.put(self.protocol, xid, &Message::Error(ErrorMessage { error: error.into(), data }));
        debug_assert!(sent.is_ok(), "an error can be said in every version");
    }

    fn put(&mut self, protocol: Protocol, xid: Xid, message: &Message) -> Result<(), EncodeError> {
        wire::encode(&protocol, xid, message, &mut self.output)
    }

    /// Ends the connection. What is in the output may still be sent.
    pub fn close(&mut self) {
        self.end(CloseReason::Local);
    }

    fn end(&mut self, reason: CloseReason) {
        if self.state != State::Closed {
            self.state = State::Closed;
            self.events.push_back(Event::Closed(reason));
        }
    }
}

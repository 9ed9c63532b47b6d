//! The name server: questions by datagram or connection, answers the same way back.

use std::net::IpAddr;

use netloom_flow::Nanos;

use super::desk::{Answered, Asked, Back, Desk};
use super::line::Arrived;
use super::lines::{Caller, Lines, Met};
use crate::incoming::Incoming;
use crate::network::{Answer, Asker, DNS, Output};
use crate::outgoing::datagram;
use crate::spec::Spec;
use crate::tally::{Refusal, Served, Tally};

/// What a link carries whose MTU is not known: that of the shortest that has IPv6.
const LEAST_MTU: u16 = 1_280;
/// A segment that nobody has said anything about (RFC 9293 section 3.7.1).
const DEFAULT_MSS: u16 = 536;

/// The name server of a network.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameServer {
    desk: Desk,
    lines: Lines,
}

/// What it works with.
pub(crate) struct Place<'p> {
    pub(crate) spec: &'p Spec,
    pub(crate) tally: &'p mut Tally,
    pub(crate) now: Nanos,
    pub(crate) out: &'p mut Vec<Output>,
}

impl NameServer {
    /// Takes a question that came from an address to one of the service's. `mtu`: that of the asker's link, if known.
    pub(crate) fn datagram(
        &mut self,
        place: &mut Place<'_>,
        asker: Asker,
        (from, to): ((IpAddr, u16), IpAddr),
        data: &[u8],
        mtu: Option<u16>,
    ) -> Answer {
        // IPv6 and UDP headers take 48 bytes.
        let room = usize::from(mtu.unwrap_or(LEAST_MTU)).saturating_sub(48).max(512);
        match self.desk.ask(place, Back::Datagram { asker, from, to }, data, Some(room))? {
            Asked::Answer(reply) => {
                let frame = datagram((place.spec.mac, asker.mac), (to, DNS), from, &reply);
                Ok(frame.map(|frame| (Served::Name, frame)))
            }
            Asked::Outside => Ok(None),
        }
    }

    /// Takes a segment to one of the service's addresses; `None`: nobody is connected, and nobody calls.
    pub(crate) fn segment(
        &mut self,
        place: &mut Place<'_>,
        asker: Asker,
        incoming: &Incoming<'_>,
        mtu: Option<u16>,
    ) -> Option<Answer> {
        let Incoming::Segment { from, to, seq, ack, flags, window, mss, data } = *incoming else {
            return None;
        };
        let caller = Caller::new(asker, from, to.0);
        let headers = if from.0.is_ipv4() { 40 } else { 60 };
        let most = mss.unwrap_or(DEFAULT_MSS).min(mtu.unwrap_or(LEAST_MTU).saturating_sub(headers));
        let arrived = Arrived { seq, ack, flags, window, data };
        match self.lines.handle(caller, &arrived, most.into(), place.now) {
            Met::Line(number) => {
                self.questions(place, &caller, number);
                self.lines.flush(place.spec, &caller, place.now, place.out);
                Some(Ok(None))
            }
            Met::Over => Some(Ok(None)),
            Met::Full => {
                place.tally.refuse(Refusal::Busy);
                None
            }
            Met::Stray => None,
        }
    }

    /// Asks all questions that a line has.
    fn questions(&mut self, place: &mut Place<'_>, caller: &Caller, number: u64) {
        while let Some(line) = self.lines.line(caller, number) {
            let question = match line.question() {
                Ok(Some(question)) => question,
                Ok(None) => return,
                Err(_) => {
                    place.tally.refuse(Refusal::Malformed);
                    return self.lines.cut(place.spec, caller, place.out);
                }
            };
            line.asked += 1;
            match self.desk.ask(place, Back::Line { caller: *caller, number }, &question, None) {
                Ok(Asked::Answer(reply)) => {
                    place.tally.serve(Served::Name);
                    self.say(caller, number, &reply);
                }
                Ok(Asked::Outside) => {}
                Err(refusal) => {
                    // Whoever says such a thing says nothing better later.
                    place.tally.refuse(refusal);
                    return self.lines.cut(place.spec, caller, place.out);
                }
            }
        }
    }

    fn say(&mut self, caller: &Caller, number: u64, reply: &[u8]) {
        if let Some(line) = self.lines.line(caller, number) {
            line.asked = line.asked.saturating_sub(1);
            line.say(reply);
        }
    }

    /// Takes an answer from outside.
    pub(crate) fn upstream(&mut self, place: &mut Place<'_>, token: u64, reply: Option<&[u8]>) {
        if let Some(answered) = self.desk.upstream(token, reply, place.tally) {
            self.send(place, &answered);
        }
    }

    /// Does what is due.
    pub(crate) fn poll(&mut self, place: &mut Place<'_>) {
        for answered in self.desk.expire(place.now, place.tally) {
            self.send(place, &answered);
        }
        self.lines.poll(place.spec, place.now, place.out);
    }

    /// When [`Self::poll`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        [self.desk.deadline(), self.lines.deadline()].into_iter().flatten().min()
    }

    fn send(&mut self, place: &mut Place<'_>, Answered { back, reply }: &Answered) {
        match back {
            Back::Datagram { asker, from, to } => {
                let frame = datagram((place.spec.mac, asker.mac), (*to, DNS), *from, reply);
                place.out.extend(frame.map(|frame| Output::Send { port: asker.port, frame }));
            }
            Back::Line { caller, number } => {
                self.say(caller, *number, reply);
                self.lines.flush(place.spec, caller, place.now, place.out);
            }
        }
    }
}

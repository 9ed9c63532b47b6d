//! Where questions are answered, and where those wait that are asked outside.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netloom_flow::Nanos;

use super::lines::Caller;
use super::message::{ANY_CLASS, Bad, Code, IN, Query, Record, kind};
use super::server::Place;
use super::zone::Found;
use crate::network::{Asker, Output};
use crate::spec::Spec;
use crate::tally::{Refusal, Served, Tally};

/// Questions that wait for an answer from outside.
const ROOM: usize = 512;
/// Questions of one port that do.
const ROOM_OF_PORT: usize = 64;
/// Without a limit of its way an answer may be as long as can be written.
const ANY_LENGTH: usize = 65_535;
/// How long: clients ask again after 5 s.
const PATIENCE: Nanos = Nanos::from_secs(4);

/// Questions that wait for an answer from outside.
#[derive(Debug, Clone, Default)]
pub(super) struct Desk {
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
}

/// A question and whose it is.
#[derive(Debug, Clone)]
struct Waiting {
    back: Back,
    query: Query,
    until: Nanos,
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Back {
    /// To an address, out of a port.
    Datagram { asker: Asker, from: (IpAddr, u16), to: IpAddr },
    /// To who is connected, if it still is the connection with this number.
    Line { caller: Caller, number: u64 },
}

impl Back {
    const fn asker(&self) -> Asker {
        match self {
            Self::Datagram { asker, .. } => *asker,
            Self::Line { caller, .. } => caller.asker(),
        }
    }
}

/// What comes of a question at once.
pub(super) enum Asked {
    /// Its answer.
    Answer(Vec<u8>),
    /// It is asked outside.
    Outside,
}

/// An answer to a question that has waited.
pub(super) struct Answered {
    pub(super) back: Back,
    pub(super) reply: Vec<u8>,
}

/// What is to be done about a question.
enum Verdict {
    Own(Code, Vec<Record>),
    Refuse(Code, Refusal),
    Outside,
}

impl Desk {
    /// Takes a question. `limit`: the longest answer that gets through, if there is one.
    ///
    /// # Errors
    /// It is none, and nothing goes back.
    pub(super) fn ask(
        &mut self,
        place: &mut Place<'_>,
        back: Back,
        data: &[u8],
        limit: Option<usize>,
    ) -> Result<Asked, Refusal> {
        let mut query = match Query::read(data) {
            Ok(query) => query,
            Err(Bad::Silent) => return Err(Refusal::Malformed),
            Err(Bad::Answer(reply)) => {
                place.tally.refuse(Refusal::Unsupported);
                return Ok(Asked::Answer(reply));
            }
        };
        query.room = limit.map_or(ANY_LENGTH, |limit| query.room.min(limit));
        let (code, records, is_own) = match decide(place.spec, &query) {
            Verdict::Own(code, records) => (code, records, true),
            Verdict::Refuse(code, why) => {
                place.tally.refuse(why);
                (code, Vec::new(), false)
            }
            Verdict::Outside if self.is_full(back.asker().port) => {
                place.tally.refuse(Refusal::Busy);
                (Code::ServFail, Vec::new(), false)
            }
            Verdict::Outside => {
                let token = self.next;
                self.next += 1;
                place.out.push(Output::Ask { token, query: query.onward() });
                self.waiting.insert(token, Waiting { back, query, until: place.now + PATIENCE });
                return Ok(Asked::Outside);
            }
        };
        Ok(Asked::Answer(query.answer(code, &records, is_own)))
    }

    fn is_full(&self, port: u32) -> bool {
        let of_port = self.waiting.values().filter(|it| it.back.asker().port == port).count();
        self.waiting.len() >= ROOM || of_port >= ROOM_OF_PORT
    }

    /// Takes an answer from outside.
    pub(super) fn upstream(
        &mut self,
        token: u64,
        reply: Option<&[u8]>,
        tally: &mut Tally,
    ) -> Option<Answered> {
        let waiting = self.waiting.remove(&token)?;
        let relayed = reply.and_then(|reply| waiting.query.relay(reply));
        if relayed.is_some() {
            tally.serve(Served::Forwarded);
        } else {
            tally.refuse(Refusal::Timeout);
        }
        Some(waiting.answered(relayed))
    }

    /// Gives up on questions that have waited too long.
    pub(super) fn expire(&mut self, now: Nanos, tally: &mut Tally) -> Vec<Answered> {
        let mut all = Vec::new();
        // The first has waited longest.
        while let Some(first) = self.waiting.first_entry().filter(|first| first.get().until <= now) {
            tally.refuse(Refusal::Timeout);
            all.push(first.remove().answered(None));
        }
        all
    }

    /// When [`Self::expire`] has something to do next.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.waiting.first_key_value().map(|(_, first)| first.until)
    }
}

impl Waiting {
    fn answered(self, reply: Option<Vec<u8>>) -> Answered {
        let reply = reply.unwrap_or_else(|| self.query.answer(Code::ServFail, &[], false));
        Answered { back: self.back, reply }
    }
}

fn decide(spec: &Spec, query: &Query) -> Verdict {
    let question = &query.question;
    if query.edns.is_some_and(|version| version != 0) {
        return Verdict::Refuse(Code::BadVers, Refusal::Unsupported);
    }
    if !matches!(question.class, IN | ANY_CLASS)
        || matches!(question.kind, kind::IXFR | kind::AXFR | kind::OPT)
    {
        return Verdict::Refuse(Code::Refused, Refusal::Unsupported);
    }
    let is_asked = |kind: u16| question.kind == kind || question.kind == kind::ANY;
    let record = |address: &IpAddr| match address {
        IpAddr::V4(ip) => Record { kind: kind::A, data: ip.octets().to_vec() },
        IpAddr::V6(ip) => Record { kind: kind::AAAA, data: ip.octets().to_vec() },
    };
    match spec.zone.find(&question.name) {
        Found::Addresses(all) => {
            Verdict::Own(Code::NoError, all.iter().map(record).filter(|it| is_asked(it.kind)).collect())
        }
        Found::Name(name) => {
            let pointer = Record { kind: kind::PTR, data: name.wire().to_vec() };
            Verdict::Own(Code::NoError, Some(pointer).filter(|it| is_asked(it.kind)).into_iter().collect())
        }
        Found::Nothing => Verdict::Own(Code::NxDomain, Vec::new()),
        Found::Outside if spec.forwards => Verdict::Outside,
        // The names of a closed network are all there are. To be refused would be nearer to the truth, but musl, and so
        // every Alpine, goes on waiting then; nobody keeps this answer, as there is no SOA with it.
        Found::Outside => Verdict::Refuse(Code::NxDomain, Refusal::NoUpstream),
    }
}

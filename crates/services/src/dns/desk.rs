//! Where questions are answered, and where those wait that are asked outside.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netloom_flow::Nanos;

use super::message::{ANY_CLASS, Bad, Code, IN, Query, Record, kind};
use super::zone::Found;
use crate::network::{Answer, Asker, DNS, Output};
use crate::outgoing::datagram;
use crate::spec::Spec;
use crate::tally::{Refusal, Served, Tally};

/// Questions that wait for an answer from outside.
const ROOM: usize = 512;
/// Questions of one port that do.
const ROOM_OF_PORT: usize = 64;
/// How long: clients ask again after 5 s.
const PATIENCE: Nanos = Nanos::from_secs(4);

/// Questions that wait for an answer from outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Desk {
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
}

/// A question and whose it is.
#[derive(Debug, Clone)]
struct Waiting {
    asker: Asker,
    from: (IpAddr, u16),
    to: IpAddr,
    query: Query,
    until: Nanos,
}

/// What is to be done about a question.
enum Verdict {
    Own(Code, Vec<Record>),
    Refuse(Code, Refusal),
    Outside,
}

impl Desk {
    /// Takes a question that came from an address to one of the service's. `mtu`: that of the asker's link, if known.
    #[expect(clippy::too_many_arguments, reason = "a datagram, and where what comes of it goes")]
    pub(crate) fn ask(
        &mut self,
        spec: &Spec,
        asker: Asker,
        (from, to): ((IpAddr, u16), IpAddr),
        data: &[u8],
        mtu: Option<u16>,
        now: Nanos,
        tally: &mut Tally,
        out: &mut Vec<Output>,
    ) -> Answer {
        let frame = |data: &[u8]| datagram((spec.mac, asker.mac), (to, DNS), from, data);
        let mut query = match Query::read(data) {
            Ok(query) => query,
            Err(Bad::Silent) => return Err(Refusal::Malformed),
            Err(Bad::Answer(reply)) => {
                tally.refuse(Refusal::Unsupported);
                return Ok(frame(&reply).map(|frame| (Served::Name, frame)));
            }
        };
        // IPv6 and UDP headers take 48 bytes.
        query.room = query.room.min(usize::from(mtu.unwrap_or(1_280)).saturating_sub(48).max(512));
        match decide(spec, &query) {
            Verdict::Own(code, records) => {
                Ok(frame(&query.answer(code, &records, true)).map(|frame| (Served::Name, frame)))
            }
            Verdict::Refuse(code, why) => {
                tally.refuse(why);
                Ok(frame(&query.answer(code, &[], false)).map(|frame| (Served::Name, frame)))
            }
            Verdict::Outside => {
                let of_port = self.waiting.values().filter(|it| it.asker.port == asker.port).count();
                if self.waiting.len() >= ROOM || of_port >= ROOM_OF_PORT {
                    tally.refuse(Refusal::Busy);
                    return Ok(
                        frame(&query.answer(Code::ServFail, &[], false)).map(|frame| (Served::Name, frame))
                    );
                }
                let token = self.next;
                self.next += 1;
                out.push(Output::Ask { token, query: query.onward() });
                self.waiting.insert(token, Waiting { asker, from, to, query, until: now + PATIENCE });
                Ok(None)
            }
        }
    }

    /// Takes an answer from outside.
    pub(crate) fn upstream(
        &mut self,
        spec: &Spec,
        token: u64,
        reply: Option<&[u8]>,
        tally: &mut Tally,
        out: &mut Vec<Output>,
    ) {
        let Some(waiting) = self.waiting.remove(&token) else { return };
        let relayed = reply.and_then(|reply| waiting.query.relay(reply));
        if relayed.is_some() {
            tally.serve(Served::Forwarded);
        } else {
            tally.refuse(Refusal::Timeout);
        }
        waiting.send(spec, relayed, out);
    }

    /// Gives up on questions that have waited too long.
    pub(crate) fn expire(&mut self, spec: &Spec, now: Nanos, tally: &mut Tally, out: &mut Vec<Output>) {
        // The first has waited longest.
        while let Some(first) = self.waiting.first_entry().filter(|first| first.get().until <= now) {
            tally.refuse(Refusal::Timeout);
            first.remove().send(spec, None, out);
        }
    }

    /// When [`Self::expire`] has something to do next.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        self.waiting.first_key_value().map(|(_, first)| first.until)
    }
}

impl Waiting {
    fn send(self, spec: &Spec, reply: Option<Vec<u8>>, out: &mut Vec<Output>) {
        let reply = reply.unwrap_or_else(|| self.query.answer(Code::ServFail, &[], false));
        if let Some(frame) = datagram((spec.mac, self.asker.mac), (self.to, DNS), self.from, &reply) {
            out.push(Output::Send { port: self.asker.port, frame });
        }
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

//! One network: what comes in, what goes out, when it does something by itself.

use std::collections::BTreeMap;

use netloom_flow::Nanos;
use netloom_packet::Mac;

use crate::advert::{self, Schedule};
use crate::dns::{NameServer, Place};
use crate::incoming::{self, Incoming};
use crate::lease::{Held, Lease};
use crate::spec::{Client, Spec};
use crate::tally::{Refusal, Served, Tally};
use crate::{dhcp4, dhcp6, neighbour};

/// What a network has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A frame, out of one port of the network's switch.
    Send {
        /// The port.
        port: u32,
        /// The frame: Ethernet first, no FCS, checksums complete.
        frame: Vec<u8>,
    },
    /// A question for a name server outside; its answer comes back by [`Network::upstream`].
    Ask {
        /// Which question it is.
        token: u64,
        /// The message, with the id 0: whoever sends it chooses one that nobody can guess.
        query: Vec<u8>,
    },
}

/// One broadcast domain of one tenant.
#[derive(Debug, Clone)]
pub struct Network {
    spec: Spec,
    /// The place of each MAC address in `spec.clients`.
    by_mac: BTreeMap<Mac, usize>,
    /// One for each of `spec.clients`.
    held: Vec<Held>,
    schedule: Schedule,
    names: NameServer,
    tally: Tally,
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker {
    /// The port it is at.
    pub(crate) port: u32,
    /// Its link-layer address.
    pub(crate) mac: Mac,
}

/// What came of a frame: an answer out of the port it came in by.
pub(crate) type Answer = Result<Option<(Served, Vec<u8>)>, Refusal>;

impl Network {
    /// A network that begins now.
    #[must_use]
    pub fn new(spec: Spec, now: Nanos) -> Self {
        let by_mac = index(&spec);
        let held = vec![Held::default(); spec.clients.len()];
        Self {
            spec,
            by_mac,
            held,
            schedule: Schedule::new(now),
            names: NameServer::default(),
            tally: Tally::default(),
        }
    }

    /// The network as it is wanted now. Leases of addresses that stay are remembered; if anything is different,
    /// routers are advertised anew.
    pub fn set(&mut self, spec: Spec, now: Nanos) {
        if self.spec == spec {
            return;
        }
        let old = |client: &Client| {
            let at = *self.by_mac.get(&client.mac)?;
            Some(self.held.get(at)?.kept(self.spec.clients.get(at)?, client))
        };
        self.held = spec.clients.iter().map(|client| old(client).unwrap_or_default()).collect();
        self.by_mac = index(&spec);
        self.spec = spec;
        self.schedule = Schedule::new(now);
    }

    /// The network as it is wanted.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Takes a frame that came in by a port.
    pub fn handle(&mut self, port: u32, frame: &[u8], now: Nanos, out: &mut Vec<Output>) {
        match self.answer(port, frame, now, out) {
            Ok(Some((served, frame))) => {
                self.tally.serve(served);
                out.push(Output::Send { port, frame });
            }
            Ok(None) => {}
            Err(refusal) => self.tally.refuse(refusal),
        }
    }

    fn answer(&mut self, port: u32, frame: &[u8], now: Nanos, out: &mut Vec<Output>) -> Answer {
        let (mac, incoming) = incoming::read(frame)?;
        let asker = Asker { port, mac };
        match incoming {
            Incoming::Datagram { to, data, .. } if to.1 == dhcp4::SERVER && to.0.is_ipv4() => {
                self.is_on()?;
                let request = dhcp4::read(data)?;
                let at = self.client(port, request.mac())?;
                let (client, held) = at_place(&self.spec, &mut self.held, at)?;
                dhcp4::answer(&self.spec, client, held, &request, now)
            }
            Incoming::Datagram { from, to, data } if to.1 == dhcp6::SERVER && to.0.is_ipv6() => {
                self.is_on()?;
                let request = dhcp6::read(data)?;
                let at = self.client(port, mac)?;
                let (client, held) = at_place(&self.spec, &mut self.held, at)?;
                dhcp6::answer(&self.spec, client, held, (asker.mac, from), &request, now)
            }
            Incoming::Datagram { from, to, data } if to.1 == DNS && self.spec.is_own(to.0) => {
                let mtu = self.mtu(asker);
                let mut place = Place { spec: &self.spec, tally: &mut self.tally, now, out };
                self.names.datagram(&mut place, asker, (from, to.0), data, mtu)
            }
            Incoming::Segment { to, .. } if to.1 == DNS && self.spec.is_own(to.0) => {
                let mtu = self.mtu(asker);
                let mut place = Place { spec: &self.spec, tally: &mut self.tally, now, out };
                match self.names.segment(&mut place, asker, &incoming, mtu) {
                    Some(answer) => answer,
                    None => Ok(Some((Served::Neighbour, neighbour::answer(&self.spec, mac, &incoming)?))),
                }
            }
            Incoming::RouterSolicit { from } => {
                self.is_on()?;
                let at = self.client(port, mac)?;
                let client = self.spec.clients.get(at).ok_or(Refusal::UnknownClient)?;
                let to = (!from.is_unspecified()).then_some((mac, from));
                let frame = advert::emit(&self.spec, client, to).ok_or(Refusal::NoAddress)?;
                Ok(Some((Served::Advert, frame)))
            }
            Incoming::Notice => Ok(None),
            other => Ok(Some((Served::Neighbour, neighbour::answer(&self.spec, mac, &other)?))),
        }
    }

    /// The MTU of the asker's link, if it is known.
    fn mtu(&self, asker: Asker) -> Option<u16> {
        let at = self.client(asker.port, asker.mac).ok()?;
        self.spec.clients.get(at).map(|client| client.mtu)
    }

    fn is_on(&self) -> Result<(), Refusal> {
        if self.spec.dhcp { Ok(()) } else { Err(Refusal::Off) }
    }

    /// The place of the client with a MAC address, if it is where it says.
    fn client(&self, port: u32, mac: Mac) -> Result<usize, Refusal> {
        let at = *self.by_mac.get(&mac).ok_or(Refusal::UnknownClient)?;
        let client = self.spec.clients.get(at).ok_or(Refusal::UnknownClient)?;
        // One behind another switch comes in by the port that leads there, which no client is at.
        let is_there = match client.port {
            Some(own) => own == port,
            None => self.spec.clients.iter().all(|other| other.port != Some(port)),
        };
        if is_there { Ok(at) } else { Err(Refusal::WrongPort) }
    }

    /// Takes the answer of a name server outside to the question `token`; `None`: there is none.
    pub fn upstream(&mut self, token: u64, reply: Option<&[u8]>, now: Nanos, out: &mut Vec<Output>) {
        let mut place = Place { spec: &self.spec, tally: &mut self.tally, now, out };
        self.names.upstream(&mut place, token, reply);
    }

    /// Does what is due.
    pub fn poll(&mut self, now: Nanos, out: &mut Vec<Output>) {
        let mut place = Place { spec: &self.spec, tally: &mut self.tally, now, out: &mut *out };
        self.names.poll(&mut place);
        if !self.advertises() {
            return;
        }
        for at in self.schedule.due(now, self.spec.clients.len()) {
            let Some(client) = self.spec.clients.get(at) else { continue };
            let Some(port) = client.port else { continue };
            if let Some(frame) = advert::emit(&self.spec, client, None) {
                self.tally.serve(Served::Advert);
                out.push(Output::Send { port, frame });
            }
        }
    }

    /// When [`Self::poll`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        let adverts = self.advertises().then(|| self.schedule.next());
        [adverts, self.names.deadline()].into_iter().flatten().min()
    }

    fn advertises(&self) -> bool {
        self.spec.dhcp && self.spec.clients.iter().any(|client| client.v6.is_some())
    }

    /// What was handed out, in the order of the clients.
    pub fn leases(&self, now: Nanos) -> impl Iterator<Item = Lease> {
        self.spec.clients.iter().zip(&self.held).flat_map(move |(client, held)| held.leases(client, now))
    }

    /// What was answered and what was not.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// A client, and what is remembered of it.
fn at_place<'n>(
    spec: &'n Spec,
    held: &'n mut [Held],
    at: usize,
) -> Result<(&'n Client, &'n mut Held), Refusal> {
    spec.clients.get(at).zip(held.get_mut(at)).ok_or(Refusal::UnknownClient)
}

fn index(spec: &Spec) -> BTreeMap<Mac, usize> {
    spec.clients.iter().enumerate().map(|(at, client)| (client.mac, at)).collect()
}

/// The port of name servers.
pub(crate) const DNS: u16 = 53;

//! Who gets what: the address that the lab resolved for the interface, and nothing else.
//!
//! A client is known by the link-layer address its message came from: DUIDs are made up by clients, and the lab knows none.

use std::net::{IpAddr, Ipv6Addr};

use netloom_flow::Nanos;
use netloom_packet::Mac;

use super::message::{Association, Kind, Request};
use super::{SERVER, option};
use crate::dns::Name;
use crate::lease::{self, Family, Held, Standing};
use crate::network::Answer;
use crate::outgoing::datagram;
use crate::spec::{Client, Spec, shares_prefix};
use crate::tally::{Refusal, Served};

const ADVERTISE: u8 = 2;
const REPLY: u8 = 7;

/// Status codes (RFC 8415 section 21.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Success = 0,
    NoAddress = 2,
    NotOnLink = 4,
    NoPrefix = 6,
}

/// Answers a client of the network that sent from `from`.
///
/// # Errors
/// Why there is nothing to answer.
pub(crate) fn answer(
    spec: &Spec,
    client: &Client,
    held: &mut Held,
    (mac, from): (Mac, (IpAddr, u16)),
    request: &Request<'_>,
    now: Nanos,
) -> Answer {
    let own = own_duid(spec);
    check(request, &own)?;
    let (address, len) = client.v6.ok_or(Refusal::NoAddress)?;
    let is_advert = request.kind == Kind::Solicit && !request.rapid;
    let mut out = Message::new(if is_advert { ADVERTISE } else { REPLY }, request.transaction);
    if let Some(id) = request.client {
        out.put(option::CLIENT_ID, id);
    }
    out.put(option::SERVER_ID, &own);
    match request.kind {
        Kind::Solicit | Kind::Request | Kind::Renew | Kind::Rebind => {
            let mut is_given = false;
            for association in &request.associations {
                // There is one address, so the first that wants one gets it.
                let is_first = !is_given && association.code == option::IA_NA;
                out.associate(association, is_first.then_some(address));
                is_given |= is_first;
            }
            if request.kind == Kind::Solicit && request.rapid {
                out.put(option::RAPID_COMMIT, &[]);
            }
            if is_given {
                let standing = if is_advert { Standing::Offered } else { Standing::Bound };
                held.set(Family::V6, standing, now);
            }
        }
        Kind::Confirm => {
            let mut addresses = request.associations.iter().flat_map(|it| &it.addresses).peekable();
            if addresses.peek().is_none() {
                return Err(Refusal::Malformed);
            }
            let is_here = addresses.all(|it| shares_prefix(*it, address, len));
            out.status(if is_here { Status::Success } else { Status::NotOnLink });
        }
        Kind::Release | Kind::Decline => {
            let is_own = request.associations.iter().any(|it| it.addresses.contains(&address));
            if is_own {
                let is_release = request.kind == Kind::Release;
                let standing = if is_release { Standing::Released } else { Standing::Declined };
                held.set(Family::V6, standing, now);
            }
            out.status(Status::Success);
        }
        Kind::InformationRequest => {}
    }
    let server = spec.v6.map_or_else(|| spec.link_local(), |(own, _)| own);
    out.put(option::NAME_SERVERS, &server.octets());
    if let Some(domain) = Name::of(&spec.zone.domain()) {
        out.put(option::SEARCH, domain.wire());
    }
    let frame = datagram((spec.mac, mac), (spec.link_local().into(), SERVER), from, &out.0);
    Ok(frame.map(|frame| (Served::Dhcp6, frame)))
}

/// Which names a message must carry and must not (RFC 8415 section 16).
fn check(request: &Request<'_>, own: &[u8]) -> Result<(), Refusal> {
    let needs_server = matches!(request.kind, Kind::Request | Kind::Renew | Kind::Release | Kind::Decline);
    match (needs_server, request.server) {
        (true, Some(server)) if server != own => return Err(Refusal::OtherServer),
        (true, None) => return Err(Refusal::Malformed),
        (false, Some(server)) if request.kind != Kind::InformationRequest || server != own => {
            return Err(Refusal::OtherServer);
        }
        _ => {}
    }
    if request.client.is_none() && request.kind != Kind::InformationRequest {
        return Err(Refusal::Malformed);
    }
    Ok(())
}

/// The server's name, made of its MAC address (RFC 8415 section 11.4).
fn own_duid(spec: &Spec) -> Vec<u8> {
    [&[0, 3, 0, 1], spec.mac.0.as_slice()].concat()
}

/// A message in the making.
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u8, transaction: [u8; 3]) -> Self {
        let [a, b, c] = transaction;
        Self(vec![kind, a, b, c])
    }

    fn put(&mut self, code: u16, value: &[u8]) {
        if let Ok(len) = u16::try_from(value.len()) {
            self.0.extend(code.to_be_bytes());
            self.0.extend(len.to_be_bytes());
            self.0.extend(value);
        }
    }

    fn status(&mut self, status: Status) {
        self.put(option::STATUS, &(status as u16).to_be_bytes());
    }

    /// An association with the address it is given, if any; what else the client has there is not its own any more.
    fn associate(&mut self, association: &Association, given: Option<Ipv6Addr>) {
        let mut inner = Self(association.id.to_vec());
        if association.code != option::IA_TA {
            let (renew, rebind) = if given.is_some() { (lease::RENEW, lease::REBIND) } else { (0, 0) };
            inner.0.extend(renew.to_be_bytes());
            inner.0.extend(rebind.to_be_bytes());
        }
        match given {
            Some(address) => {
                inner.address(address, lease::SECONDS);
                let others = association.addresses.iter().filter(|other| **other != address);
                others.for_each(|other| inner.address(*other, 0));
            }
            None if association.code == option::IA_PD => inner.status(Status::NoPrefix),
            None => inner.status(Status::NoAddress),
        }
        self.put(association.code, &inner.0);
    }

    fn address(&mut self, address: Ipv6Addr, seconds: u32) {
        let mut value = address.octets().to_vec();
        value.extend(seconds.to_be_bytes()); // preferred
        value.extend(seconds.to_be_bytes()); // valid
        self.put(option::ADDRESS, &value);
    }
}

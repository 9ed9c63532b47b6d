//! Who gets what: the address that the lab resolved for the interface, and nothing else.

use std::net::{IpAddr, Ipv4Addr};

use netloom_flow::Nanos;
use netloom_packet::Mac;

use super::message::{Kind, Request};
use super::reply::Reply;
use super::{CLIENT, SERVER, option};
use crate::lease::{self, Family, Held, Standing};
use crate::network::Answer;
use crate::outgoing::datagram;
use crate::spec::{Client, Hop, Spec, netmask};
use crate::tally::{Refusal, Served};

const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// What a REQUEST means (RFC 2131 section 4.3.2).
enum Wish {
    /// It is for the client's own address.
    Right,
    /// It is for another one.
    Wrong,
    /// Another server was chosen.
    Elsewhere,
}

/// Answers a client of the network.
///
/// # Errors
/// Why there is nothing to answer. A refusal by DHCPNAK is an answer.
pub(crate) fn answer(
    spec: &Spec,
    client: &Client,
    held: &mut Held,
    request: &Request<'_>,
    now: Nanos,
) -> Answer {
    let (Some((server, _)), Some((own, len))) = (spec.v4, client.v4) else { return Err(Refusal::NoAddress) };
    let is_ours = request.server.is_none_or(|chosen| chosen == server);
    let served = match request.kind {
        Kind::Discover => Served::Offer,
        Kind::Request => match wish(request, server, own)? {
            Wish::Elsewhere => return Err(Refusal::OtherServer),
            Wish::Wrong => Served::Nak,
            Wish::Right => Served::Ack,
        },
        Kind::Inform => Served::Ack,
        _ if !is_ours => return Err(Refusal::OtherServer),
        Kind::Decline => {
            held.set(Family::V4, Standing::Declined, now);
            return Err(Refusal::Declined);
        }
        Kind::Release => {
            // Only what it has (RFC 2131 section 4.3.4); there is no answer.
            if request.ciaddr != own {
                return Err(Refusal::WrongAddress);
            }
            held.set(Family::V4, Standing::Released, now);
            return Ok(None);
        }
    };
    let is_inform = request.kind == Kind::Inform;
    match served {
        Served::Offer => held.set(Family::V4, Standing::Offered, now),
        Served::Ack if !is_inform => held.set(Family::V4, Standing::Bound, now),
        _ => {}
    }
    let message = match served {
        Served::Nak => Reply::new(NAK, request, server, Ipv4Addr::UNSPECIFIED, client.mtu).finish(),
        _ => {
            let kind = if served == Served::Offer { OFFER } else { ACK };
            let yiaddr = if is_inform { Ipv4Addr::UNSPECIFIED } else { own };
            let mut reply = Reply::new(kind, request, server, yiaddr, client.mtu);
            if !is_inform {
                reply.put_long(option::LEASE_TIME, lease::SECONDS);
                reply.put_long(option::RENEW, lease::RENEW);
                reply.put_long(option::REBIND, lease::REBIND);
            }
            settings(&mut reply, spec, client, request, (own, len));
            reply.finish()
        }
    };
    let (mac, to) = receiver(request, own, served == Served::Nak);
    let frame = datagram((spec.mac, mac), (server.into(), SERVER), (to, CLIENT), &message);
    Ok(frame.map(|frame| (served, frame)))
}

fn wish(request: &Request<'_>, server: Ipv4Addr, own: Ipv4Addr) -> Result<Wish, Refusal> {
    let wanted = match (request.server, request.requested) {
        // It has chosen among offers.
        (Some(chosen), _) if chosen != server => return Ok(Wish::Elsewhere),
        // It has chosen, or it was rebooted and remembers; some say their address in the other place.
        (_, Some(requested)) => requested,
        (Some(_), None) if request.ciaddr.is_unspecified() => return Err(Refusal::Malformed),
        // It renews.
        (_, None) => request.ciaddr,
    };
    Ok(if wanted == own { Wish::Right } else { Wish::Wrong })
}

/// Where an answer goes (RFC 2131 section 4.1): to the address a client uses, else to the one it is given, unless it
/// cannot take a packet before it has one. A refusal goes to all, as no address is sure.
fn receiver(request: &Request<'_>, own: Ipv4Addr, is_nak: bool) -> (Mac, IpAddr) {
    if is_nak {
        (Mac::BROADCAST, Ipv4Addr::BROADCAST.into())
    } else if !request.ciaddr.is_unspecified() {
        (request.mac, request.ciaddr.into())
    } else if request.broadcast {
        (Mac::BROADCAST, Ipv4Addr::BROADCAST.into())
    } else {
        (request.mac, own.into())
    }
}

/// What the client wants to know, the most needed first: what finds no room is left out.
fn settings(reply: &mut Reply, spec: &Spec, client: &Client, request: &Request<'_>, own: (Ipv4Addr, u8)) {
    let mask = netmask(own.1);
    let mut put = |code, value: &[u8]| {
        if request.wants(code) && !value.is_empty() {
            reply.put(code, value);
        }
    };
    put(option::SUBNET_MASK, &mask.octets());
    if let Some(router) = client.gateway {
        put(option::ROUTER, &router.octets());
    }
    if let Some((server, _)) = spec.v4 {
        put(option::NAME_SERVER, &server.octets());
    }
    put(option::ROUTES, &routes(client));
    put(option::DOMAIN_NAME, spec.zone.domain().as_bytes());
    put(option::HOST_NAME, client.hostname.as_bytes());
    put(option::BROADCAST, &(own.0 | !mask).octets());
    // Few clients ask for it, and one that sends what its link does not take loses packets.
    let mtu = client.mtu.max(68).to_be_bytes();
    if request.wants(option::MTU) || client.mtu != 1_500 {
        reply.put(option::MTU, &mtu);
    }
}

/// Classless routes (RFC 3442). Who asks for them does not look at the router option, so the default is among them.
fn routes(client: &Client) -> Vec<u8> {
    if client.routes.is_empty() {
        return Vec::new();
    }
    let default = client.gateway.map(|via| Hop { to: Ipv4Addr::UNSPECIFIED, len: 0, via });
    let mut out = Vec::new();
    for hop in client.routes.iter().copied().chain(default) {
        let octets = hop.to.octets();
        out.push(hop.len.min(32));
        out.extend(octets.iter().take(usize::from(hop.len.min(32)).div_ceil(8)));
        out.extend(hop.via.octets());
    }
    out
}

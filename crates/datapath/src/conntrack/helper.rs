//! Connections that name further ones: who is expected where, and what is to be read instead.

use std::net::{IpAddr, Ipv6Addr};
use std::ops::Range;

use netloom_flow::Nanos;
use netloom_flow::action::CtAlg;
use netloom_packet::parse::ip_proto;

use super::connection::Connection;
use super::expectation::{Expectation, Expectations, PATIENCE};
use super::ftp;
use super::tuple::narrow;

/// A text of the payload that is to be another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replacement {
    /// Where in the payload.
    pub(crate) range: Range<usize>,
    pub(crate) text: String,
}

/// Reads the payload of a watched connection; what is named there is expected from now on.
pub(super) fn read(
    connection: &Connection,
    is_reply: bool,
    payload: &[u8],
    expectations: &mut Expectations,
    now: Nanos,
) -> Option<Replacement> {
    match connection.helper? {
        CtAlg::Ftp => ftp(connection, is_reply, payload, expectations, now),
        CtAlg::Tftp => {
            tftp(connection, is_reply, payload, expectations, now);
            None
        }
    }
}

/// What an end of a connection is called on its own side, and on the other one.
struct End {
    own: (u128, u16),
    seen: (u128, u16),
}

impl Connection {
    /// Who began it, and the other one.
    const fn ends(&self) -> [End; 2] {
        let (near, far) = (&self.original, &self.reply);
        [
            End { own: (near.src, near.src_port), seen: (far.dst, far.dst_port) },
            End { own: (far.src, far.src_port), seen: (near.dst, near.dst_port) },
        ]
    }

    /// A connection from `from`'s machine to the port at which `to` listens, as it comes and as it goes on.
    fn expect(&self, proto: u8, from: &End, to: &End, port: u16, now: Nanos) -> Expectation {
        Expectation {
            scope: self.scope,
            proto,
            is_ipv6: self.original.is_ipv6,
            src: from.own.0,
            dst: to.seen.0,
            dst_port: port,
            new_src: from.seen.0,
            new_dst: (to.own.0, port),
            parent: self.original,
            mark: self.mark,
            label: self.label,
            expires: now + PATIENCE,
        }
    }
}

fn ftp(
    connection: &Connection,
    is_reply: bool,
    payload: &[u8],
    expectations: &mut Expectations,
    now: Nanos,
) -> Option<Replacement> {
    let named = ftp::read(payload, is_reply)?;
    let [client, server] = connection.ends();
    let (speaker, listener) = if is_reply { (server, client) } else { (client, server) };
    // Only about itself: a third machine is nobody's to name.
    if named.address.is_some_and(|address| address != speaker.own.0) || named.port == 0 {
        return None;
    }
    let wanted = connection.expect(ip_proto::TCP, &listener, &speaker, named.port, now);
    let port = expectations.add(wanted, now)?;
    let is_translated = speaker.own.0 != speaker.seen.0;
    if !is_translated && port != named.port {
        // Nobody would rewrite it.
        return None;
    }
    let address = if connection.original.is_ipv6 {
        IpAddr::V6(Ipv6Addr::from_bits(speaker.seen.0))
    } else {
        IpAddr::V4(narrow(speaker.seen.0).into())
    };
    let text = named.written(address, port);
    is_translated.then_some(Replacement { range: named.range, text })
}

/// Requests to read and to write are answered from another port. Source: RFC 1350 section 5.
fn tftp(
    connection: &Connection,
    is_reply: bool,
    payload: &[u8],
    expectations: &mut Expectations,
    now: Nanos,
) {
    if is_reply || !matches!(payload, [0, 1 | 2, ..]) {
        return;
    }
    let [client, server] = connection.ends();
    let wanted = connection.expect(ip_proto::UDP, &server, &client, client.seen.1, now);
    let (address, port) = client.own;
    expectations.add(Expectation { new_dst: (address, port), ..wanted }, now);
}

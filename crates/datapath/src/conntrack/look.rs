//! What tracking looks at in a packet.

use netloom_packet::Headers;
use netloom_packet::bytes::{array, be16, be32, u8_at};
use netloom_packet::icmp::Icmp;
use netloom_packet::ipv4::Ipv4;
use netloom_packet::parse::ip_proto;
use netloom_packet::sctp::Sctp;
use netloom_packet::tcp::Tcp;
use netloom_packet::udp::Udp;

use super::inner::Inner;
use super::tuple::{Tuple, mapped};

/// A packet, as far as tracking is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// Its direction. Of an error of ICMP: the direction of the connection in which the error travels.
    pub(crate) tuple: Tuple,
    /// It is an error of ICMP about a packet of the connection.
    pub(crate) is_error: bool,
    /// What the protocol's state machine needs.
    pub(crate) transport: Transport,
}

/// What the protocol's state machine needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp(Segment),
    Sctp(Chunks),
    /// Datagrams, queries, and whatever else.
    Other,
}

/// A TCP segment, or several in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Segment {
    pub(crate) flags: u16,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    /// The window scale option.
    pub(crate) scale: Option<u8>,
    /// Bytes of payload.
    pub(crate) len: u32,
}

/// The first chunk of an SCTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Chunks {
    /// The verification tag of the packet.
    pub(crate) tag: u32,
    /// The type of its first chunk.
    pub(crate) kind: u8,
    /// What its sender wants to be addressed by: in INIT and INIT ACK.
    pub(crate) initiate_tag: u32,
}

impl Look {
    /// Looks at a whole packet. `None`: it cannot belong to a connection.
    pub(crate) fn at(frame: &[u8], headers: &Headers) -> Option<Self> {
        let (src, dst) = addresses(frame, headers)?;
        let tuple = Tuple {
            src,
            dst,
            src_port: 0,
            dst_port: 0,
            proto: headers.ip_proto,
            is_ipv6: headers.is_ipv6(),
            kinds: [0, 0],
        };
        match headers.ip_proto {
            ip_proto::TCP => tcp(frame, headers, tuple),
            ip_proto::SCTP => sctp(frame, headers, tuple),
            ip_proto::UDP => {
                let udp = Udp::of(frame, headers)?;
                Some(Self::other(Tuple { src_port: udp.src(), dst_port: udp.dst(), ..tuple }))
            }
            ip_proto::ICMP | ip_proto::ICMPV6 => icmp(frame, headers, tuple),
            _ => Some(Self::other(tuple)),
        }
    }

    const fn other(tuple: Tuple) -> Self {
        Self { tuple, is_error: false, transport: Transport::Other }
    }
}

fn addresses(frame: &[u8], headers: &Headers) -> Option<(u128, u128)> {
    if let Some(ip) = Ipv4::of(frame, headers) {
        return Some((mapped(ip.src()), mapped(ip.dst())));
    }
    let at = usize::from(headers.l3);
    let address = |at: usize| array::<16>(frame, at).map(|bytes| u128::from_be_bytes(*bytes));
    headers.is_ipv6().then_some((address(at + 8)?, address(at + 24)?))
}

fn tcp(frame: &[u8], headers: &Headers, tuple: Tuple) -> Option<Look> {
    let tcp = Tcp::of(frame, headers).filter(|_| headers.payload > 0)?;
    let options = frame.get(usize::from(headers.l4) + 20..usize::from(headers.payload))?;
    let segment = Segment {
        flags: tcp.flags(),
        seq: tcp.seq(),
        ack: tcp.ack(),
        window: tcp.window(),
        scale: scale(options),
        len: u32::try_from(headers.payload_len()).ok()?,
    };
    let tuple = Tuple { src_port: tcp.src(), dst_port: tcp.dst(), ..tuple };
    Some(Look { tuple, is_error: false, transport: Transport::Tcp(segment) })
}

/// The window scale among TCP options. Source: RFC 7323 section 2.2: kind 3, length 3, at most 14.
fn scale(mut options: &[u8]) -> Option<u8> {
    loop {
        match *options {
            [3, 3, shift, ..] => return Some(shift.min(14)),
            [1, ref rest @ ..] => options = rest,
            [0, ..] | [] | [_] => return None,
            [_, length, ..] => options = options.get(usize::from(length).max(2)..)?,
        }
    }
}

/// Source: RFC 9260 section 3: chunks of type, flags, length; the initiate tag is the first word of INIT and INIT ACK.
fn sctp(frame: &[u8], headers: &Headers, tuple: Tuple) -> Option<Look> {
    let sctp = Sctp::of(frame, headers)?;
    let at = usize::from(headers.l4);
    let chunks = Chunks {
        tag: be32(frame, at + 4)?,
        kind: u8_at(frame, at + 12)?,
        initiate_tag: be32(frame, at + 16).unwrap_or(0),
    };
    let tuple = Tuple { src_port: sctp.src(), dst_port: sctp.dst(), ..tuple };
    Some(Look { tuple, is_error: false, transport: Transport::Sctp(chunks) })
}

fn icmp(frame: &[u8], headers: &Headers, tuple: Tuple) -> Option<Look> {
    let icmp = Icmp::of(frame, headers)?;
    if let Some(answer) = answer_to(tuple.proto, icmp.kind()) {
        let id = be16(frame, usize::from(headers.l4) + 4)?;
        let kinds = [icmp.kind(), answer];
        return Some(Look::other(Tuple { src_port: id, dst_port: id, kinds, ..tuple }));
    }
    if !is_error(tuple.proto, icmp.kind()) {
        return None;
    }
    let about = Inner::of(frame, headers)?.tuple(frame)?;
    // It is told to who sent the packet.
    (about.src == tuple.dst).then_some(Look {
        tuple: about.reversed(),
        is_error: true,
        transport: Transport::Other,
    })
}

/// The type of the answer to a query, or of the query that is answered.
///
/// Source: RFC 792, RFC 950, RFC 4443.
pub(super) const fn answer_to(proto: u8, kind: u8) -> Option<u8> {
    Some(match (proto, kind) {
        (ip_proto::ICMP, 8) => 0,
        (ip_proto::ICMP, 0) => 8,
        (ip_proto::ICMP, 13) => 14,
        (ip_proto::ICMP, 14) => 13,
        (ip_proto::ICMP, 15) => 16,
        (ip_proto::ICMP, 16) => 15,
        (ip_proto::ICMP, 17) => 18,
        (ip_proto::ICMP, 18) => 17,
        (ip_proto::ICMPV6, 128) => 129,
        (ip_proto::ICMPV6, 129) => 128,
        _ => return None,
    })
}

/// Whether it is a query, which begins a connection, and no answer.
pub(super) const fn is_query(proto: u8, kind: u8) -> bool {
    matches!((proto, kind), (ip_proto::ICMP, 8 | 13 | 15 | 17) | (ip_proto::ICMPV6, 128))
}

const fn is_error(proto: u8, kind: u8) -> bool {
    matches!((proto, kind), (ip_proto::ICMP, 3 | 4 | 5 | 11 | 12) | (ip_proto::ICMPV6, 1..=4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_scale_is_found_among_options_and_lies_are_not_followed() {
        assert_eq!(scale(&[2, 4, 5, 0xb4, 1, 3, 3, 7]), Some(7));
        assert_eq!(scale(&[3, 3, 200]), Some(14));
        for none in [&[][..], &[0, 3, 3, 7], &[2, 0, 2, 0], &[8, 200, 3, 3, 7], &[3, 3], &[1, 1, 1]] {
            assert_eq!(scale(none), None, "{none:?}");
        }
    }
}

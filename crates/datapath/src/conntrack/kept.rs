//! A connection that outlives a restart of the program, as a line of text.
//!
//! ```text
//! connection TENANT ZONE PROTOCOL FIRST ANSWER STATE PACKETS/PACKETS MARK LABEL LEFT HELPER PARENT
//! connection 0 5 6 10.0.0.1,10.0.0.2,4321,80,0,0 10.0.0.2,10.0.0.1,80,4321,0,0 tcp 12/9 0 0 86399000000000 - -
//! ```
//!
//! Of TCP's windows nothing is kept: what was written half a second ago says nothing of where a fast stream is now. The
//! first segment of either side is believed instead, see [`Tcp::resumed`]. So only connections are kept that are
//! established. Those whose stream a helper has changed are not: by how much depends on where the stream is.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use netloom_flow::action::CtAlg;
use netloom_flow::{BridgeId, Nanos, TenantId};
use netloom_packet::parse::ip_proto;

use super::connection::Connection;
use super::protocol::{Protocol, Seen};
use super::sctp::Sctp;
use super::sequence::Shift;
use super::tcp::Tcp;
use super::timeout::{Phase, Timeouts};
use super::tuple::{Scope, Tuple, wide};

/// A connection that is kept. `Display` writes its line, `FromStr` reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptConnection {
    tenant: TenantId,
    zone: u16,
    original: Tuple,
    reply: Tuple,
    state: State,
    seen: [u64; 2],
    mark: u32,
    label: u128,
    /// How long it would have lived on without a packet.
    left: Nanos,
    helper: Option<CtAlg>,
    parent: Option<Tuple>,
}

/// What a protocol keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Tcp,
    Sctp([Option<u32>; 2]),
    Icmp(bool),
    Other(Seen),
}

/// The states without a value.
const STATES: [(&str, State); 6] = [
    ("tcp", State::Tcp),
    ("asked", State::Icmp(false)),
    ("answered", State::Icmp(true)),
    ("first", State::Other(Seen::First)),
    ("more", State::Other(Seen::Multiple)),
    ("both", State::Other(Seen::Both)),
];
const SCTP: &str = "sctp=";
const HELPERS: [(&str, CtAlg); 2] = [("ftp", CtAlg::Ftp), ("tftp", CtAlg::Tftp)];
/// Who is not there.
const NONE: &str = "-";
/// The first word of a line.
const FIRST: &str = "connection";

impl KeptConnection {
    /// `None`: it cannot be kept.
    pub(super) fn of(connection: &Connection, now: Nanos) -> Option<Self> {
        let state = match connection.protocol {
            Protocol::Tcp(tcp) if tcp.phase() == Phase::TcpEstablished => State::Tcp,
            Protocol::Sctp(sctp) if sctp.phase() == Phase::SctpEstablished => State::Sctp(sctp.tags()),
            Protocol::Tcp(_) | Protocol::Sctp(_) => return None,
            Protocol::Icmp(is_answered) => State::Icmp(is_answered),
            Protocol::Other(seen) => State::Other(seen),
        };
        if connection.is_moved() {
            return None;
        }
        Some(Self {
            tenant: connection.scope.tenant,
            zone: connection.scope.zone,
            original: connection.original,
            reply: connection.reply,
            state,
            seen: connection.seen,
            mark: connection.mark,
            label: connection.label,
            left: connection.expires.since(now),
            helper: connection.helper,
            parent: connection.parent,
        })
    }

    pub(super) const fn scope(&self, bridge: BridgeId) -> Scope {
        Scope { bridge, tenant: self.tenant, zone: self.zone }
    }

    /// `None`: its time is over.
    pub(super) fn connection(
        &self,
        scope: Scope,
        timeouts: Arc<Timeouts>,
        passed: Nanos,
        now: Nanos,
    ) -> Option<Connection> {
        let protocol = match self.state {
            State::Tcp => Protocol::Tcp(Tcp::resumed()),
            State::Sctp(tags) => Protocol::Sctp(Sctp::resumed(tags)),
            State::Icmp(is_answered) => Protocol::Icmp(is_answered),
            State::Other(seen) => Protocol::Other(seen),
        };
        // Nobody lives longer than a packet would make it live.
        let left = self.left.min(timeouts.of(protocol.phase())).since(passed);
        (left > Nanos::ZERO).then(|| Connection {
            scope,
            original: self.original,
            reply: self.reply,
            protocol,
            seen: self.seen,
            mark: self.mark,
            label: self.label,
            helper: self.helper,
            parent: self.parent,
            shifts: [Shift::default(); 2],
            timeouts,
            expires: now + left,
            parked: u64::MAX,
        })
    }

    /// Whether protocol, addresses and state go together.
    fn is_sound(&self) -> bool {
        let (forth, back) = (&self.original, &self.reply);
        let fits = match self.state {
            State::Tcp => forth.proto == ip_proto::TCP,
            State::Sctp(_) => forth.proto == ip_proto::SCTP,
            State::Icmp(_) => forth.is_icmp(),
            State::Other(_) => !forth.is_icmp() && !matches!(forth.proto, ip_proto::TCP | ip_proto::SCTP),
        };
        fits && forth.proto == back.proto && forth.is_ipv6 == back.is_ipv6
    }
}

impl fmt::Display for KeptConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FIRST} {} {} {} ", self.tenant.0, self.zone, self.original.proto)?;
        write!(f, "{} {} ", Shown(&self.original), Shown(&self.reply))?;
        match (self.state, STATES.iter().find(|(_, known)| *known == self.state)) {
            (_, Some((name, _))) => f.write_str(name)?,
            (State::Sctp([forth, back]), None) => {
                let number = |tag: Option<u32>| tag.map_or_else(|| NONE.to_owned(), |tag| tag.to_string());
                write!(f, "{SCTP}{},{}", number(forth), number(back))?;
            }
            (_, None) => f.write_str(NONE)?,
        }
        let [forth, back] = self.seen;
        write!(f, " {forth}/{back} {} {} {} ", self.mark, self.label, self.left.0)?;
        let helper = HELPERS.iter().find(|(_, known)| Some(*known) == self.helper);
        f.write_str(helper.map_or(NONE, |(name, _)| name))?;
        match &self.parent {
            Some(parent) => write!(f, " {},{}", parent.proto, Shown(parent)),
            None => write!(f, " {NONE}"),
        }
    }
}

/// A tuple without its protocol.
struct Shown<'t>(&'t Tuple);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.0.row();
        let [kind, answer] = self.0.kinds;
        write!(f, "{},{},{},{},{kind},{answer}", row.src, row.dst, row.src_port, row.dst_port)
    }
}

/// A line that is of no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadConnection;

impl fmt::Display for BadConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("This is not as a connection is written")
    }
}

impl std::error::Error for BadConnection {}

impl FromStr for KeptConnection {
    type Err = BadConnection;

    fn from_str(line: &str) -> Result<Self, BadConnection> {
        read(line).filter(Self::is_sound).ok_or(BadConnection)
    }
}

fn read(line: &str) -> Option<KeptConnection> {
    let mut words = line.split(' ');
    let mut next = || words.next();
    if next()? != FIRST {
        return None;
    }
    let (tenant, zone, proto) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
    let (original, reply) = (tuple(proto, next()?)?, tuple(proto, next()?)?);
    let state = state(next()?)?;
    let (forth, back) = next()?.split_once('/')?;
    let seen = [forth.parse().ok()?, back.parse().ok()?];
    let (mark, label, left) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
    let helper = match next()? {
        NONE => None,
        word => Some(HELPERS.iter().find(|(name, _)| *name == word)?.1),
    };
    let parent = match next()? {
        NONE => None,
        word => {
            let (proto, rest) = word.split_once(',')?;
            Some(tuple(proto.parse().ok()?, rest)?)
        }
    };
    let is_all = next().is_none();
    is_all.then_some(KeptConnection {
        tenant: TenantId(tenant),
        zone,
        original,
        reply,
        state,
        seen,
        mark,
        label,
        left: Nanos(left),
        helper,
        parent,
    })
}

fn state(word: &str) -> Option<State> {
    let Some(tags) = word.strip_prefix(SCTP) else {
        return STATES.iter().find(|(name, _)| *name == word).map(|(_, state)| *state);
    };
    let tag = |word: &str| match word {
        NONE => Some(None),
        number => number.parse().ok().map(Some),
    };
    let (forth, back) = tags.split_once(',')?;
    Some(State::Sctp([tag(forth)?, tag(back)?]))
}

fn tuple(proto: u8, word: &str) -> Option<Tuple> {
    let mut parts = word.split(',');
    let mut next = || parts.next();
    let (src, dst): (IpAddr, IpAddr) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let (src_port, dst_port) = (next()?.parse().ok()?, next()?.parse().ok()?);
    let kinds = [next()?.parse().ok()?, next()?.parse().ok()?];
    let is_alike = next().is_none() && src.is_ipv6() == dst.is_ipv6();
    is_alike.then(|| Tuple {
        src: wide(src),
        dst: wide(dst),
        src_port,
        dst_port,
        proto,
        is_ipv6: src.is_ipv6(),
        kinds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 6] = [
        "connection 0 5 6 10.0.0.1,10.0.0.2,4321,80,0,0 10.0.0.2,10.9.9.9,80,1024,0,0 tcp 12/9 7 1 86399000000000 - -",
        "connection 3 0 17 fd00::1,fd00::2,53,54,0,0 fd00::2,fd00::1,54,53,0,0 both 1/1 0 0 1 - -",
        "connection 0 0 17 10.0.0.1,10.0.0.2,1,2,0,0 10.0.0.2,10.0.0.1,2,1,0,0 first 1/0 0 0 5 tftp -",
        "connection 0 0 1 10.0.0.1,10.0.0.2,9,9,8,0 10.0.0.2,10.0.0.1,9,9,0,8 answered 4/4 0 0 5 - -",
        "connection 0 0 132 10.0.0.1,10.0.0.2,9,9,0,0 10.0.0.2,10.0.0.1,9,9,0,0 sctp=7,- 4/4 0 0 5 - -",
        "connection 0 0 6 10.0.0.2,10.0.0.1,20,9,0,0 10.0.0.1,10.0.0.2,9,20,0,0 tcp 4/4 0 0 5 ftp \
         6,10.0.0.1,10.0.0.2,5,21,0,0",
    ];

    #[test]
    fn lines_are_read_as_they_are_written() {
        for line in LINES {
            let kept: KeptConnection = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(kept.to_string(), line);
        }
    }

    #[test]
    fn whatever_is_cut_off_or_does_not_go_together_is_refused() {
        for line in LINES {
            for end in 0..line.len() {
                // A shorter number is a number.
                let cut = &line[..end];
                if let Ok(kept) = cut.parse::<KeptConnection>() {
                    assert_eq!(kept.to_string(), cut);
                }
            }
            assert!(format!("{line} -").parse::<KeptConnection>().is_err());
        }
        let wrong = [
            ("tcp 12", "both 12"),
            ("connection 0 5 6", "connection 0 5 17"),
            (",10.9.9.9,", ",fd00::9,"),
            ("10.0.0.2,10.9.9.9", "fd00::2,fd00::9"),
            (" 5 6 ", " 65536 6 "),
            ("12/9", "12"),
        ];
        for (from, to) in wrong {
            let line = LINES[0].replacen(from, to, 1);
            assert_ne!(line, LINES[0]);
            assert_eq!(line.parse::<KeptConnection>(), Err(BadConnection), "{line}");
        }
    }
}

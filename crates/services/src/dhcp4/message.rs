//! What clients say.
//!
//! ```text
//! 0    1       2      3      4     8      10      12       16       20       24       28       44      108    236      240
//! | op | htype | hlen | hops | xid | secs | flags | ciaddr | yiaddr | siaddr | giaddr | chaddr | sname | file | cookie | options
//! ```

use std::net::Ipv4Addr;

use netloom_packet::Mac;
use netloom_packet::bytes::{array, be16, be32, u8_at};

use super::{COOKIE, FIXED, option};
use crate::tally::Refusal;

const REQUEST: u8 = 1;
const ETHERNET: u8 = 1;
const BROADCAST: u16 = 0x8000;

/// What a client wants, in the numbers of RFC 2132 section 9.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Discover,
    Request,
    Decline,
    Release,
    Inform,
}

/// A message of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(super) kind: Kind,
    pub(super) xid: u32,
    pub(super) secs: u16,
    /// Answers are to be broadcast.
    pub(super) broadcast: bool,
    /// The address it has, if it uses one.
    pub(super) ciaddr: Ipv4Addr,
    pub(super) mac: Mac,
    pub(super) requested: Option<Ipv4Addr>,
    pub(super) server: Option<Ipv4Addr>,
    /// As it came: it goes back alike.
    pub(super) client_id: Option<&'a [u8]>,
    /// The options it wants; `None`: it does not say.
    pub(super) wanted: Option<&'a [u8]>,
    /// Bytes of a message that it can take.
    pub(super) max_len: Option<u16>,
}

impl Request<'_> {
    /// Whose message it is.
    pub(crate) const fn mac(&self) -> Mac {
        self.mac
    }

    pub(super) fn wants(&self, option: u8) -> bool {
        self.wanted.is_none_or(|wanted| wanted.contains(&option))
    }
}

/// Reads a message of a client, the payload of a UDP datagram.
///
/// # Errors
/// [`Refusal::Malformed`]: cut short, not a request over Ethernet, BOOTP without DHCP, an option that runs over the end;
/// [`Refusal::Relayed`]: a relay sent it, and there are none in the lab.
pub(crate) fn read(bytes: &[u8]) -> Result<Request<'_>, Refusal> {
    let bad = Refusal::Malformed;
    let [op, htype, hlen, _] = *array(bytes, 0).ok_or(bad)?;
    if (op, htype, hlen) != (REQUEST, ETHERNET, 6) || array(bytes, FIXED - 4) != Some(&COOKIE) {
        return Err(bad);
    }
    let address = |at| be32(bytes, at).map(Ipv4Addr::from_bits).ok_or(bad);
    if !address(24)?.is_unspecified() {
        return Err(Refusal::Relayed);
    }
    let mac = Mac(*array(bytes, 28).ok_or(bad)?);
    let mut seen = Seen::default();
    let options = bytes.get(FIXED..).ok_or(bad)?;
    seen.read(options)?;
    // The fields for a boot file may hold options too (RFC 2131 section 4.1: `file` before `sname`).
    let overload = seen.overload.unwrap_or(0);
    if overload & 1 != 0 {
        seen.read(bytes.get(108..236).ok_or(bad)?)?;
    }
    if overload & 2 != 0 {
        seen.read(bytes.get(44..108).ok_or(bad)?)?;
    }
    Ok(Request {
        kind: seen.kind.ok_or(bad)?,
        xid: be32(bytes, 4).ok_or(bad)?,
        secs: be16(bytes, 8).ok_or(bad)?,
        broadcast: be16(bytes, 10).ok_or(bad)? & BROADCAST != 0,
        ciaddr: address(12)?,
        mac,
        requested: seen.requested,
        server: seen.server,
        client_id: seen.client_id,
        wanted: seen.wanted,
        max_len: seen.max_len,
    })
}

/// Options; of each the first counts.
#[derive(Default)]
struct Seen<'a> {
    kind: Option<Kind>,
    requested: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
    client_id: Option<&'a [u8]>,
    wanted: Option<&'a [u8]>,
    max_len: Option<u16>,
    overload: Option<u8>,
}

impl<'a> Seen<'a> {
    fn read(&mut self, mut rest: &'a [u8]) -> Result<(), Refusal> {
        while let Some((&code, after)) = rest.split_first() {
            match code {
                0 => rest = after,
                option::END => return Ok(()),
                _ => {
                    let (&len, after) = after.split_first().ok_or(Refusal::Malformed)?;
                    let (value, after) = after.split_at_checked(len.into()).ok_or(Refusal::Malformed)?;
                    self.note(code, value)?;
                    rest = after;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, code: u8, value: &'a [u8]) -> Result<(), Refusal> {
        let bad = Refusal::Malformed;
        let address = || <[u8; 4]>::try_from(value).map(Ipv4Addr::from).map_err(|_| bad);
        match code {
            option::KIND if self.kind.is_none() => self.kind = Some(kind(value)?),
            option::REQUESTED if self.requested.is_none() => self.requested = Some(address()?),
            option::SERVER_ID if self.server.is_none() => self.server = Some(address()?),
            // Two bytes at least, RFC 2132 section 9.14; an empty one is none.
            option::CLIENT_ID if self.client_id.is_none() && !value.is_empty() => {
                self.client_id = Some(value)
            }
            option::WANTED if self.wanted.is_none() => self.wanted = Some(value),
            option::MAX_LEN if self.max_len.is_none() && value.len() == 2 => self.max_len = be16(value, 0),
            option::OVERLOAD if self.overload.is_none() => self.overload = u8_at(value, 0),
            _ => {}
        }
        Ok(())
    }
}

fn kind(value: &[u8]) -> Result<Kind, Refusal> {
    match value {
        [1] => Ok(Kind::Discover),
        [3] => Ok(Kind::Request),
        [4] => Ok(Kind::Decline),
        [7] => Ok(Kind::Release),
        [8] => Ok(Kind::Inform),
        _ => Err(Refusal::Malformed),
    }
}

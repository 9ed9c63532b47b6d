//! What clients say.
//!
//! ```text
//! 0      1                4
//! | type | transaction id | options: code u16, length u16, value
//! ```

use std::net::Ipv6Addr;

use netloom_packet::bytes::{array, be16, u8_at};

use super::option;
use crate::tally::Refusal;

/// Longest name of a client or server (RFC 8415 section 11.1).
const MAX_DUID: usize = 130;
/// Most associations in a message; clients have one.
const MAX_ASSOCIATIONS: usize = 4;
/// Most addresses in an association.
const MAX_ADDRESSES: usize = 8;

/// What a client wants, in the numbers of RFC 8415 section 7.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Solicit,
    Request,
    Confirm,
    Renew,
    Rebind,
    Release,
    Decline,
    InformationRequest,
}

/// Addresses that belong together, as the client has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Association {
    /// IA_NA, IA_TA or IA_PD.
    pub(super) code: u16,
    pub(super) id: [u8; 4],
    pub(super) addresses: Vec<Ipv6Addr>,
}

/// A message of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(super) kind: Kind,
    pub(super) transaction: [u8; 3],
    /// As it came: it goes back alike.
    pub(super) client: Option<&'a [u8]>,
    pub(super) server: Option<&'a [u8]>,
    pub(super) associations: Vec<Association>,
    pub(super) rapid: bool,
}

/// Reads a message of a client, the payload of a UDP datagram.
///
/// # Errors
/// [`Refusal::Malformed`]: cut short, an option that runs over the end, more of something than clients have;
/// [`Refusal::Relayed`]: a relay sent it; [`Refusal::NotServed`]: nothing a client says.
pub(crate) fn read(bytes: &[u8]) -> Result<Request<'_>, Refusal> {
    let bad = Refusal::Malformed;
    let kind = match u8_at(bytes, 0).ok_or(bad)? {
        1 => Kind::Solicit,
        3 => Kind::Request,
        4 => Kind::Confirm,
        5 => Kind::Renew,
        6 => Kind::Rebind,
        8 => Kind::Release,
        9 => Kind::Decline,
        11 => Kind::InformationRequest,
        12 => return Err(Refusal::Relayed),
        _ => return Err(Refusal::NotServed),
    };
    let mut request = Request {
        kind,
        transaction: *array(bytes, 1).ok_or(bad)?,
        client: None,
        server: None,
        associations: Vec::new(),
        rapid: false,
    };
    for item in Options(bytes.get(4..).ok_or(bad)?) {
        let (code, value) = item?;
        match code {
            option::CLIENT_ID if request.client.is_none() => request.client = Some(duid(value)?),
            option::SERVER_ID if request.server.is_none() => request.server = Some(duid(value)?),
            option::RAPID_COMMIT => request.rapid = true,
            option::IA_NA | option::IA_TA | option::IA_PD => {
                if request.associations.len() == MAX_ASSOCIATIONS {
                    return Err(bad);
                }
                request.associations.push(association(code, value)?);
            }
            _ => {}
        }
    }
    Ok(request)
}

fn duid(value: &[u8]) -> Result<&[u8], Refusal> {
    if (1..=MAX_DUID).contains(&value.len()) { Ok(value) } else { Err(Refusal::Malformed) }
}

/// `IAID:4`, for IA_NA and IA_PD `T1:4 T2:4`, and options.
fn association(code: u16, value: &[u8]) -> Result<Association, Refusal> {
    let bad = Refusal::Malformed;
    let id = *array(value, 0).ok_or(bad)?;
    let skipped = if code == option::IA_TA { 4 } else { 12 };
    let mut addresses = Vec::new();
    for item in Options(value.get(skipped..).ok_or(bad)?) {
        let (inner, value) = item?;
        if inner == option::ADDRESS && code != option::IA_PD {
            if addresses.len() == MAX_ADDRESSES {
                return Err(bad);
            }
            addresses.push(Ipv6Addr::from(*array::<16>(value, 0).ok_or(bad)?));
        }
    }
    Ok(Association { code, id, addresses })
}

/// Options one after the other.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = Result<(u16, &'a [u8]), Refusal>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let head = be16(self.0, 0).zip(be16(self.0, 2));
        let split = head.and_then(|(code, len)| {
            let (value, rest) = self.0.get(4..)?.split_at_checked(len.into())?;
            Some((code, value, rest))
        });
        Some(match split {
            Some((code, value, rest)) => {
                self.0 = rest;
                Ok((code, value))
            }
            None => {
                self.0 = &[];
                Err(Refusal::Malformed)
            }
        })
    }
}

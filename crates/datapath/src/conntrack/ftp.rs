//! What FTP says about further connections, and how to say it with other addresses.
//!
//! | who | says | means |
//! |---|---|---|
//! | client | `PORT 10,0,0,1,4,1` | I listen at port 4 * 256 + 1 of 10.0.0.1 |
//! | client | `EPRT \|1\|10.0.0.1\|1025\|` | the same; 2: IPv6 |
//! | server | `227 ... (10,0,0,2,4,1)` | I listen there |
//! | server | `229 ... (\|\|\|1025\|)` | I listen at this port, at the address you know |
//!
//! Source: RFC 959 section 4.1.2, RFC 2428.

use std::net::IpAddr;
use std::ops::Range;

use super::tuple::wide;

/// An address and port in a command or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    /// Where in the payload it stands.
    pub(crate) range: Range<usize>,
    /// `None`: the address of who says it.
    pub(crate) address: Option<u128>,
    pub(crate) port: u16,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `10,0,0,1,4,1`
    Commas,
    /// `|1|10.0.0.1|1025|`
    Bars,
    /// `|||1025|`
    PortOnly,
}

/// Reads a line of the client, or of the server (`is_reply`).
pub(crate) fn read(payload: &[u8], is_reply: bool) -> Option<Named> {
    let line = payload.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let text = std::str::from_utf8(payload.get(..line)?).ok()?;
    let (code, rest) = text.split_at_checked(4)?;
    let begin = match (is_reply, code.to_ascii_uppercase().as_str()) {
        (false, "PORT" | "EPRT") => 4 + rest.len() - rest.trim_start().len(),
        (true, "227 ") => 4 + rest.find(|c: char| c.is_ascii_digit())?,
        (true, "229 ") => 5 + rest.find('(')?,
        _ => return None,
    };
    let body = text.get(begin..)?;
    match code.as_bytes()[0] | 0x20 {
        b'e' => bars(begin, body, Form::Bars),
        _ if code == "229 " => bars(begin, body, Form::PortOnly),
        _ => commas(begin, body),
    }
}

fn commas(begin: usize, body: &str) -> Option<Named> {
    let end = body.find(|c: char| !c.is_ascii_digit() && c != ',').unwrap_or(body.len());
    let mut numbers = [0_u8; 6];
    let mut parts = body.get(..end)?.split(',');
    for number in &mut numbers {
        *number = parts.next()?.parse().ok()?;
    }
    let [a, b, c, d, high, low] = numbers;
    parts.next().is_none().then_some(Named {
        range: begin..begin + end,
        address: Some(wide(IpAddr::from([a, b, c, d]))),
        port: u16::from_be_bytes([high, low]),
        form: Form::Commas,
    })
}

fn bars(begin: usize, body: &str, form: Form) -> Option<Named> {
    let bar = body.chars().next().filter(char::is_ascii_punctuation)?;
    let mut parts = body.split(bar);
    let (_, family, address, port) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    parts.next()?; // the last bar
    let address = match (form, family) {
        (Form::PortOnly, "") if address.is_empty() => None,
        (Form::Bars, "1" | "2") => {
            let address: IpAddr = address.parse().ok()?;
            if address.is_ipv6() != (family == "2") {
                return None;
            }
            Some(wide(address))
        }
        _ => return None,
    };
    let length = body.match_indices(bar).nth(3)?.0 + 1;
    Some(Named { range: begin..begin + length, address, port: port.parse().ok()?, form })
}

impl Named {
    /// The same with another address and port.
    pub(crate) fn written(&self, address: IpAddr, port: u16) -> String {
        let [high, low] = port.to_be_bytes();
        match (self.form, address) {
            (Form::Commas, IpAddr::V4(v4)) => {
                let [a, b, c, d] = v4.octets();
                format!("{a},{b},{c},{d},{high},{low}")
            }
            (Form::PortOnly, _) => format!("|||{port}|"),
            (_, address) => format!("|{}|{address}|{port}|", if address.is_ipv6() { 2 } else { 1 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str, is_reply: bool) -> Option<(String, Option<u128>, u16)> {
        let found = read(text.as_bytes(), is_reply)?;
        Some((text[found.range.clone()].to_owned(), found.address, found.port))
    }

    #[test]
    fn all_four_forms_are_read_and_written() {
        let v4 = wide(IpAddr::from([10, 0, 0, 1]));
        let v6 = wide("2001:db8::1".parse().unwrap());
        for (text, is_reply, place, address) in [
            ("PORT 10,0,0,1,4,1\r\n", false, "10,0,0,1,4,1", Some(v4)),
            ("port 10,0,0,1,4,1\r\n", false, "10,0,0,1,4,1", Some(v4)),
            ("EPRT |1|10.0.0.1|1025|\r\n", false, "|1|10.0.0.1|1025|", Some(v4)),
            ("EPRT |2|2001:db8::1|1025|\r\n", false, "|2|2001:db8::1|1025|", Some(v6)),
            ("227 Entering Passive Mode (10,0,0,1,4,1).\r\n", true, "10,0,0,1,4,1", Some(v4)),
            ("229 Entering Extended Passive Mode (|||1025|)\r\n", true, "|||1025|", None),
        ] {
            assert_eq!(named(text, is_reply), Some((place.to_owned(), address, 1025)), "{text}");
            let found = read(text.as_bytes(), is_reply).unwrap();
            let back = if address == Some(v6) { "2001:db8::1" } else { "10.0.0.1" };
            assert_eq!(found.written(back.parse().unwrap(), 1025), place);
        }
    }

    #[test]
    fn everything_else_is_left_alone() {
        for text in [
            "PORT 10,0,0,1,4,1",
            "PORT 10,0,0,1,4\r\n",
            "PORT 10,0,0,1,4,256\r\n",
            "PORT 10,0,0,1,4,1,9\r\n",
            "EPRT |2|10.0.0.1|1025|\r\n",
            "EPRT |1|10.0.0.1|70000|\r\n",
            "USER PORT 1,2,3,4,5,6\r\n",
            "PO\r\n",
            "\r\n",
            "PORT\u{2003}1,2\r\n",
        ] {
            assert_eq!(named(text, false), None, "{text:?}");
            assert_eq!(named(text, true), None, "{text:?}");
        }
        assert_eq!(named("229 no (|||1025)\r\n", true), None);
        assert_eq!(named("PORT 10,0,0,1,4,1\r\n", true), None, "a server does not say so");
        assert_eq!(read(&[0xff; 40], false), None);
    }
}

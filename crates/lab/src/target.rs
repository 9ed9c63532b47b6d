//! Where a controller is, in the words of OVS: `tcp:127.0.0.1:6653`, `unix:/run/c.sock`, `ptcp:6653`.
//!
//! Source: ovs-vswitchd.conf.db(5), column `target` of the table Controller.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::error::{TextError, did_you_mean};

/// The port of OpenFlow (IANA).
pub const DEFAULT_PORT: u16 = 6653;

/// Where a controller is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The switch calls there: `tcp:ADDRESS[:PORT]`, `ssl:ADDRESS[:PORT]`.
    Call {
        /// The address.
        ip: IpAddr,
        /// The port.
        port: u16,
        /// Whether by TLS.
        tls: bool,
    },
    /// The switch calls a socket: `unix:PATH`.
    CallUnix(PathBuf),
    /// The switch waits to be called: `ptcp:[PORT][:ADDRESS]`, `pssl:[PORT][:ADDRESS]`.
    Listen {
        /// At which address.
        ip: IpAddr,
        /// At which port.
        port: u16,
        /// Whether by TLS.
        tls: bool,
    },
    /// The switch waits at a socket: `punix:PATH`.
    ListenUnix(PathBuf),
}

const METHODS: [&str; 6] = ["tcp", "ssl", "unix", "ptcp", "pssl", "punix"];

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let (method, rest) = text.split_once(':').unwrap_or((text, ""));
        match method {
            "tcp" | "ssl" => {
                let (ip, port) = address(text, rest)?;
                Ok(Self::Call { ip, port, tls: method == "ssl" })
            }
            "ptcp" | "pssl" => {
                let (port, ip) = rest.split_once(':').unwrap_or((rest, ""));
                let ip =
                    if ip.is_empty() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { address_of(text, ip)? };
                Ok(Self::Listen { ip, port: port_of(text, port)?, tls: method == "pssl" })
            }
            "unix" | "punix" if rest.is_empty() => {
                Err(TextError::new(format!("`{text}` does not say at which socket"))
                    .hint(format!("such as {method}:/run/controller.sock")))
            }
            "unix" => Ok(Self::CallUnix(rest.into())),
            "punix" => Ok(Self::ListenUnix(rest.into())),
            _ => {
                let hint = did_you_mean(method, METHODS).unwrap_or_else(|| {
                    "tcp:ADDRESS:PORT, ssl:.., unix:PATH, ptcp:PORT, pssl:.. or punix:PATH".to_owned()
                });
                Err(TextError::new(format!("`{text}` is no way to a controller")).hint(hint))
            }
        }
    }

    /// Whether the switch waits to be called.
    #[must_use]
    pub const fn is_passive(&self) -> bool {
        matches!(self, Self::Listen { .. } | Self::ListenUnix(_))
    }

    /// Whether certificates are needed.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self, Self::Call { tls: true, .. } | Self::Listen { tls: true, .. })
    }
}

/// `127.0.0.1`, `127.0.0.1:6653`, `[::1]:6653`
fn address(text: &str, rest: &str) -> Result<(IpAddr, u16), TextError> {
    if let Some(inner) = rest.strip_prefix('[')
        && let Some((ip, port)) = inner.split_once(']')
    {
        return Ok((address_of(text, ip)?, port_of(text, port.strip_prefix(':').unwrap_or(port))?));
    }
    // More colons than one are an IPv6 address alone.
    match rest.split_once(':') {
        Some((ip, port)) if !port.contains(':') => Ok((address_of(text, ip)?, port_of(text, port)?)),
        _ => Ok((address_of(text, rest)?, DEFAULT_PORT)),
    }
}

fn address_of(text: &str, ip: &str) -> Result<IpAddr, TextError> {
    let ip = if ip == "localhost" { "127.0.0.1" } else { ip.trim_matches(['[', ']']) };
    ip.parse().map_err(|_| {
        TextError::new(format!("`{text}` has no address of the internet protocol"))
            .hint("such as tcp:127.0.0.1:6653; names are not looked up")
    })
}

fn port_of(text: &str, port: &str) -> Result<u16, TextError> {
    match port.parse() {
        _ if port.is_empty() => Ok(DEFAULT_PORT),
        Ok(port @ 1..) => Ok(port),
        _ => Err(TextError::new(format!("`{text}` has no port from 1 to 65535"))),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bracketed = |ip: &IpAddr| if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() };
        match self {
            Self::Call { ip, port, tls } => {
                write!(f, "{}:{}:{port}", if *tls { "ssl" } else { "tcp" }, bracketed(ip))
            }
            Self::CallUnix(path) => write!(f, "unix:{}", path.display()),
            Self::Listen { ip, port, tls } => {
                write!(f, "{}:{port}", if *tls { "pssl" } else { "ptcp" })?;
                if ip.is_unspecified() && ip.is_ipv4() { Ok(()) } else { write!(f, ":{}", bracketed(ip)) }
            }
            Self::ListenUnix(path) => write!(f, "punix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_written_as_ovs_has_them() {
        for (text, written) in [
            ("tcp:127.0.0.1:6653", "tcp:127.0.0.1:6653"),
            ("tcp:127.0.0.1", "tcp:127.0.0.1:6653"),
            ("tcp:localhost:99", "tcp:127.0.0.1:99"),
            ("tcp:[fd00::1]:99", "tcp:[fd00::1]:99"),
            ("tcp:fd00::1", "tcp:[fd00::1]:6653"),
            ("ssl:10.0.0.1:6654", "ssl:10.0.0.1:6654"),
            ("unix:/run/c.sock", "unix:/run/c.sock"),
            ("ptcp:", "ptcp:6653"),
            ("ptcp:6654", "ptcp:6654"),
            ("ptcp:6654:127.0.0.1", "ptcp:6654:127.0.0.1"),
            ("pssl::[::1]", "pssl:6653:[::1]"),
            ("punix:/run/s1.sock", "punix:/run/s1.sock"),
        ] {
            let target = Target::parse(text);
            assert_eq!(target.as_ref().map(ToString::to_string), Ok(written.to_owned()), "{text}");
            assert_eq!(target.is_ok_and(|target| target.is_passive()), text.starts_with('p'), "{text}");
        }
    }

    #[test]
    fn what_is_no_target_is_told_why() {
        for (text, part) in [
            ("tcp", "no address"),
            ("tcp:", "no address"),
            ("tcp:controller.example", "no address"),
            ("tcp:127.0.0.1:0", "no port"),
            ("tcp:127.0.0.1:70000", "no port"),
            ("ptcp:x", "no port"),
            ("unix:", "at which socket"),
            ("tpc:127.0.0.1", "no way"),
            ("", "no way"),
        ] {
            let error = Target::parse(text).expect_err(text);
            assert!(error.message.contains(part), "{text}: {}", error.message);
        }
        let hint = Target::parse("tpc:127.0.0.1").expect_err("misspelt").hint;
        assert!(hint.is_some_and(|hint| hint.contains("did you mean")));
    }
}

//! How clients come: what `--remote` takes, and rows of a database say.
//!
//! Source: ovsdb(7), "OVSDB Connection Methods"; ovsdb-server(1), `--remote`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The port of OVSDB.
const PORT: u16 = 6640;

/// A way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `punix:FILE`: they come to a socket.
    Socket(PathBuf),
    /// `ptcp:PORT[:IP]`, `pssl:PORT[:IP]`: they come to a port, by TLS or without.
    Port(SocketAddr, bool),
    /// `unix:FILE`: they are called at a socket.
    CallSocket(PathBuf),
    /// `tcp:HOST:PORT`, `ssl:HOST:PORT`: they are called, by TLS or without.
    Call(String, u16, bool),
}

/// A column of a database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Column {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) column: String,
}

impl Target {
    /// Reads a target. Files are in `run` unless they say themselves where they are.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(text: &str, run: &Path) -> Result<Self, String> {
        let (method, rest) =
            text.split_once(':').ok_or_else(|| format!("{text} names no connection method"))?;
        let number = |text: &str| text.parse::<u16>().map_err(|_| format!("{text} is not a port"));
        match method {
            "punix" | "unix" if rest.is_empty() => Err(format!("{text} names no file")),
            "punix" => Ok(Self::Socket(run.join(rest))),
            "unix" => Ok(Self::CallSocket(run.join(rest))),
            "ptcp" | "pssl" => {
                let (port, host) = rest.split_once(':').unwrap_or((rest, ""));
                let port = if port.is_empty() { PORT } else { number(port)? };
                let host = match unbracketed(host) {
                    "" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                    host => host.parse().map_err(|_| format!("{host} is not an IP address"))?,
                };
                Ok(Self::Port(SocketAddr::new(host, port), method == "pssl"))
            }
            "tcp" | "ssl" => {
                let (host, port) = match rest.rsplit_once(':') {
                    Some((host, port)) if !rest.ends_with(']') => (host, number(port)?),
                    _ => (rest, PORT),
                };
                match unbracketed(host) {
                    "" => Err(format!("{text} names no host")),
                    host => Ok(Self::Call(host.to_owned(), port, method == "ssl")),
                }
            }
            other => Err(format!("{other} is not a connection method")),
        }
    }

    /// Whether it goes over a network, where a peer can vanish without a word.
    pub(super) const fn needs_probes(&self) -> bool {
        matches!(self, Self::Port(..) | Self::Call(..))
    }
}

impl Column {
    /// Reads `db:DB,TABLE,COLUMN`; `None`: it is something else.
    pub(super) fn parse(text: &str) -> Option<Result<Self, String>> {
        let rest = text.strip_prefix("db:")?;
        let parts: Vec<&str> = rest.split(',').collect();
        Some(match parts[..] {
            [database, table, column] if parts.iter().all(|part| !part.is_empty()) => {
                Ok(Self { database: database.to_owned(), table: table.to_owned(), column: column.to_owned() })
            }
            _ => Err(format!("\"{text}\": invalid syntax")),
        })
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, String> {
        Target::parse(text, Path::new("/run"))
    }

    #[test]
    fn every_method_is_read() {
        let port = |text: &str, tls| Ok(Target::Port(text.parse().unwrap(), tls));
        let call = |host: &str, port, tls| Ok(Target::Call(host.to_owned(), port, tls));
        assert_eq!(parse("punix:db.sock"), Ok(Target::Socket("/run/db.sock".into())));
        assert_eq!(parse("punix:/x/db.sock"), Ok(Target::Socket("/x/db.sock".into())));
        assert_eq!(parse("unix:a"), Ok(Target::CallSocket("/run/a".into())));
        assert_eq!(parse("ptcp:"), port("0.0.0.0:6640", false));
        assert_eq!(parse("ptcp:0:127.0.0.1"), port("127.0.0.1:0", false));
        assert_eq!(parse("pssl:6641:[::1]"), port("[::1]:6641", true));
        assert_eq!(parse("pssl:6641:::1"), port("[::1]:6641", true));
        assert_eq!(parse("tcp:10.0.0.1:6632"), call("10.0.0.1", 6632, false));
        assert_eq!(parse("tcp:10.0.0.1"), call("10.0.0.1", 6640, false));
        assert_eq!(parse("ssl:[fe80::1]:6632"), call("fe80::1", 6632, true));
        assert_eq!(parse("ssl:[fe80::1]"), call("fe80::1", 6640, true));
        for wrong in
            ["foo", "foo:1", "ptcp:x", "ptcp:1:host", "tcp:", "tcp::5", "tcp:a:b", "punix:", "ptcp:99999"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let column = Column { database: "a".into(), table: "b".into(), column: "c".into() };
        assert_eq!(Column::parse("db:a,b,c"), Some(Ok(column)));
        assert!(Column::parse("db:a,b").unwrap().is_err());
        assert_eq!(Column::parse("ptcp:"), None);
    }
}

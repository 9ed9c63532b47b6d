//! Zones of connection tracking: `zone=5,limit=1000,tcp_established=3600,udp_single=10`
//!
//! Source: ovs-vswitchd.conf.db(5), table `CT_Timeout_Policy`, for the names; `ovs-appctl dpctl/ct-set-limits` for limits.

use std::collections::BTreeMap;
use std::fmt;

use super::error::FlowTextError;
use super::piece::{Items, Piece};
use super::value;

/// What a zone's connections may be, and how long they are remembered. `Display` prints what is read back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ZoneText {
    /// Its number.
    pub zone: u16,
    /// Most connections; `None`: no limit of its own.
    pub limit: Option<u32>,
    /// Timeouts in seconds, where they are not the usual ones.
    pub timeouts: BTreeMap<ZoneTimeout, u32>,
}

/// What a connection is in while a timeout runs. Not all that OVS names: its userspace datapath knows these, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZoneTimeout {
    /// The first packet of TCP.
    TcpSynSent,
    /// A handshake.
    TcpSynRecv,
    /// Both sides have agreed.
    TcpEstablished,
    /// One side has nothing more to say.
    TcpFinWait,
    /// Neither has.
    TcpTimeWait,
    /// It is over.
    TcpClose,
    /// The first packet of UDP or of anything else.
    UdpFirst,
    /// More packets, in one direction.
    UdpSingle,
    /// Packets in both directions.
    UdpMultiple,
    /// A query of ICMP.
    IcmpFirst,
    /// It was answered.
    IcmpReply,
    /// An association of SCTP. OVS has none.
    SctpEstablished,
}

impl ZoneTimeout {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::TcpSynSent,
        Self::TcpSynRecv,
        Self::TcpEstablished,
        Self::TcpFinWait,
        Self::TcpTimeWait,
        Self::TcpClose,
        Self::UdpFirst,
        Self::UdpSingle,
        Self::UdpMultiple,
        Self::IcmpFirst,
        Self::IcmpReply,
        Self::SctpEstablished,
    ];

    /// The name in OVSDB.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TcpSynSent => "tcp_syn_sent",
            Self::TcpSynRecv => "tcp_syn_recv",
            Self::TcpEstablished => "tcp_established",
            Self::TcpFinWait => "tcp_fin_wait",
            Self::TcpTimeWait => "tcp_time_wait",
            Self::TcpClose => "tcp_close",
            Self::UdpFirst => "udp_first",
            Self::UdpSingle => "udp_single",
            Self::UdpMultiple => "udp_multiple",
            Self::IcmpFirst => "icmp_first",
            Self::IcmpReply => "icmp_reply",
            Self::SctpEstablished => "sctp_established",
        }
    }
}

/// Reads a zone's settings.
///
/// # Errors
/// The zone is not named, or something is not a number.
pub fn parse_zone(text: &str) -> Result<ZoneText, FlowTextError> {
    let whole = Piece::new(text);
    let (mut settings, mut is_named) = (ZoneText::default(), false);
    for item in Items::new(whole) {
        let timeout = ZoneTimeout::ALL.into_iter().find(|timeout| timeout.name() == item.key.text);
        match (item.key.text, item.value, timeout) {
            ("zone", Some(number), _) => {
                settings.zone = value::small(number)?;
                is_named = true;
            }
            ("limit", Some(limit), _) => settings.limit = Some(value::small(limit)?),
            (_, Some(seconds), Some(timeout)) => {
                _ = settings.timeouts.insert(timeout, value::small(seconds)?);
            }
            _ => {
                let names: Vec<_> = ZoneTimeout::ALL.map(ZoneTimeout::name).into();
                let hint = format!("it takes zone, limit, and seconds for {}", names.join(", "));
                return Err(FlowTextError::new(item.whole, "A zone does not take this").hint(hint));
            }
        }
    }
    if is_named {
        Ok(settings)
    } else {
        Err(FlowTextError::new(whole, "Which zone?").hint("add zone=NUMBER"))
    }
}

impl fmt::Display for ZoneText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "zone={}", self.zone)?;
        self.limit.iter().try_for_each(|limit| write!(f, ",limit={limit}"))?;
        self.timeouts.iter().try_for_each(|(timeout, seconds)| write!(f, ",{}={seconds}", timeout.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back() {
        let all = ZoneTimeout::ALL.map(|timeout| format!(",{}=7", timeout.name())).concat();
        for text in ["zone=0", "zone=65535,limit=0", &format!("zone=5,limit=4294967295{all}")] {
            assert_eq!(parse_zone(text).map(|zone| zone.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, at) in [
            ("", 0..0),
            ("limit=5", 0..7),
            ("zone=65536", 5..10),
            ("zone=1,limit", 7..12),
            ("zone=1,tcp_unack=5", 7..18),
            ("zone=1,udp_first=1h", 17..19),
        ] {
            assert_eq!(parse_zone(text).map_err(|error| error.span), Err(at), "{text}");
        }
    }
}

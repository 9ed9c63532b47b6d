//! Leases: who was given what, and until when. Memory for people only: what is given never depends on it.

use std::net::IpAddr;

use netloom_flow::Nanos;
use netloom_packet::Mac;

use crate::spec::Client;

/// How long an address may be used before it is asked for again, in seconds. Short, because an edit of the lab may move it.
pub(crate) const SECONDS: u32 = 3_600;
/// When clients ask again, T1, in seconds (RFC 2131 section 4.4.5).
pub(crate) const RENEW: u32 = SECONDS / 2;
/// When they ask anybody, T2, likewise.
pub(crate) const REBIND: u32 = SECONDS / 8 * 7;

/// How far the handing out of an address has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was offered.
    Offered,
    /// It was given until the lease ends.
    Bound,
    /// It was given, and the lease is over.
    Expired,
    /// It was given back.
    Released,
    /// The client says somebody else has it.
    Declined,
}

impl Standing {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Bound => "bound",
            Self::Expired => "expired",
            Self::Released => "released",
            Self::Declined => "declined",
        }
    }
}

/// An address that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The node.
    pub node: String,
    /// Its MAC address.
    pub mac: Mac,
    /// The address.
    pub address: IpAddr,
    /// How it stands.
    pub standing: Standing,
    /// How long the lease goes on, in seconds; 0 unless it is bound.
    pub left_seconds: u64,
    /// How often it was given.
    pub grants: u64,
}

/// What is remembered of one address of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    standing: Standing,
    until: Nanos,
    grants: u64,
}

/// What is remembered of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Held {
    v4: Option<Entry>,
    v6: Option<Entry>,
}

/// Which family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Held {
    /// Notes what has become of an address.
    pub(crate) fn set(&mut self, family: Family, standing: Standing, now: Nanos) {
        let slot = match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        };
        let old = slot.unwrap_or(Entry { standing, until: now, grants: 0 });
        *slot = Some(match standing {
            // A client that looks for servers has its lease until it takes another.
            Standing::Offered if old.standing == Standing::Bound && old.until > now => old,
            Standing::Bound => {
                let until = Nanos(now.0.saturating_add(u64::from(SECONDS) * 1_000_000_000));
                Entry { standing, until, grants: old.grants + 1 }
            }
            _ => Entry { standing, ..old },
        });
    }

    /// Forgets what is not so any more.
    pub(crate) fn kept(self, old: &Client, new: &Client) -> Self {
        Self { v4: self.v4.filter(|_| old.v4 == new.v4), v6: self.v6.filter(|_| old.v6 == new.v6) }
    }

    /// What there is to tell.
    pub(crate) fn leases(self, client: &Client, now: Nanos) -> impl Iterator<Item = Lease> {
        let v4 = self.v4.zip(client.v4).map(|(entry, (ip, _))| (entry, IpAddr::V4(ip)));
        let v6 = self.v6.zip(client.v6).map(|(entry, (ip, _))| (entry, IpAddr::V6(ip)));
        let lease = move |(entry, address): (Entry, IpAddr)| {
            let left = entry.until.0.saturating_sub(now.0);
            let is_bound = entry.standing == Standing::Bound;
            Lease {
                node: client.node.clone(),
                mac: client.mac,
                address,
                standing: if is_bound && left == 0 { Standing::Expired } else { entry.standing },
                left_seconds: if is_bound { left.div_ceil(1_000_000_000) } else { 0 },
                grants: entry.grants,
            }
        };
        v4.into_iter().chain(v6).map(lease)
    }
}

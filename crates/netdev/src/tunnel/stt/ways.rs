//! Ways to the other ends: asked of the kernel once, and again when they are old.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netloom_sys::Errno;
use netloom_sys::netlink::{Hop, NetlinkSocket, Way};

/// How old an answer may be, in nanoseconds. So long a change of routes may go unnoticed.
const FRESH: u64 = 1_000_000_000;
/// The same while there is no next hop yet: the kernel is about to find it.
const SOON: u64 = 5_000_000;
/// Most ways kept: of tunnels whose other ends flows say there may be many.
const MOST: usize = 1_024;

/// A way that was found, or why there is none, and since when it is known.
#[derive(Debug, Clone, Copy)]
struct Known {
    way: Result<Way, Errno>,
    at: u64,
    /// A frame has gone by the kernel's own sending since.
    asked: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Ways {
    kernel: NetlinkSocket,
    known: BTreeMap<(IpAddr, Option<IpAddr>), Known>,
}

impl Ways {
    pub(super) fn new(kernel: NetlinkSocket) -> Self {
        Self { kernel, known: BTreeMap::new() }
    }

    /// The way to an address from one at `now`, in nanoseconds.
    ///
    /// # Errors
    /// As [`NetlinkSocket::way`].
    pub(super) fn find(&mut self, to: IpAddr, from: Option<IpAddr>, now: u64) -> Result<Way, Errno> {
        if let Some(known) = self.known.get(&(to, from)) {
            let keep = match known.way {
                Ok(way) if way.hop.is_some() || way.is_local => FRESH,
                _ => SOON,
            };
            if now.saturating_sub(known.at) < keep {
                return known.way;
            }
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let way = self.kernel.way(to, from).map_err(|error| error.errno);
        self.known.insert((to, from), Known { way, at: now, asked: false });
        way
    }

    /// The next hop for a frame that is handed to the interface without the kernel's own sending. `None`: there is none,
    /// or the kernel is not sure of it. Then this one frame goes by the kernel, which makes it look after the neighbour;
    /// once is enough until the way is asked for again.
    pub(super) fn hop(&mut self, to: IpAddr, from: Option<IpAddr>) -> Option<Hop> {
        let known = self.known.get_mut(&(to, from))?;
        let hop = known.way.ok()?.hop?;
        if hop.is_confirmed || known.asked {
            return Some(hop);
        }
        known.asked = true;
        None
    }
}

//! Echo requests, by the machine's ping sockets: they need no privilege, but the machine must allow them to the user's group
//! (sysctl `net.ipv4.ping_group_range`), root's too.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use netloom_netdev::{GatewayControl, GatewayCounters, Inner, Tell};
use netloom_sys::{Errno, clock};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::calls::count;
use super::message::{self, Unreachable};
use super::way_out::Messages;
use crate::outside::lru::Lru;
use crate::outside::relay::with_scratch;
use crate::outside::waited::wait_for;

/// A flow of echoes in which nothing was asked for so long is over. Source: RFC 5508 §3.2.
pub(super) const IDLE: Duration = Duration::from_secs(60);
/// Flows of echoes of a gateway at once.
const MOST: usize = 512;

/// The echoes of a gateway.
pub(super) struct Echoes {
    control: GatewayControl,
    counters: Arc<GatewayCounters>,
    messages: Arc<Messages>,
    open: BTreeMap<Inner, One>,
    used: Lru<Inner>,
}

/// The socket of a flow. Dropping it ends its reader.
struct One {
    socket: Arc<UdpSocket>,
    reader: JoinHandle<()>,
}

impl Drop for One {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Echoes {
    pub(super) fn new(
        control: GatewayControl,
        counters: Arc<GatewayCounters>,
        messages: Arc<Messages>,
    ) -> Self {
        Self { control, counters, messages, open: BTreeMap::new(), used: Lru::new(MOST) }
    }

    /// Sends a node's request.
    pub(super) fn request(&mut self, inner: Inner, to: IpAddr, sequence: u16, data: &[u8], quote: &[u8]) {
        self.touch(inner);
        let why = match self.send(inner, to, sequence, data) {
            Ok(()) => return count(&self.counters.echo_out),
            Err(Errno::ACCESS | Errno::PERM) => {
                count(&self.counters.echo_forbidden);
                Unreachable::Prohibited
            }
            Err(Errno::NETUNREACH | Errno::ADDRNOTAVAIL | Errno::AFNOSUPPORT) => {
                count(&self.counters.unreachable);
                Unreachable::Network
            }
            Err(Errno::HOSTUNREACH) => {
                count(&self.counters.unreachable);
                Unreachable::Host
            }
            Err(_) => return count(&self.counters.failed),
        };
        self.messages.unreachable(&inner, why, quote);
    }

    /// The gateway itself was asked.
    pub(super) fn own(&mut self, inner: Inner) {
        self.touch(inner);
    }

    /// Ends flows that are over by now.
    pub(super) fn expire(&mut self) {
        let before = clock::now().saturating_sub(u64::try_from(IDLE.as_nanos()).unwrap_or(u64::MAX));
        while let Some(over) = self.used.expire(before) {
            self.end(over);
        }
    }

    fn touch(&mut self, inner: Inner) {
        if let Some(over) = self.used.touch(inner, clock::now()) {
            self.end(over);
        }
    }

    fn end(&mut self, inner: Inner) {
        self.open.remove(&inner);
        self.control.tell(Tell::Forget(inner));
    }

    fn send(&mut self, inner: Inner, to: IpAddr, sequence: u16, data: &[u8]) -> Result<(), Errno> {
        let request = message::echo_request(to.is_ipv6(), sequence, data);
        if !self.open.contains_key(&inner) {
            let one = self.begin(inner, to)?;
            self.open.insert(inner, one);
        }
        let Some(one) = self.open.get(&inner) else { return Ok(()) };
        let send = || rustix::net::send(&*one.socket, &request, SendFlags::empty());
        // An error may be about an earlier request: then this one has not been sent.
        send().or_else(|_| send()).map(drop)
    }

    fn begin(&self, inner: Inner, to: IpAddr) -> Result<One, Errno> {
        let v6 = to.is_ipv6();
        let (family, protocol) =
            if v6 { (AddressFamily::INET6, ipproto::ICMPV6) } else { (AddressFamily::INET, ipproto::ICMP) };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = rustix::net::socket_with(family, SocketType::DGRAM, flags, Some(protocol))?;
        rustix::net::connect(&fd, &SocketAddr::new(to, 0))?;
        let socket = Arc::new(wait_for(fd).map_err(|_| Errno::NOMEM)?);
        let (messages, counters) = (Arc::clone(&self.messages), Arc::clone(&self.counters));
        let reader = tokio::spawn(hear(Arc::clone(&socket), inner, v6, messages, counters));
        Ok(One { socket, reader })
    }
}

/// Passes replies on, for ever.
async fn hear(
    socket: Arc<UdpSocket>,
    inner: Inner,
    v6: bool,
    messages: Arc<Messages>,
    counters: Arc<GatewayCounters>,
) {
    while socket.readable().await.is_ok() {
        with_scratch(|scratch| {
            // An error is about an earlier request: nobody is there.
            let Ok(length) = socket.try_recv(scratch) else { return };
            if let Some((sequence, data)) = message::read_reply(v6, scratch.get(..length).unwrap_or_default())
            {
                count(&counters.echo_in);
                messages.echo_reply(&inner, sequence, data);
            }
        });
    }
}

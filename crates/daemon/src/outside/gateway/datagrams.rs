//! Datagrams: each port of a node has a socket of the machine's, whomever it talks to (RFC 4787 REQ-1), and hears by it
//! whom it has talked to (REQ-8).

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as Plain};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netloom_netdev::{GatewayControl, GatewayCounters, Inner, Protocol, Tell, Whither};
use netloom_sys::underlay::{Datagrams as Batch, Outgoing, UnderlaySocket};
use netloom_sys::{Errno, clock};
use rustix::net::SendFlags;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

use super::calls::{count, far};
use crate::outside::lru::Lru;
use crate::outside::relay::with_scratch;
use crate::outside::waited::Waited;

/// A flow in which nothing was said for so long is over. Source: RFC 4787 §4.3: at least 2 minutes.
const IDLE: Duration = Duration::from_secs(120);
/// Flows of a node at once; for another one the one that was silent longest is over.
const PER_NODE: usize = 1_024;
/// Flows of a gateway at once.
const PER_GATEWAY: usize = 16_384;

/// The datagrams of a gateway.
#[derive(Debug)]
pub(super) struct Datagrams {
    counters: Arc<GatewayCounters>,
    book: Mutex<Book>,
}

/// A node and its port, whose socket all its flows share.
type Home = (IpAddr, u16);

#[derive(Debug, Default)]
struct Book {
    /// The gateway's own sockets.
    inside: Vec<(bool, Arc<Waited>)>,
    flows: HashMap<Inner, Flow>,
    homes: HashMap<Home, HomeSockets>,
    /// Which flow an answer belongs to.
    answers: HashMap<(Home, SocketAddr), Inner>,
    used: BTreeMap<IpAddr, Lru<Inner>>,
    /// Flows that made room for others, to be told.
    over: Vec<Inner>,
}

#[derive(Debug)]
struct Flow {
    home: Home,
    to: Whither,
    /// Where it leads, once it was looked up.
    far: Option<SocketAddr>,
}

/// A home's sockets of the machine, of each family when it is needed. Dropping them ends their readers.
#[derive(Debug, Default)]
struct HomeSockets {
    flows: usize,
    sockets: [Option<(Arc<UdpSocket>, AbortHandle)>; 2],
}

impl Drop for HomeSockets {
    fn drop(&mut self) {
        self.sockets.iter().flatten().for_each(|(_, reader)| reader.abort());
    }
}

impl Datagrams {
    pub(super) fn new(counters: Arc<GatewayCounters>) -> Self {
        Self { counters, book: Mutex::default() }
    }

    /// A flow begins: its first datagram is on its way to the gateway's socket. `false`: there are too many.
    pub(super) fn announce(&self, inner: Inner, port: u16, to: Whither) -> bool {
        let mut book = self.book();
        if book.flows.len() >= PER_GATEWAY {
            return false;
        }
        let home = (inner.node, port);
        book.flows.insert(inner, Flow { home, to, far: None });
        book.homes.entry(home).or_default().flows += 1;
        book.touch(inner);
        count(&self.counters.udp_flows);
        self.counters.udp_open.store(book.flows.len() as u64, Ordering::Relaxed);
        true
    }

    /// A socket of the gateway's.
    pub(super) fn add_socket(&self, v6: bool, socket: UnderlaySocket) -> io::Result<Arc<Waited>> {
        let socket = Arc::new(Waited::new(socket)?);
        self.book().inside.push((v6, Arc::clone(&socket)));
        Ok(socket)
    }

    /// A datagram, or a train of them, of a node.
    fn out(self: &Arc<Self>, inner: Inner, bytes: &[u8], each: usize) {
        let Some((socket, far)) = self.way(inner) else { return };
        let send = |bytes: &[u8]| {
            let sent = || rustix::net::sendto(&*socket, bytes, SendFlags::empty(), &far);
            // An error may be about an earlier one: then this one has not been sent.
            match sent().or_else(|_| sent()) {
                Ok(_) => {
                    count(&self.counters.udp_out);
                    self.counters.bytes_out.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                }
                Err(Errno::NETUNREACH | Errno::HOSTUNREACH) => count(&self.counters.unreachable),
                Err(_) => count(&self.counters.udp_lost),
            }
        };
        if bytes.is_empty() {
            send(bytes);
        }
        bytes.chunks(if each == 0 { bytes.len().max(1) } else { each }).for_each(send);
    }

    /// The machine's socket for a flow, and where it leads.
    fn way(self: &Arc<Self>, inner: Inner) -> Option<(Arc<UdpSocket>, SocketAddr)> {
        let mut book = self.book();
        book.touch(inner);
        let Some(flow) = book.flows.get_mut(&inner) else {
            count(&self.counters.stray);
            return None;
        };
        let far = flow.far.or_else(|| far(flow.to));
        let Some(far) = far else {
            count(&self.counters.unreachable);
            return None;
        };
        let (home, fresh) = (flow.home, flow.far.is_none());
        flow.far = Some(far);
        if fresh {
            book.answers.insert((home, far), inner);
        }
        let sockets = book.homes.entry(home).or_default();
        let slot = sockets.sockets.get_mut(usize::from(far.is_ipv6()))?;
        if let Some((socket, _)) = slot {
            return Some((Arc::clone(socket), far));
        }
        match open(far.is_ipv6()) {
            Ok(socket) => {
                let socket = Arc::new(socket);
                let reader = tokio::spawn(Arc::clone(self).hear(home, Arc::clone(&socket)));
                *slot = Some((Arc::clone(&socket), reader.abort_handle()));
                Some((socket, far))
            }
            Err(error) => {
                count(&self.counters.failed);
                tracing::warn!(%error, "a gateway has no socket for a datagram");
                None
            }
        }
    }

    /// Passes answers on, until the home is no more.
    async fn hear(self: Arc<Self>, home: Home, socket: Arc<UdpSocket>) {
        while socket.readable().await.is_ok() {
            with_scratch(|scratch| {
                while let Ok((length, from)) = socket.try_recv_from(scratch) {
                    self.home(home, from, scratch.get(..length).unwrap_or_default());
                }
            });
            // Whoever is flooded must not keep the others waiting.
            tokio::task::yield_now().await;
        }
    }

    fn home(&self, home: Home, from: SocketAddr, bytes: &[u8]) {
        let mut book = self.book();
        let Some(&inner) = book.answers.get(&(home, from)) else {
            count(&self.counters.udp_strange);
            return;
        };
        book.touch(inner);
        let inside = book.inside.iter().find(|(v6, _)| *v6 == inner.node.is_ipv6());
        let Some(socket) = inside.map(|(_, socket)| Arc::clone(socket)) else { return };
        drop(book);
        let (to, port) = (inner.node, inner.port);
        let outgoing = Outgoing { to, port, from: None, tos: 0, ttl: 0, segment: 0, bytes };
        if socket.send(outgoing) {
            count(&self.counters.udp_in);
            self.counters.bytes_in.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        } else {
            count(&self.counters.udp_lost);
        }
    }

    /// Flows that are over by now.
    fn expire(&self, now: u64) -> Vec<Inner> {
        let mut book = self.book();
        let before = now.saturating_sub(u64::try_from(IDLE.as_nanos()).unwrap_or(u64::MAX));
        let mut over = std::mem::take(&mut book.over);
        for lru in book.used.values_mut() {
            over.extend(std::iter::from_fn(|| lru.expire(before)));
        }
        book.used.retain(|_, lru| lru.len() > 0);
        over.iter().for_each(|inner| book.end(inner));
        self.counters.udp_open.store(book.flows.len() as u64, Ordering::Relaxed);
        over
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// A flow is used; another of the node's may have to go for it.
    fn touch(&mut self, inner: Inner) {
        if !self.flows.contains_key(&inner) {
            return;
        }
        let lru = self.used.entry(inner.node).or_insert_with(|| Lru::new(PER_NODE));
        if let Some(gone) = lru.touch(inner, clock::now()) {
            self.end(&gone);
            self.over.push(gone);
        }
    }

    fn end(&mut self, inner: &Inner) {
        let Some(flow) = self.flows.remove(inner) else { return };
        if let Some(far) = flow.far {
            self.answers.remove(&(flow.home, far));
        }
        if let Some(home) = self.homes.get_mut(&flow.home) {
            home.flows = home.flows.saturating_sub(1);
            if home.flows == 0 {
                self.homes.remove(&flow.home);
            }
        }
    }
}

/// Carries what nodes say, for ever.
pub(super) async fn carry(socket: Arc<Waited>, datagrams: Arc<Datagrams>) {
    let mut batch = Batch::new();
    loop {
        // An error is about an earlier answer: the node has closed its port.
        let count = socket.receive(&mut batch).await.unwrap_or(0);
        for n in 0..count {
            let Some(datagram) = batch.datagram(n) else { continue };
            let (node, port) = (datagram.from, datagram.from_port);
            let inner = Inner { protocol: Protocol::Udp, node, port };
            let bytes = datagram.buffer.get(datagram.range.clone()).unwrap_or_default();
            datagrams.out(inner, bytes, datagram.segment);
        }
    }
}

/// Forgets flows in time, for ever.
pub(super) async fn tidy(datagrams: Arc<Datagrams>, control: GatewayControl) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        for inner in datagrams.expire(clock::now()) {
            control.tell(Tell::Forget(inner));
        }
    }
}

fn open(v6: bool) -> io::Result<UdpSocket> {
    let any: IpAddr = if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = Plain::bind((any, 0))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

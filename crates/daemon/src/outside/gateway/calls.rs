//! Connections: the destination is called first, and only if it answers the node's own is let in.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netloom_netdev::{GatewayControl, GatewayCounters, Inner, Protocol, Tell, Whither};
use netloom_sys::Errno;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use super::message::Unreachable;
use super::resolver;
use super::way_out::Messages;
use crate::outside::relay::relay;

/// So long a destination is called. Source: the kernel gives up after 127 s (`net.ipv4.tcp_syn_retries`), and so does the node.
const CALL: Duration = Duration::from_secs(130);
/// So long after it was let in a connection may take to be there: a SYN, its answer, and two losses.
const ARRIVE: Duration = Duration::from_secs(15);
/// So long after its end a connection's last packets are still known.
const LINGER: Duration = Duration::from_secs(10);

/// Calls under way, and connections that are about to arrive.
#[derive(Debug)]
pub(super) struct Calls {
    control: GatewayControl,
    counters: Arc<GatewayCounters>,
    messages: Arc<Messages>,
    awaited: Mutex<BTreeMap<Inner, oneshot::Sender<TcpStream>>>,
    /// That of the tenant.
    room: Arc<Semaphore>,
}

impl Calls {
    pub(super) fn new(
        control: GatewayControl,
        counters: Arc<GatewayCounters>,
        messages: Arc<Messages>,
        room: Arc<Semaphore>,
    ) -> Self {
        Self { control, counters, messages, awaited: Mutex::default(), room }
    }

    /// Takes connections that were let in, for ever.
    pub(super) async fn take(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let inner = Inner { protocol: Protocol::Tcp, node: peer.ip(), port: peer.port() };
                    if let Some(awaiting) = self.awaited().remove(&inner) {
                        // Whoever waited too long has told so.
                        let _ = awaiting.send(stream);
                    }
                }
                Err(error) => {
                    count(&self.counters.failed);
                    tracing::warn!(%error, "a gateway cannot take a connection");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Calls a destination for a node, and carries bytes between the two until both are done.
    pub(super) async fn call(self: Arc<Self>, inner: Inner, to: Whither, quote: Vec<u8>) {
        let Ok(place) = self.room.try_acquire() else {
            count(&self.counters.full);
            // The node will ask again.
            self.control.tell(Tell::Forget(inner));
            return;
        };
        match timeout(CALL, connect(to)).await {
            Ok(Ok(far)) => self.join(inner, far).await,
            Ok(Err(error)) => return self.fail(inner, &error, &quote),
            Err(_) => return self.fail(inner, &io::ErrorKind::TimedOut.into(), &quote),
        }
        drop(place);
        self.control.tell(Tell::Over(inner));
        sleep(LINGER).await;
        self.control.tell(Tell::Forget(inner));
    }

    async fn join(&self, inner: Inner, far: TcpStream) {
        count(&self.counters.tcp_connected);
        let (arrived, arrival) = oneshot::channel();
        self.awaited().insert(inner, arrived);
        self.control.tell(Tell::Admit(inner));
        if let Ok(Ok(near)) = timeout(ARRIVE, arrival).await {
            let _open = Open::new(&self.counters.tcp_open);
            relay(&near, &far, &self.counters.bytes_out, &self.counters.bytes_in).await;
        }
        self.awaited().remove(&inner);
    }

    fn fail(&self, inner: Inner, error: &io::Error, quote: &[u8]) {
        use io::ErrorKind as Kind;
        let counters = &self.counters;
        let (counter, why) = match (error.kind(), Errno::from_io_error(error)) {
            (Kind::ConnectionRefused | Kind::ConnectionReset, _) => {
                count(&counters.tcp_refused);
                self.control.tell(Tell::Refuse(inner));
                return;
            }
            // The node will find out by itself, as it would without us.
            (Kind::TimedOut, _) => (&counters.tcp_timeout, None),
            (_, Some(Errno::NETUNREACH | Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)) => {
                (&counters.unreachable, Some(Unreachable::Network))
            }
            (_, Some(Errno::HOSTUNREACH | Errno::HOSTDOWN)) => {
                (&counters.unreachable, Some(Unreachable::Host))
            }
            (_, Some(Errno::ACCESS | Errno::PERM)) => (&counters.unreachable, Some(Unreachable::Prohibited)),
            _ => {
                tracing::warn!(%error, "a gateway cannot call");
                (&counters.failed, Some(Unreachable::Host))
            }
        };
        count(counter);
        if let Some(why) = why {
            self.messages.unreachable(&inner, why, quote);
        }
        self.control.tell(Tell::Forget(inner));
    }

    fn awaited(&self) -> MutexGuard<'_, BTreeMap<Inner, oneshot::Sender<TcpStream>>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(to: Whither) -> io::Result<TcpStream> {
    let to = far(to).ok_or_else(|| io::Error::from(Errno::NETUNREACH))?;
    let socket = if to.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    socket.connect(to).await
}

/// The address of a destination; `None`: the machine has no name server.
pub(super) fn far(to: Whither) -> Option<SocketAddr> {
    match to {
        Whither::Out(to) => Some(to),
        Whither::Resolver => resolver::machines(),
    }
}

/// Counts one that is open, for as long as it lives.
struct Open<'c>(&'c AtomicU64);

impl<'c> Open<'c> {
    fn new(counter: &'c AtomicU64) -> Self {
        count(counter);
        Self(counter)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

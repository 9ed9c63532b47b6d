//! Datagrams to a published port: each sender gets a socket of its own inside the node, by which the answers are his.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as Plain};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use netloom_sys::Errno;
use netloom_sys::clock;
use netloom_sys::underlay::{Datagrams, Outgoing, UnderlaySocket};
use rustix::net::SendFlags;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::entrance::{OpenOne, PublishStats, Shared, Target};
use crate::outside::lru::Lru;
use crate::outside::relay::with_scratch;
use crate::outside::waited::Waited;

/// Senders of a port at once; for another one the sender that said nothing longest gives way.
const MOST: usize = 1024;
/// A sender that has neither sent nor been sent anything for so long is forgotten. Source: RFC 4787 §4.3, REQ-5.
const IDLE: Duration = Duration::from_secs(120);
/// Datagrams of one sender that wait to be taken into the node.
const WAITING: usize = 64;

/// A sender, and the address of the machine he sent to: answers come from there.
type Sender = (SocketAddr, Option<IpAddr>);

/// Carries datagrams for ever.
pub(super) async fn serve(socket: UnderlaySocket, shared: Arc<Shared>) -> io::Result<()> {
    let socket = Arc::new(Waited::new(socket)?);
    let mut batch = Datagrams::new();
    let mut senders = Senders {
        socket: Arc::clone(&socket),
        shared,
        known: BTreeMap::new(),
        lru: Lru::new(MOST),
        tasks: JoinSet::new(),
    };
    loop {
        // An error is about an earlier answer, whose receiver is gone: no fault of the socket's.
        let count = socket.receive(&mut batch).await.unwrap_or(0);
        for n in 0..count {
            senders.take(&mut batch, n);
        }
        while senders.tasks.try_join_next().is_some() {}
    }
}

/// Everybody who has sent something lately.
struct Senders {
    socket: Arc<Waited>,
    shared: Arc<Shared>,
    known: BTreeMap<Sender, mpsc::Sender<Vec<u8>>>,
    lru: Lru<Sender>,
    tasks: JoinSet<()>,
}

impl Senders {
    /// Passes the nth datagram, or train of them, on.
    fn take(&mut self, batch: &mut Datagrams, n: usize) {
        let Some(datagram) = batch.datagram(n) else { return };
        let sender = (SocketAddr::new(datagram.from, datagram.from_port), datagram.to);
        let bytes = datagram.buffer.get(datagram.range.clone()).unwrap_or_default();
        let each = if datagram.segment == 0 { bytes.len().max(1) } else { datagram.segment };
        let inbox = self.inbox(sender);
        let pass = |bytes: &[u8]| {
            if inbox.try_send(bytes.to_vec()).is_err() {
                PublishStats::count(&self.shared.stats.dropped);
            }
        };
        if bytes.is_empty() {
            pass(bytes);
        }
        bytes.chunks(each).for_each(pass);
    }

    /// Where a sender's datagrams go.
    fn inbox(&mut self, sender: Sender) -> mpsc::Sender<Vec<u8>> {
        if let Some(gone) = self.lru.touch(sender, clock::now()) {
            self.known.remove(&gone);
        }
        if let Some(inbox) = self.known.get(&sender).filter(|inbox| !inbox.is_closed()) {
            return inbox.clone();
        }
        let (inbox, received) = mpsc::channel(WAITING);
        let talk = Talk {
            socket: Arc::clone(&self.socket),
            shared: Arc::clone(&self.shared),
            sender,
            last: Vec::new(),
            answered: false,
        };
        self.tasks.spawn(talk.run(received));
        self.known.insert(sender, inbox.clone());
        inbox
    }
}

/// One sender and the node.
struct Talk {
    socket: Arc<Waited>,
    shared: Arc<Shared>,
    sender: Sender,
    /// What he said last, until somebody answers: the next address may be the right one.
    last: Vec<u8>,
    answered: bool,
}

impl Talk {
    async fn run(mut self, mut inbox: mpsc::Receiver<Vec<u8>>) {
        let _open = OpenOne::new(&self.shared.stats);
        let target = self.shared.target();
        let mut addresses = target.candidates().into_iter();
        let Some(mut inside) = next(&mut addresses, &target) else {
            PublishStats::count(&self.shared.stats.failed);
            return;
        };
        let mut idle = Instant::now() + IDLE;
        loop {
            tokio::select! {
                said = inbox.recv() => {
                    let Some(said) = said else { return };
                    self.last = said;
                    let refused = self.say(&inside);
                    if refused && !self.answered && !self.ask_next(&mut inside, &mut addresses, &target) {
                        return;
                    }
                }
                ready = inside.readable() => {
                    let answer = ready.and_then(|()| self.answer(&inside));
                    let refused = answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
                    if refused && !self.answered && !self.ask_next(&mut inside, &mut addresses, &target) {
                        return;
                    }
                }
                () = sleep_until(idle) => return,
            }
            idle = Instant::now() + IDLE;
        }
    }

    /// Passes on what the sender said; whether the node has refused it.
    fn say(&self, inside: &UdpSocket) -> bool {
        // Past tokio, which would first wait to be told that there is room.
        let send = || rustix::net::send(inside, &self.last, SendFlags::empty());
        // An error may be about an earlier datagram: this one has not been sent then.
        match send().or_else(|_| send()) {
            Ok(bytes) => {
                self.shared.stats.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
                false
            }
            Err(errno) => {
                PublishStats::count(&self.shared.stats.dropped);
                errno == Errno::CONNREFUSED
            }
        }
    }

    /// Goes on to the next address at which the node's program may listen; `false` if there is none.
    fn ask_next(
        &self,
        inside: &mut UdpSocket,
        addresses: &mut impl Iterator<Item = SocketAddr>,
        target: &Target,
    ) -> bool {
        let Some(other) = next(addresses, target) else {
            PublishStats::count(&self.shared.stats.refused);
            return false;
        };
        *inside = other;
        self.say(inside);
        true
    }

    /// Passes on what the node answers.
    fn answer(&mut self, inside: &UdpSocket) -> io::Result<()> {
        with_scratch(|scratch| {
            let bytes = match inside.try_recv(scratch) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.answered = true;
            self.last = Vec::new();
            let (to, from) = self.sender;
            let bytes = scratch.get(..bytes).unwrap_or_default();
            let outgoing = Outgoing { to: to.ip(), port: to.port(), from, tos: 0, ttl: 0, segment: 0, bytes };
            let stats = &self.shared.stats;
            if self.socket.send(outgoing) {
                stats.bytes_out.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            } else {
                PublishStats::count(&stats.dropped);
            }
            Ok(())
        })
    }
}

/// A socket inside the node that calls the next address that can be called at all.
fn next(addresses: &mut impl Iterator<Item = SocketAddr>, target: &Target) -> Option<UdpSocket> {
    addresses.find_map(|address| open(address, target).ok())
}

fn open(address: SocketAddr, target: &Target) -> io::Result<UdpSocket> {
    let any: IpAddr =
        if address.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let socket = target.netns.run(|| Plain::bind((any, 0))).map_err(io::Error::other)??;
    socket.connect(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

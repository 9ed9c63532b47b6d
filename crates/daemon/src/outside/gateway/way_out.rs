//! A gateway while it is open.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use netloom_datapath::Port;
use netloom_netdev::{
    Ask, GatewayControl, GatewayCounters, GatewayPort, GatewaySettings, GatewayShare, Inner,
};
use netloom_sys::HostError;
use netloom_sys::icmp::IcmpSocket;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

use super::calls::Calls;
use super::datagrams::{self, Datagrams};
use super::echoes::Echoes;
use super::message::{self, Unreachable};
use super::sockets::Sockets;
use crate::outside::Outside;

/// Questions that wait to be dealt with.
const WAITING: usize = 4096;

/// Puts a gateway in front of `device`. `sockets` are those of its namespace.
///
/// # Errors
/// No thread or fd left.
pub(crate) fn open<D: Port + AsFd>(
    outside: &Outside,
    device: D,
    sockets: Sockets,
    settings: GatewaySettings,
    counters: &Arc<GatewayCounters>,
    room: &Room,
) -> Result<(GatewayPort<D>, GatewayControl), HostError> {
    let (asks, asked) = mpsc::channel(WAITING);
    let talk = Arc::new(Datagrams::new(Arc::clone(counters)));
    let announced = Arc::clone(&talk);
    // Runs on the worker's thread. A datagram must be known before it is there.
    let ask = move |ask: Ask| match ask {
        Ask::Datagrams { inner, port, to } => announced.announce(inner, port, to),
        ask => asks.try_send(ask).is_ok(),
    };
    let (port, control) =
        GatewayPort::new(device, settings, Arc::clone(counters), Arc::clone(&room.flows), ask)?;
    let connections = Arc::clone(&room.connections);
    let way = WayOut { control: control.clone(), counters: Arc::clone(counters), talk, connections };
    outside
        .start(async move {
            if let Err(error) = way.serve(sockets, asked).await {
                tracing::error!(%error, "a gateway fails");
            }
        })
        .map_err(|error| HostError::from_io("start the thread", "outside", &error))?;
    Ok((port, control))
}

/// What a gateway's tasks need.
struct WayOut {
    control: GatewayControl,
    counters: Arc<GatewayCounters>,
    talk: Arc<Datagrams>,
    connections: Arc<Semaphore>,
}

/// What all gateways of a tenant have room for together.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    flows: Arc<GatewayShare>,
    connections: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        Self { flows: Arc::default(), connections: Arc::new(Semaphore::new(CONNECTIONS)) }
    }
}

/// Connections of a tenant at once, those that are called included; each takes two descriptors.
const CONNECTIONS: usize = 4_096;

impl WayOut {
    /// Does what is asked, as long as somebody can ask.
    async fn serve(self, sockets: Sockets, mut asked: mpsc::Receiver<Ask>) -> io::Result<()> {
        // Those that are closed refuse as long as they are held.
        let Sockets { listeners, datagrams, icmp, closed: _closed, .. } = sockets;
        let messages = Arc::new(Messages { sockets: icmp });
        let calls = Calls::new(
            self.control.clone(),
            Arc::clone(&self.counters),
            Arc::clone(&messages),
            Arc::clone(&self.connections),
        );
        let calls = Arc::new(calls);
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(Arc::clone(&calls).take(TcpListener::from_std(listener)?));
        }
        for (v6, socket) in datagrams {
            tasks.spawn(datagrams::carry(self.talk.add_socket(v6, socket)?, Arc::clone(&self.talk)));
        }
        tasks.spawn(datagrams::tidy(Arc::clone(&self.talk), self.control.clone()));
        let mut echoes = Echoes::new(self.control.clone(), Arc::clone(&self.counters), messages);
        let mut beat = tokio::time::interval(super::echoes::IDLE / 4);
        loop {
            tokio::select! {
                ask = asked.recv() => match ask {
                    None => return Ok(()),
                    Some(Ask::Connect { inner, to, quote }) => {
                        while tasks.try_join_next().is_some() {}
                        tasks.spawn(Arc::clone(&calls).call(inner, to, quote));
                    }
                    Some(Ask::Echo { inner, to, sequence, data, quote }) => {
                        echoes.request(inner, to, sequence, &data, &quote);
                    }
                    Some(Ask::Own { inner }) => echoes.own(inner),
                    // Announced where it was asked.
                    Some(Ask::Datagrams { .. }) => {}
                },
                _ = beat.tick() => echoes.expire(),
            }
        }
    }
}

/// Sends ICMP messages to nodes, from the gateway's address.
#[derive(Debug)]
pub(super) struct Messages {
    sockets: Vec<(bool, IcmpSocket)>,
}

impl Messages {
    /// Tells a node that what it wants is not to be reached. Like any such message it may be lost.
    pub(super) fn unreachable(&self, inner: &Inner, why: Unreachable, quote: &[u8]) {
        self.send(inner, &message::unreachable(inner.node.is_ipv6(), why, quote));
    }

    /// Answers a node's echo request.
    pub(super) fn echo_reply(&self, inner: &Inner, sequence: u16, data: &[u8]) {
        self.send(inner, &message::echo_reply(inner.node.is_ipv6(), inner.port, sequence, data));
    }

    fn send(&self, inner: &Inner, message: &[u8]) {
        let socket = self.sockets.iter().find(|(v6, _)| *v6 == inner.node.is_ipv6());
        _ = socket.map(|(_, socket)| socket.send(message, inner.node));
    }
}

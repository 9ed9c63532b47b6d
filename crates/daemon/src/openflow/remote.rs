//! A controller of a bridge: called again and again, or waited for.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use netloom_flow::{BridgeId, Nanos};
use netloom_openflow::remote::{Phase, Reconnect};
use netloom_openflow::{Version, Versions};
use netloom_switch::Kind;
use netloom_sys::netns::NetNs;
use netloom_transport::{End, Tls};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::caller::{self, Terms};
use super::snoop::Tap;
use super::standing::Key;
use super::{Hub, State, dial};
use crate::slowpath;

/// Most connections of a controller that is waited for.
const MOST: usize = 64;
/// How often it is looked whether the main connection is up.
const LOOK: Duration = Duration::from_millis(50);
/// How long a handshake of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A controller of a bridge.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    /// What users call it.
    pub(crate) name: String,
    /// What its flows are marked with.
    pub(crate) target: String,
    /// How it is reached.
    pub(crate) way: Way,
    /// After so long without a byte it is asked whether it is there.
    pub(crate) probe: Option<Nanos>,
    /// The first pause between two calls, and the longest.
    pub(crate) pauses: (Nanos, Nanos),
    /// Connections beside the main one, from OpenFlow 1.3 on.
    pub(crate) auxiliary: u8,
}

/// How a controller is reached.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// By TCP: the first address that answers, in a network namespace or in the daemon's own.
    Tcp(Vec<SocketAddr>, Option<Arc<NetNs>>),
    /// By TLS.
    Tls(SocketAddr, Tls),
    /// At a socket.
    Unix(PathBuf),
    /// It comes to this address.
    Listen(SocketAddr, Option<Tls>),
    /// It comes to this socket.
    ListenUnix(PathBuf),
    /// It is built in.
    Learn,
    /// It cannot be reached; why.
    Never(String),
}

impl Way {
    /// Whether the controller is waited for.
    pub(crate) const fn is_passive(&self) -> bool {
        matches!(self, Self::Listen(..) | Self::ListenUnix(_))
    }

    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(a, here), Self::Tcp(b, there)) => {
                a == b
                    && match (here, there) {
                        (Some(here), Some(there)) => Arc::ptr_eq(here, there),
                        (None, None) => true,
                        _ => false,
                    }
            }
            (Self::Unix(a), Self::Unix(b)) | (Self::ListenUnix(a), Self::ListenUnix(b)) => a == b,
            (Self::Tls(a, us), Self::Tls(b, them)) => (a, us) == (b, them),
            (Self::Listen(a, us), Self::Listen(b, them)) => (a, us) == (b, them),
            (Self::Learn, Self::Learn) => true,
            _ => false,
        }
    }
}

impl Remote {
    pub(super) fn key(&self, bridge: &str) -> Key {
        Key { bridge: bridge.to_owned(), name: self.name.clone(), target: self.target.clone() }
    }

    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.name == other.name
            && self.target == other.target
            && self.probe == other.probe
            && self.pauses == other.pauses
            && self.auxiliary == other.auxiliary
            && self.way.is_as(&other.way)
    }
}

/// Keeps the connection to a controller, until it is dropped.
pub(super) async fn keep(remote: Remote, bridge: String, id: BridgeId, versions: Versions, hub: Arc<Hub>) {
    let key = remote.key(&bridge);
    let kind = if remote.way.is_passive() { Kind::Service } else { Kind::Primary };
    let target = remote.target.clone();
    let terms = Terms {
        bridge: id,
        versions,
        probe: remote.probe,
        kind,
        target,
        key: Some(key.clone()),
        auxiliary: 0,
    };
    match &remote.way {
        Way::Listen(at, tls) => loop {
            match TcpListener::bind(at).await {
                Ok(listener) => listen(listener, tls.as_ref(), &terms, &hub).await,
                Err(error) => refused(&hub, &key, &format!("cannot listen at {at}: {error}")).await,
            }
        },
        Way::ListenUnix(path) => loop {
            match dial::listen(path) {
                Ok(listener) => {
                    // It is removed however this ends.
                    let _socket = dial::Socket(path.clone());
                    listen_unix(listener, &terms, &hub).await;
                }
                Err(error) => {
                    refused(&hub, &key, &format!("cannot listen at {}: {error}", path.display())).await;
                }
            }
        },
        Way::Never(why) => hub.controllers().set(&key, State::Waiting, Some(why.clone()), slowpath::now()),
        Way::Tcp(..) | Way::Tls(..) | Way::Unix(_) | Way::Learn => call(&remote, &key, &terms, &hub).await,
    }
}

/// Says why, and waits for a better moment.
async fn refused(hub: &Hub, key: &Key, error: &str) {
    hub.controllers().set(key, State::Waiting, Some(error.to_owned()), slowpath::now());
    sleep(Duration::from_secs(1)).await;
}

async fn call(remote: &Remote, key: &Key, terms: &Terms, hub: &Arc<Hub>) {
    let (first, longest) = remote.pauses;
    let mut calls = Reconnect::new(longest, slowpath::now()).with_first(first);
    loop {
        let now = slowpath::now();
        if !calls.poll(now) {
            sleep(Duration::from_nanos(calls.deadline().since(now).0)).await;
            continue;
        }
        let Phase::Calling(until) = calls.phase() else { continue };
        let why = match timeout(Duration::from_nanos(until.since(now).0), dial::call(&remote.way)).await {
            Err(_) => "no answer".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Ok(Ok(stream)) => {
                calls.handle_connected(slowpath::now());
                let stream = Tap::new(stream, key.clone(), Arc::clone(hub));
                let main = caller::serve(stream, terms.clone(), Arc::clone(hub));
                // Those beside it end with it.
                tokio::select! {
                    end = main => words(&end),
                    () = beside(remote, key, terms, hub) => continue,
                }
            }
        };
        calls.handle_end(slowpath::now());
        hub.controllers().set(key, State::Waiting, Some(why), slowpath::now());
    }
}

/// Keeps the connections beside the main one, once that has agreed on a version that has such. Does not end by itself.
///
/// Source: OpenFlow 1.3.5 section 6.3.6: made after the main one, of its version, and with the same datapath id.
async fn beside(remote: &Remote, key: &Key, terms: &Terms, hub: &Arc<Hub>) {
    let version = loop {
        match hub.version_of(key) {
            Some(version) => break version,
            None => sleep(LOOK).await,
        }
    };
    let count = if version >= Version::V13 { remote.auxiliary } else { 0 };
    let mut all = JoinSet::new();
    for auxiliary in 1..=count {
        let terms = Terms { versions: Versions::of(&[version]), auxiliary, ..terms.clone() };
        drop(all.spawn(keep_beside(remote.clone(), terms, Arc::clone(hub))));
    }
    while all.join_next().await.is_some() {}
    std::future::pending::<()>().await;
}

/// Keeps one of them. Where the controller does not want it, it is tried again after ever longer pauses.
async fn keep_beside(remote: Remote, terms: Terms, hub: Arc<Hub>) {
    let (first, longest) = remote.pauses;
    let mut calls = Reconnect::new(longest, slowpath::now()).with_first(first);
    loop {
        let now = slowpath::now();
        if !calls.poll(now) {
            sleep(Duration::from_nanos(calls.deadline().since(now).0)).await;
            continue;
        }
        let Phase::Calling(until) = calls.phase() else { continue };
        let patience = Duration::from_nanos(until.since(now).0);
        if let Ok(Ok(stream)) = timeout(patience, dial::call(&remote.way)).await {
            calls.handle_connected(slowpath::now());
            caller::serve(stream, terms.clone(), Arc::clone(&hub)).await;
        }
        calls.handle_end(slowpath::now());
    }
}

async fn listen(listener: TcpListener, tls: Option<&Tls>, terms: &Terms, hub: &Arc<Hub>) {
    let mut callers = JoinSet::new();
    ready(terms, hub);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if callers.len() < MOST => {
                    let _ = stream.set_nodelay(true);
                    drop(callers.spawn(guest(stream, tls.cloned(), terms.clone(), Arc::clone(hub))));
                }
                other => not_accepted(other.err()).await,
            },
            Some(_) = callers.join_next() => {}
        }
    }
}

/// Serves somebody who came.
async fn guest(stream: TcpStream, tls: Option<Tls>, terms: Terms, hub: Arc<Hub>) {
    let Some(tls) = tls else {
        caller::serve(stream, terms, hub).await;
        return;
    };
    match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => _ = caller::serve(stream, terms, hub).await,
        Ok(Err(error)) => tracing::info!(%error, target = terms.target, "no handshake"),
        Err(_) => tracing::info!(target = terms.target, "no handshake in time"),
    }
}

async fn listen_unix(listener: UnixListener, terms: &Terms, hub: &Arc<Hub>) {
    let mut callers = JoinSet::new();
    ready(terms, hub);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if callers.len() < MOST => {
                    drop(callers.spawn(caller::serve(stream, terms.clone(), Arc::clone(hub))));
                }
                other => not_accepted(other.err()).await,
            },
            Some(_) = callers.join_next() => {}
        }
    }
}

fn ready(terms: &Terms, hub: &Hub) {
    if let Some(key) = &terms.key {
        hub.controllers().set(key, State::Listening, None, slowpath::now());
    }
}

/// Too many, or out of descriptors: the listener stays readable, so wait before the next try.
async fn not_accepted(error: Option<std::io::Error>) {
    if let Some(error) = error {
        tracing::error!(%error, "accept");
        sleep(Duration::from_millis(50)).await;
    } else {
        tracing::warn!("an OpenFlow connection too many");
    }
}

/// The end of a connection, with its cause.
fn words(end: &End) -> String {
    match std::error::Error::source(end) {
        Some(cause) => format!("{end}: {cause}"),
        None => end.to_string(),
    }
}

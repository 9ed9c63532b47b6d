//! A remote: a place where clients come to, or a client that is called again and again.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use netloom_flow::Nanos;
use netloom_openflow::remote::{Phase, Reconnect};
use netloom_ovsdb::SessionSettings;
use netloom_sys::clock;
use netloom_transport::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::column::Terms;
use super::conn::{End, Joined};
use super::core::{Shared, now};
use super::standing::Record;
use super::target::Target;
use super::tls::Files;
use crate::ovs::socket::Listening;

/// Most connections of a remote at once.
const MOST: usize = 1024;
/// How long a handshake of TLS may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long until it is tried again to listen.
const PAUSE: Duration = Duration::from_secs(1);
/// After so many milliseconds of silence a peer on a network is asked whether it is there.
const PROBE_MS: u64 = 5_000;
/// The longest pause between two calls, in milliseconds.
const MAX_BACKOFF_MS: u64 = 8_000;

/// A remote that is served until its future is dropped.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    /// What users call it.
    pub(super) name: String,
    pub(super) target: Target,
    pub(super) terms: Terms,
    pub(super) files: Files,
    pub(super) record: Record,
    pub(super) core: Shared,
}

/// A place that is listened at.
enum Place {
    Socket(Listening),
    Port(TcpListener, bool),
}

impl Remote {
    /// Listens already, or begins to call; what is returned does the rest.
    pub(super) fn begin(self) -> impl Future<Output = ()> + Send + 'static {
        // Before this returns, so that whoever is told that the server is ready finds it.
        let place = self.listen();
        async move {
            match &self.target {
                Target::Socket(_) | Target::Port(..) => self.keep(place).await,
                Target::CallSocket(_) | Target::Call(..) => self.call().await,
            }
        }
    }

    /// `None`: it is no place, or it cannot be listened there yet, which was told.
    fn listen(&self) -> Option<Place> {
        let place = match &self.target {
            Target::Socket(path) => {
                Listening::at(path).inspect(|_| self.record.listens(None)).map(Place::Socket)
            }
            Target::Port(at, tls) => TcpListener::bind(at).and_then(|listener| {
                listener.set_nonblocking(true)?;
                let bound = listener.local_addr()?.port();
                self.record.listens(Some(bound));
                if at.port() == 0 {
                    tracing::info!(target: "socket_util", "{}: listening on port {bound}", self.name);
                }
                Ok(Place::Port(listener, *tls))
            }),
            Target::CallSocket(_) | Target::Call(..) => return None,
        };
        place
            .inspect_err(|error| {
                tracing::error!(target: "ovsdb_jsonrpc_server", "{}: listen failed: {error}", self.name);
                self.record.failed(error.to_string());
            })
            .ok()
    }

    /// Lets in who comes.
    async fn keep(&self, mut place: Option<Place>) {
        loop {
            let failed = match &place {
                Some(Place::Socket(listening)) => self.accept_socket(listening).await,
                Some(Place::Port(listener, tls)) => self.accept_port(listener, *tls).await,
                None => Ok(()),
            };
            if let Err(error) = failed {
                tracing::error!(target: "ovsdb_jsonrpc_server", "{}: {error}", self.name);
            }
            drop(place);
            sleep(PAUSE).await;
            place = self.listen();
        }
    }

    async fn accept_socket(&self, listening: &Listening) -> io::Result<()> {
        let listener = listening.accepting()?;
        let mut callers = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if callers.len() < MOST => {
                        let remote = self.clone();
                        drop(callers.spawn(async move { remote.serve(stream).await }));
                    }
                    other => self.not_accepted(other.err()).await,
                },
                Some(_) = callers.join_next() => {}
            }
        }
    }

    async fn accept_port(&self, listener: &TcpListener, tls: bool) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
        let mut callers = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if callers.len() < MOST => {
                        // Replies are short and waited for.
                        let _ = stream.set_nodelay(true);
                        let remote = self.clone();
                        drop(callers.spawn(async move { remote.guest(stream, tls).await }));
                    }
                    other => self.not_accepted(other.err()).await,
                },
                Some(_) = callers.join_next() => {}
            }
        }
    }

    /// Too many, or out of descriptors: the listener stays readable, so wait before the next try.
    async fn not_accepted(&self, error: Option<io::Error>) {
        if let Some(error) = error {
            tracing::error!(target: "ovsdb_jsonrpc_server", "{}: accept failed: {error}", self.name);
            sleep(Duration::from_millis(50)).await;
        } else {
            tracing::warn!(target: "ovsdb_jsonrpc_server", "{}: a connection too many", self.name);
        }
    }

    /// Serves somebody who came.
    async fn guest(&self, stream: TcpStream, tls: bool) {
        if !tls {
            self.serve(stream).await;
            return;
        }
        let identity = self.files.read(&self.core.lock().server);
        let shaken = async {
            let identity = identity?;
            let stream = identity.tls.accept(stream).await.map_err(|error| error.to_string())?;
            identity.learn(Tls::authority_of(stream.get_ref().1))?;
            Ok::<_, String>(stream)
        };
        match timeout(HANDSHAKE, shaken).await {
            Ok(Ok(stream)) => _ = self.serve(stream).await,
            Ok(Err(error)) => tracing::warn!(target: "stream_ssl", "{}: {error}", self.name),
            Err(_) => tracing::warn!(target: "stream_ssl", "{}: no handshake in time", self.name),
        }
    }

    /// Serves a stream to its end.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> End {
        let usual = if self.target.needs_probes() { PROBE_MS } else { 0 };
        let settings = SessionSettings {
            probe_ms: self.terms.probe_ms.unwrap_or(usual),
            read_only: self.terms.read_only,
            ..SessionSettings::default()
        };
        let joined = Joined::new(&self.core, settings);
        self.record.joined(joined.id(), now().ms);
        let leaving = Leaving { remote: self, id: joined.id() };
        let end = joined.serve(stream).await;
        match &end {
            End::Left => {}
            other => tracing::info!(target: "ovsdb_jsonrpc_server", "{}: {other}", self.name),
        }
        drop(leaving);
        end
    }

    /// Calls, and again whenever the connection has ended.
    async fn call(&self) {
        let longest = Nanos::from_millis(self.terms.max_backoff_ms.unwrap_or(MAX_BACKOFF_MS));
        let mut calls = Reconnect::new(longest, Nanos(clock::now()));
        loop {
            let moment = Nanos(clock::now());
            if !calls.poll(moment) {
                sleep(Duration::from_nanos(calls.deadline().since(moment).0)).await;
                continue;
            }
            let Phase::Calling(until) = calls.phase() else { continue };
            self.record.calling();
            tracing::info!(target: "reconnect", "{}: connecting...", self.name);
            let patience = Duration::from_nanos(until.since(moment).0);
            let error = match timeout(patience, self.dial()).await {
                Err(_) => "connection attempt timed out".to_owned(),
                Ok(Err(error)) => format!("connection attempt failed ({error})"),
                Ok(Ok(stream)) => {
                    calls.handle_connected(Nanos(clock::now()));
                    tracing::info!(target: "reconnect", "{}: connected", self.name);
                    let end = match stream {
                        Called::Socket(stream) => self.serve(stream).await,
                        Called::Port(stream) => self.serve(stream).await,
                        Called::Tls(stream) => self.serve(stream).await,
                    };
                    end.to_string()
                }
            };
            calls.handle_end(Nanos(clock::now()));
            tracing::info!(target: "reconnect", "{}: {error}", self.name);
            self.record.failed(error);
        }
    }

    async fn dial(&self) -> Result<Called, String> {
        let said = |error: io::Error| error.to_string();
        match &self.target {
            Target::CallSocket(path) => {
                let stream = crate::ovs::socket::connect(path).map_err(said)?;
                stream.set_nonblocking(true).map_err(said)?;
                Ok(Called::Socket(UnixStream::from_std(stream).map_err(said)?))
            }
            Target::Call(host, port, tls) => {
                let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(said)?;
                stream.set_nodelay(true).map_err(said)?;
                if !tls {
                    return Ok(Called::Port(stream));
                }
                let identity = self.files.read(&self.core.lock().server)?;
                let peer = stream.peer_addr().map_err(said)?.ip();
                let stream = identity.tls.connect(stream, peer).await.map_err(said)?;
                identity.learn(Tls::authority_of(stream.get_ref().1))?;
                Ok(Called::Tls(Box::new(stream)))
            }
            Target::Socket(_) | Target::Port(..) => Err("it is not called".to_owned()),
        }
    }
}

/// A stream to somebody who was called.
enum Called {
    Socket(UnixStream),
    Port(TcpStream),
    Tls(Box<netloom_transport::ClientStream<TcpStream>>),
}

/// Notes the end of a session, however it comes.
struct Leaving<'a> {
    remote: &'a Remote,
    id: netloom_ovsdb::SessionId,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.remote.record.left(self.id, now().ms, None);
    }
}

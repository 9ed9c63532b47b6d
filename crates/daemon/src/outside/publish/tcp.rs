//! Connections to a published port.

use std::io;
use std::net::{SocketAddr, TcpListener as Plain};
use std::sync::Arc;
use std::time::Duration;

use netloom_sys::netns::NetNs;
use rustix::net::sockopt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::entrance::{OpenOne, PublishStats, Shared};
use crate::outside::relay::relay;

/// Connections of a port at once; further ones wait in the kernel's queue.
const MOST: usize = 1024;
/// A node that does not answer its own calls within this is overrun.
const CALL: Duration = Duration::from_secs(10);

/// Takes connections for ever.
pub(super) async fn serve(listener: Plain, shared: Arc<Shared>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let room = Arc::new(Semaphore::new(MOST));
    let mut all = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return Ok(()) };
        while all.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((near, _)) => {
                let shared = Arc::clone(&shared);
                all.spawn(async move {
                    connection(near, &shared).await;
                    drop(place);
                });
            }
            Err(error) => {
                PublishStats::count(&shared.stats.failed);
                tracing::warn!(port = %shared.port, %error, "a connection could not be taken");
                // Out of descriptors, most likely: others may give some back meanwhile.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(near: TcpStream, shared: &Shared) {
    let target = shared.target();
    let stats = &shared.stats;
    match call(&target.netns, &target.candidates()).await {
        Ok(far) => {
            let _open = OpenOne::new(stats);
            relay(&near, &far, &stats.bytes_in, &stats.bytes_out).await;
        }
        Err(error) => {
            PublishStats::count(if error.kind() == io::ErrorKind::ConnectionRefused {
                &stats.refused
            } else {
                &stats.failed
            });
            tracing::debug!(port = %shared.port, %error, "the node does not answer");
            // Whoever called is to see that it is no answer: a reset, not an empty one.
            let _ = sockopt::set_socket_linger(&near, Some(Duration::ZERO));
        }
    }
}

/// Calls the first address at which somebody listens, from inside the node.
async fn call(netns: &NetNs, candidates: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::ConnectionRefused);
    for &address in candidates {
        let open = || if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() };
        let socket = netns.run(open).map_err(io::Error::other)??;
        match tokio::time::timeout(CALL, socket.connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            // An address may be down, or its family switched off: that is no reason not to try the next.
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => failure = error,
            Ok(Err(_)) => {}
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(failure)
}

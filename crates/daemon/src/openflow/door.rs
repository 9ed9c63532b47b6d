//! The sockets of a bridge: everybody who may is let in.

use std::sync::Arc;
use std::time::Duration;

use netloom_flow::BridgeId;
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use super::caller::{self, Terms};
use super::{Hub, snoop};
use crate::http::may_ask;

/// Most connections of a bridge at once.
const MOST: usize = 64;

/// What is behind a socket.
pub(super) enum Room {
    /// `<bridge>.mgmt`: the bridge is controlled.
    Control(BridgeId),
    /// `<bridge>.snoop`: its controllers are looked at.
    Snoop(String),
}

/// Lets in who comes, until it is dropped with all its connections.
pub(super) async fn keep(listener: UnixListener, room: Room, hub: Arc<Hub>) {
    let mut callers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if callers.len() < MOST && may_ask(&stream, false) => {
                    let hub = Arc::clone(&hub);
                    match &room {
                        Room::Control(bridge) => {
                            let terms = Terms::of_a_guest(*bridge, hub.versions(*bridge));
                            callers.spawn(async move { _ = caller::serve(stream, terms, hub).await });
                        }
                        Room::Snoop(bridge) => {
                            let bridge = bridge.clone();
                            callers.spawn(async move { snoop::serve(stream, &bridge, &hub).await });
                        }
                    }
                }
                Ok(_) => tracing::warn!("an OpenFlow connection too many, or of a user who may not ask"),
                Err(error) => {
                    // Out of descriptors: the listener stays readable, so wait before the next try.
                    tracing::error!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = callers.join_next() => {}
        }
    }
}

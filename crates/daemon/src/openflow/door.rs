//! The socket of a bridge: everybody who may is let in.

use std::sync::Arc;
use std::time::Duration;

use netloom_flow::BridgeId;
use tokio::net::UnixListener;
use tokio::task::JoinSet;

use super::Hub;
use super::caller::{self, Terms};
use crate::http::may_ask;

/// Most connections of a bridge at once.
const MOST: usize = 64;

/// Lets in who comes, until it is dropped with all its connections.
pub(super) async fn keep(listener: UnixListener, bridge: BridgeId, hub: Arc<Hub>) {
    let mut callers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if callers.len() < MOST && may_ask(&stream, false) => {
                    let terms = Terms::of_a_guest(bridge, hub.versions(bridge));
                    callers.spawn(caller::serve(stream, terms, Arc::clone(&hub)));
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

//! One connection that somebody has opened.

use std::sync::Arc;

use netloom_flow::{BridgeId, Nanos};
use netloom_openflow::session::{Event, Session, Settings};
use netloom_openflow::{Message, Versions};
use netloom_switch::{Connection, Kind};
use netloom_transport::{Limits, Peer, pump};
use tokio::net::UnixStream;
use tokio::sync::mpsc::{self, Sender};

use super::Hub;
use crate::slowpath;

/// Messages that wait to be told.
const INBOX: usize = 1_024;
/// After this long without a byte, a peer is asked whether it is there. Programs that people type may take their time.
const PROBE: Nanos = Nanos::from_secs(60);

/// Serves a connection to its end.
pub(super) async fn serve(stream: UnixStream, bridge: BridgeId, hub: Arc<Hub>) {
    let settings = Settings { probe: Some(PROBE), ..Settings::switch(Versions::ALL) };
    let session = Session::new(settings, slowpath::now());
    let (inbox, mut told) = mpsc::channel(INBOX);
    let mut caller = Caller { bridge, hub, inbox, id: None };
    let end = pump(stream, session, &mut caller, &mut told, Limits::default(), slowpath::now).await;
    tracing::debug!(%end, "an OpenFlow connection");
}

struct Caller {
    bridge: BridgeId,
    hub: Arc<Hub>,
    inbox: Sender<Message>,
    /// Its number, once a version is agreed.
    id: Option<u64>,
}

impl Peer for Caller {
    fn handle(&mut self, session: &mut Session, event: Event) {
        match (event, self.id) {
            (Event::Up(version), None) => {
                let connection = Connection::new(version, Kind::Service, "mgmt");
                self.id = Some(self.hub.join(self.bridge, connection, self.inbox.clone()));
            }
            (Event::Message(request, message), Some(id)) => self.hub.handle(id, session, &request, message),
            // Refusals are answered by the session.
            _ => {}
        }
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.hub.leave(id);
        }
    }
}

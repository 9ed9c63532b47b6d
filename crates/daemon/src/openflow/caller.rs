//! One connection, whoever opened it.

use std::sync::Arc;

use netloom_flow::{BridgeId, Nanos};
use netloom_openflow::Versions;
use netloom_openflow::session::{Event, Session, Settings};
use netloom_switch::{Connection, Injection, Kind};
use netloom_transport::{End, Inbox, Limits, Peer, Reader, Room, pump};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Hub;
use super::standing::Key;
use crate::slowpath;

/// What may wait to be told.
const INBOX: Room = Room { messages: 1_024, bytes: 4 << 20 };
/// After this long without a byte, a peer is asked whether it is there. Programs that people type may take their time.
const PROBE: Nanos = Nanos::from_secs(60);

/// Whose connection it is.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    pub(super) bridge: BridgeId,
    pub(super) versions: Versions,
    pub(super) probe: Option<Nanos>,
    pub(super) kind: Kind,
    /// What its flows are marked with.
    pub(super) target: String,
    /// Which controller it is, unless it is nobody's.
    pub(super) key: Option<Key>,
    /// Its number beside the main connection; 0: it is that.
    pub(super) auxiliary: u8,
}

impl Terms {
    /// For somebody who came to the bridge's own socket.
    pub(super) fn of_a_guest(bridge: BridgeId, versions: Versions) -> Self {
        let target = "mgmt".to_owned();
        Self { bridge, versions, probe: Some(PROBE), kind: Kind::Service, target, key: None, auxiliary: 0 }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, terms: Terms, hub: Arc<Hub>) -> End {
    let settings = Settings { probe: terms.probe, ..Settings::switch(terms.versions) };
    let session = Session::new(settings, slowpath::now());
    let inbox = Inbox::new(INBOX);
    let mut caller = Caller { terms, hub, inbox: inbox.clone(), id: None, leaving: Vec::new() };
    let end = pump(stream, session, &mut caller, &inbox, Limits::default(), slowpath::now).await;
    tracing::debug!(%end, target = caller.terms.target, "an OpenFlow connection");
    end
}

struct Caller {
    terms: Terms,
    hub: Arc<Hub>,
    inbox: Inbox,
    /// Its number, once a version is agreed.
    id: Option<u64>,
    /// Packets it sends, as far as they were not handed over yet: many are handed over together.
    leaving: Vec<Injection>,
}

/// Most packets that are handed over together.
const TOGETHER: usize = 64;

impl Peer for Caller {
    fn handle(&mut self, session: &mut Session, event: Event) {
        match (event, self.id) {
            (Event::Up(version), None) => {
                let connection = Connection::new(version, self.terms.kind, &self.terms.target)
                    .as_auxiliary(self.terms.auxiliary);
                let key = self.terms.key.clone();
                self.id = Some(self.hub.join(self.terms.bridge, connection, self.inbox.clone(), key));
            }
            (Event::Message(request, message), Some(id)) => {
                if !Hub::puts_off(&message) || self.leaving.len() >= TOGETHER {
                    self.rest();
                }
                self.leaving.extend(self.hub.handle(id, session, request, message));
            }
            // Refusals are answered by the session.
            _ => {}
        }
    }

    fn tell(&mut self, session: &mut Session) -> bool {
        self.id.is_some_and(|id| self.hub.tell(id, session))
    }

    fn reader(&self) -> Option<Reader> {
        Some(self.hub.reader())
    }

    fn rest(&mut self) {
        self.hub.inject(std::mem::take(&mut self.leaving));
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.rest();
        if let Some(id) = self.id {
            self.hub.leave(id);
        }
    }
}

//! The controller that is built in: the other end of a connection like any other.

use netloom_openflow::learning::LearningSwitch;
use netloom_openflow::session::{Event, Session, Settings};
use netloom_openflow::{Message, Versions};
use netloom_transport::{Inbox, Limits, Peer, Room, pump};
use tokio::net::UnixStream;

use crate::slowpath;

/// Controls the switch at the other end of a stream.
pub(super) async fn serve(stream: UnixStream) {
    let settings = Settings { probe: None, ..Settings::controller(Versions::ALL) };
    let session = Session::new(settings, slowpath::now());
    let inbox = Inbox::new(Room::default());
    let mut learner = Learner::default();
    let end = pump(stream, session, &mut learner, &inbox, Limits::default(), slowpath::now).await;
    tracing::debug!(%end, "the controller that is built in");
}

#[derive(Default)]
struct Learner(LearningSwitch);

impl Peer for Learner {
    fn handle(&mut self, session: &mut Session, event: Event) {
        let said = match event {
            Event::Up(_) => LearningSwitch::begin().into(),
            Event::Message(_, Message::PacketIn(packet)) => self.0.handle(&packet),
            _ => return,
        };
        for message in said {
            if let Err(error) = session.request(&message) {
                tracing::warn!(%error, "the controller that is built in");
            }
        }
    }
}

//! The controller that is built in: the other end of a connection like any other.

use netloom_openflow::learning::LearningSwitch;
use netloom_openflow::session::{Event, Session, Settings};
use netloom_openflow::{Message, Versions};
use netloom_transport::{Limits, Peer, pump};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::slowpath;

/// Controls the switch at the other end of a stream.
pub(super) async fn serve(stream: UnixStream) {
    let settings = Settings { probe: None, ..Settings::controller(Versions::ALL) };
    let session = Session::new(settings, slowpath::now());
    let (_open, mut inbox) = mpsc::channel(1);
    let mut learner = Learner::default();
    let end = pump(stream, session, &mut learner, &mut inbox, Limits::default(), slowpath::now).await;
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

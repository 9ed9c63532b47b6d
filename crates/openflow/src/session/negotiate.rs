//! The first hello of either side, and the version that comes of them.
//!
//! The highest common bit if both sent a bitmap, else the lower of the two version numbers. This side always sends one,
//! so a peer without a bitmap means every version up to its number; some read our bitmap, some only our number.
//!
//! Source: OpenFlow 1.3.1 §6.3.1; `vcs_recv_hello` of OVS.

use netloom_flow::Nanos;

use super::{CloseReason, Event, Session, State};
use crate::frame::Header;
use crate::msg::{ErrorMessage, Hello, Message};
use crate::wire::{self, Protocol};
use crate::{OfError, Version, Versions};

impl Session {
    pub(super) fn say_hello(&mut self) {
        let hello = Message::Hello(Hello { versions: Some(self.settings.versions) });
        let sent = self.request(&hello);
        debug_assert!(sent.is_ok(), "a hello can be said in every version");
    }

    pub(super) fn handle_hello(&mut self, now: Nanos, header: Header, frame: &[u8]) {
        match wire::decode(&self.protocol, frame) {
            Ok(Message::Hello(hello)) => self.agree(now, header, hello),
            Ok(Message::Error(_)) => self.end(CloseReason::HelloRefused),
            _ => {
                self.refuse_hello(header, OfError::BrcBadType, frame);
                self.end(CloseReason::NoHello(header.kind));
            }
        }
    }

    fn agree(&mut self, now: Nanos, header: Header, hello: Hello) {
        let ours = self.settings.versions;
        let theirs = hello.versions.unwrap_or(Versions::up_to(header.version));
        let Some(version) = common(ours, theirs, hello, header.version) else {
            let text = format!("We speak {}; the peer speaks {}.", list(ours), list(theirs));
            self.refuse_hello(header, OfError::HfcIncompatible, text.as_bytes());
            self.end(CloseReason::NoCommonVersion { ours, theirs });
            return;
        };
        self.protocol = Protocol::new(version);
        self.state = State::Up;
        self.heard = now;
        self.events.push_back(Event::Up(version));
    }

    /// Says no, with the transaction id of the hello.
    fn refuse_hello(&mut self, header: Header, error: OfError, data: &[u8]) {
        let data = data.get(..64).unwrap_or(data).to_vec();
        let message = Message::Error(ErrorMessage { error: error.into(), data });
        let sent = wire::encode(&self.protocol, header.xid, &message, &mut self.output);
        debug_assert!(sent.is_ok(), "an error can be said in every version");
    }
}

/// The version that both speak.
fn common(ours: Versions, theirs: Versions, hello: Hello, number: u8) -> Option<Version> {
    if hello.versions.is_some() {
        return ours.and(theirs).highest();
    }
    // Without a bitmap, the lower number it is, or none.
    let lower = ours.highest()?.wire().min(number);
    Version::from_wire(lower).filter(|version| ours.contains(*version))
}

fn list(versions: Versions) -> String {
    let names: Vec<&str> =
        Version::ALL.iter().filter(|version| versions.contains(**version)).map(|v| v.name()).collect();
    if names.is_empty() { "no version we know".to_owned() } else { names.join(", ") }
}

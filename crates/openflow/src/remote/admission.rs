//! Whether a controller has shown that it takes care of its switch.

use netloom_flow::Nanos;

use crate::Message;

/// After so long, a connection counts even if nothing was asked of the switch.
const TRUSTED_AFTER: Nanos = Nanos::from_secs(30);

/// How one controller stands, for whoever must decide whether the switch is on its own.
///
/// A connection alone proves little: a proxy may accept for a controller that is dead. So a controller counts once it
/// has asked for something that only the manager of a switch asks for, or has kept the connection for 30 s.
///
/// Source: `is_admitted_msg`, `rconn_is_admitted` of OVS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    connected: Option<Nanos>,
    asked: bool,
    last: Nanos,
}

impl Admission {
    /// Not connected yet. Until now the switch did not miss it.
    #[must_use]
    pub const fn new(now: Nanos) -> Self {
        Self { connected: None, asked: false, last: now }
    }

    /// A version was agreed.
    pub const fn handle_up(&mut self, now: Nanos) {
        self.connected = Some(now);
        self.asked = false;
    }

    /// A message came.
    pub const fn handle_message(&mut self, message: &Message) {
        self.asked |= self.connected.is_some() && is_of_a_manager(message);
    }

    /// The connection has ended.
    pub fn handle_end(&mut self, now: Nanos) {
        if self.is_admitted(now) {
            self.last = now;
        }
        self.connected = None;
    }

    /// Whether it takes care of the switch.
    #[must_use]
    pub fn is_admitted(&self, now: Nanos) -> bool {
        self.connected.is_some_and(|since| self.asked || now >= since + TRUSTED_AFTER)
    }

    /// Since when the switch misses it; `None`: it does not.
    #[must_use]
    pub fn missed_since(&self, now: Nanos) -> Option<Nanos> {
        (!self.is_admitted(now)).then_some(self.last)
    }
}

/// Whoever only greets, or looks at what the switch is, need not be its manager.
const fn is_of_a_manager(message: &Message) -> bool {
    !matches!(
        message,
        Message::Hello(_)
            | Message::Error(_)
            | Message::EchoRequest(_)
            | Message::EchoReply(_)
            | Message::Experimenter(_)
            | Message::FeaturesRequest
            | Message::GetConfigRequest
            | Message::SetConfig(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = Nanos::from_secs(100);

    #[test]
    fn a_controller_counts_once_it_asks_for_something_or_stays() {
        let mut here = Admission::new(START);
        assert_eq!(here.missed_since(START), Some(START));
        here.handle_message(&Message::BarrierRequest);
        assert!(!here.is_admitted(START), "nobody is there to have asked");
        here.handle_up(START);
        for greeting in
            [Message::FeaturesRequest, Message::EchoRequest(Vec::new()), Message::GetConfigRequest]
        {
            here.handle_message(&greeting);
        }
        assert!(!here.is_admitted(START));
        assert!(here.is_admitted(START + Nanos::from_secs(30)));
        here.handle_message(&Message::BarrierRequest);
        assert_eq!(here.missed_since(START), None);
        let end = START + Nanos::from_secs(7);
        here.handle_end(end);
        assert_eq!(here.missed_since(end), Some(end));
        here.handle_up(end);
        assert!(!here.is_admitted(end), "what was asked on the connection before is no proof");
        here.handle_end(end + Nanos::from_secs(9));
        assert_eq!(here.missed_since(end), Some(end), "it was missed all the time");
    }
}

//! Carrying out a bundle in steps, so that other bridges go on meanwhile.
//!
//! ```text
//! commit ─▶ so many changes, ... ─▶ all done ─────────────▶ reply
//!                 │ one fails                     ▲
//!                 └─▶ so many undone, ... ────────┘ error
//! ```
//!
//! Between two steps the model may be read, and other bridges be changed. What came to this bridge before is answered
//! by the caches as before the bundle; for what is new there is [no answer](Switch::try_translate) until the end. So
//! nobody sees a state between.

use netloom_flow::{BridgeId, Nanos};
use netloom_openflow::frame::Head;
use netloom_openflow::msg::{BundleCommand, BundleControl};
use netloom_openflow::{Message, OfError};

use super::{Answer, Connection, Handled, Injection};
use crate::events::{Author, Outbox};
use crate::switch::Switch;
use crate::undo::Journal;

/// Changes carried out, or undone, in one step: some 100 us.
const STEP: usize = 64;

/// Changes whose memory is asked for together.
const TOUCHED: usize = 8;

/// A bundle that is being carried out: see [`Switch::go_on`].
#[derive(Debug)]
pub struct Commit {
    bridge: BridgeId,
    control: BundleControl,
    messages: std::vec::IntoIter<(Head, Message)>,
    journal: Journal,
    /// What is told if nothing fails.
    outbox: Outbox,
    injections: Vec<Injection>,
    /// Whether a change has failed, so that the others are being undone.
    has_failed: bool,
}

impl Commit {
    pub(super) fn new(bridge: BridgeId, control: BundleControl, messages: Vec<(Head, Message)>) -> Self {
        Self {
            bridge,
            control,
            messages: messages.into_iter(),
            journal: Journal::new(),
            outbox: Outbox::default(),
            injections: Vec::new(),
            has_failed: false,
        }
    }
}

impl Switch {
    /// Takes the next step of a bundle. What is left to do is [`Handled::commit`] then: call again, and soon. Until it is
    /// done, nobody else may change the flows of this bridge ([`Switch::is_committing`]).
    pub fn go_on(
        &mut self,
        connection: &mut Connection,
        mut commit: Commit,
        now: Nanos,
        handled: &mut Handled,
    ) {
        self.committing = Some(commit.bridge);
        self.is_quiet = true;
        std::mem::swap(&mut self.outbox, &mut commit.outbox);
        let is_done = if commit.has_failed {
            self.undo_some(&mut commit.journal, STEP, now)
        } else {
            self.change_some(connection, &mut commit, now, handled)
        };
        std::mem::swap(&mut self.outbox, &mut commit.outbox);
        self.is_quiet = false;
        if !is_done {
            handled.commit = Some(Box::new(commit));
            return;
        }
        self.committing = None;
        self.advance();
        self.learn_late(commit.bridge);
        self.answer(&mut commit, handled);
        // Letting go of it takes long, too: not while the model is held.
        handled.spent = Some(Box::new(commit));
    }

    fn answer(&mut self, commit: &mut Commit, handled: &mut Handled) {
        if commit.has_failed {
            handled.refuse(OfError::BfcMsgFailed);
        } else {
            self.outbox.append(&mut commit.outbox);
            handled.injections.append(&mut commit.injections);
            let reply = BundleControl { command: BundleCommand::CommitReply, ..commit.control };
            handled.reply(Message::BundleControl(reply));
        }
    }

    /// Says whether no change is left.
    fn change_some(
        &mut self,
        connection: &mut Connection,
        commit: &mut Commit,
        now: Nanos,
        handled: &mut Handled,
    ) -> bool {
        std::mem::swap(&mut self.journal, &mut commit.journal);
        let mut failed = None;
        for n in 0..STEP {
            if n % TOUCHED == 0 {
                let next = commit.messages.as_slice().iter().take(TOUCHED);
                self.foresee(commit.bridge, next.map(|(_, message)| message));
            }
            let Some((head, message)) = commit.messages.next() else { break };
            self.author = Some(Author { xid: head.xid(), ..connection.author() });
            let injections = &mut commit.injections;
            if let Err(error) = self.change(commit.bridge, connection, message, injections, now) {
                failed = Some(Answer::RefusePart(head, error));
                break;
            }
        }
        std::mem::swap(&mut self.journal, &mut commit.journal);
        self.author = None;
        let Some(answer) = failed else { return commit.messages.as_slice().is_empty() };
        handled.answers.push(answer);
        commit.has_failed = true;
        self.undo_some(&mut commit.journal, STEP, now)
    }

    fn change(
        &mut self,
        bridge: BridgeId,
        connection: &mut Connection,
        message: Message,
        injections: &mut Vec<Injection>,
        now: Nanos,
    ) -> Result<(), OfError> {
        match message {
            Message::FlowMod(request) => self.handle_flow_mod(bridge, connection, *request, now),
            Message::GroupMod(request) => {
                self.handle_group_mod(bridge, connection, (*request).clone(), now)?;
                self.note_request(bridge, Message::GroupMod(request));
                Ok(())
            }
            Message::PortMod(request) => self.handle_port_mod(bridge, &request, now),
            Message::PacketOut(request) => {
                self.handle_packet_out(bridge, connection, *request).map(|packet| injections.push(packet))
            }
            _ => Err(OfError::BfcMsgUnsup),
        }
    }
}

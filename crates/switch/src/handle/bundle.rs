//! Bundles: many changes as one. How they are carried out is in [`super::commit`].

use netloom_flow::{BridgeId, Nanos};
use netloom_openflow::frame::{Head, Header};
use netloom_openflow::msg::{BundleAdd, BundleCommand, BundleControl, BundleFlags};
use netloom_openflow::{Message, OfError};

use super::commit::Commit;
use super::{Answer, Connection, Handled};
use crate::switch::Switch;

/// Most bundles of a connection, and most messages in one.
const MAX_BUNDLES: usize = 64;
const MAX_MESSAGES: usize = 1 << 20;
/// Most bytes of messages, as they came, in all bundles of a connection together: a million flows of 200 bytes, and some.
const MAX_BYTES: usize = 256 << 20;
/// A bundle that nothing is added to for so long is forgotten.
const IDLE: Nanos = Nanos::from_secs(10);

/// A bundle that is being put together.
#[derive(Debug)]
pub(super) struct Bundle {
    flags: BundleFlags,
    is_closed: bool,
    used: Nanos,
    messages: Vec<(Head, Message)>,
    /// Their lengths together, as they came.
    bytes: usize,
}

impl Bundle {
    /// How many messages it has.
    pub(super) const fn len(&self) -> usize {
        self.messages.len()
    }

    /// How many bytes these had on the wire.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    const fn new(flags: BundleFlags, now: Nanos) -> Self {
        Self { flags, is_closed: false, used: now, messages: Vec::new(), bytes: 0 }
    }
}

impl Connection {
    /// Forgets bundles that nothing was added to for 10 s.
    pub fn tick(&mut self, now: Nanos) {
        self.bundles.retain(|_, bundle| now.since(bundle.used) < IDLE);
    }

    pub(super) fn add_to_bundle(&mut self, add: BundleAdd, now: Nanos, handled: &mut Handled) {
        let head = add.head;
        if let Err(error) = self.add_message(add, now) {
            handled.answers.push(Answer::RefusePart(head, error));
        }
    }

    /// A bundle that does not exist is opened by its first message.
    fn add_message(&mut self, add: BundleAdd, now: Nanos) -> Result<(), OfError> {
        self.tick(now);
        if !self.bundles.contains_key(&add.bundle) {
            self.open_bundle(add.bundle, add.flags, now)?;
        }
        let held: usize = self.bundles.values().map(Bundle::bytes).sum();
        let bundle = self.bundles.get_mut(&add.bundle).ok_or(OfError::BfcBadId)?;
        if bundle.is_closed {
            return Err(OfError::BfcBundleClosed);
        }
        if bundle.flags != add.flags {
            return Err(OfError::BfcBadFlags);
        }
        let bytes = Header::parse(add.head.bytes()).map_or(0, |header| usize::from(header.len));
        if bundle.messages.len() >= MAX_MESSAGES || held + bytes > MAX_BYTES {
            return Err(OfError::BfcMsgTooMany);
        }
        let is_allowed = matches!(
            *add.message,
            Message::FlowMod(_) | Message::GroupMod(_) | Message::PortMod(_) | Message::PacketOut(_)
        );
        if !is_allowed {
            return Err(OfError::BfcMsgUnsup);
        }
        bundle.used = now;
        bundle.bytes += bytes;
        bundle.messages.push((add.head, *add.message));
        Ok(())
    }

    fn open_bundle(&mut self, id: u32, flags: BundleFlags, now: Nanos) -> Result<(), OfError> {
        let known = BundleFlags::ATOMIC | BundleFlags::ORDERED;
        if !flags.without(known).is_empty() {
            return Err(OfError::BfcBadFlags);
        }
        if self.bundles.contains_key(&id) {
            return Err(OfError::BfcBundleExist);
        }
        if self.bundles.len() >= MAX_BUNDLES {
            return Err(OfError::BfcOutOfBundles);
        }
        self.bundles.insert(id, Bundle::new(flags, now));
        Ok(())
    }

    fn close_bundle(&mut self, control: &BundleControl) -> Result<(), OfError> {
        let bundle = self.bundles.get_mut(&control.bundle).ok_or(OfError::BfcBadId)?;
        let error = if bundle.is_closed {
            OfError::BfcBundleClosed
        } else if bundle.flags != control.flags {
            OfError::BfcBadFlags
        } else {
            bundle.is_closed = true;
            return Ok(());
        };
        self.bundles.remove(&control.bundle);
        Err(error)
    }
}

impl Switch {
    pub(super) fn handle_bundle(
        &mut self,
        bridge: BridgeId,
        connection: &mut Connection,
        control: &BundleControl,
        now: Nanos,
        handled: &mut Handled,
    ) {
        connection.tick(now);
        let (result, command) = match control.command {
            BundleCommand::OpenRequest => {
                if connection.bundles.remove(&control.bundle).is_some() {
                    (Err(OfError::BfcBundleExist), BundleCommand::OpenReply)
                } else {
                    (connection.open_bundle(control.bundle, control.flags, now), BundleCommand::OpenReply)
                }
            }
            BundleCommand::CloseRequest => (connection.close_bundle(control), BundleCommand::CloseReply),
            BundleCommand::DiscardRequest => {
                let known = connection.bundles.remove(&control.bundle);
                (known.map(drop).ok_or(OfError::BfcBadId), BundleCommand::DiscardReply)
            }
            BundleCommand::CommitRequest => {
                // The commit answers for itself when it is done.
                let begun = self.commit_bundle(bridge, connection, control, now, handled);
                let _ = handled.check(begun);
                return;
            }
            _ => (Err(OfError::BfcBadType), control.command),
        };
        if handled.check(result).is_some() {
            let reply = BundleControl { command, ..*control };
            handled.reply(Message::BundleControl(reply));
        }
    }

    /// Begins a commit, and carries it out if it is short.
    fn commit_bundle(
        &mut self,
        bridge: BridgeId,
        connection: &mut Connection,
        control: &BundleControl,
        now: Nanos,
        handled: &mut Handled,
    ) -> Result<(), OfError> {
        let bundle = connection.bundles.remove(&control.bundle).ok_or(OfError::BfcBadId)?;
        if bundle.flags != control.flags {
            return Err(OfError::BfcBadFlags);
        }
        let commit = Commit::new(bridge, *control, bundle.messages);
        self.go_on(connection, commit, now, handled);
        Ok(())
    }
}

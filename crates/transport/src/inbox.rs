//! What a connection is told unasked while it waits to be sent: bounded in messages and in bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_openflow::Message;
use tokio::sync::Notify;

/// What an inbox holds, or may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Room {
    /// Messages.
    pub messages: usize,
    /// Bytes of memory, roughly.
    pub bytes: usize,
}

/// Messages that wait to be sent. Its copies are the same one.
#[derive(Debug, Clone)]
pub struct Inbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: Room,
    queue: Mutex<Queue>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    bytes: usize,
    is_nudged: bool,
    is_closed: bool,
}

impl Inbox {
    /// An empty one.
    #[must_use]
    pub fn new(limit: Room) -> Self {
        Self(Arc::new(Shared { limit, queue: Mutex::default(), news: Notify::new() }))
    }

    /// Puts a message in. `false`: there is no room for it.
    #[must_use]
    pub fn put(&self, message: Message) -> bool {
        let mut queue = self.queue();
        let bytes = queue.bytes + footprint(&message);
        // However long one is, it finds room where nothing waits.
        let is_full = queue.messages.len() >= self.0.limit.messages || bytes > self.0.limit.bytes;
        if is_full && !queue.messages.is_empty() {
            return false;
        }
        queue.bytes = bytes;
        queue.messages.push_back(message);
        drop(queue);
        self.0.news.notify_one();
        true
    }

    /// Has [`Peer::tell`](crate::Peer::tell) called.
    pub fn nudge(&self) {
        self.queue().is_nudged = true;
        self.0.news.notify_one();
    }

    /// Ends the connection, after what is in it was sent.
    pub fn close(&self) {
        self.queue().is_closed = true;
        self.0.news.notify_one();
    }

    /// What it holds.
    #[must_use]
    pub fn held(&self) -> Room {
        let queue = self.queue();
        Room { messages: queue.messages.len(), bytes: queue.bytes }
    }

    pub(crate) fn take(&self) -> Option<Message> {
        let mut queue = self.queue();
        let message = queue.messages.pop_front()?;
        queue.bytes = queue.bytes.saturating_sub(footprint(&message));
        Some(message)
    }

    pub(crate) fn take_nudge(&self) -> bool {
        std::mem::take(&mut self.queue().is_nudged)
    }

    pub(crate) fn is_closed(&self) -> bool {
        let queue = self.queue();
        queue.is_closed && queue.messages.is_empty()
    }

    /// Comes back when there is something to take, a nudge, or the end.
    pub(crate) async fn news(&self) {
        loop {
            {
                let queue = self.queue();
                if !queue.messages.is_empty() || queue.is_nudged || queue.is_closed {
                    return;
                }
            }
            self.0.news.notified().await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a message takes of memory, roughly: packets are what may be long.
fn footprint(message: &Message) -> usize {
    /// Matches, actions and boxes.
    const REST: usize = 256;
    let packet = match message {
        Message::PacketIn(packet) => packet.packet.len() + packet.userdata.len(),
        _ => 0,
    };
    size_of::<Message>() + REST + packet
}

#[cfg(test)]
mod tests {
    use netloom_flow::{FlowMatch, TableId};
    use netloom_openflow::msg::{PacketIn, PacketInReason};

    use super::*;

    fn packet(bytes: usize) -> Message {
        Message::PacketIn(Box::new(PacketIn {
            packet: vec![0; bytes],
            total_len: 0,
            buffer: None,
            reason: PacketInReason::NoMatch,
            table: TableId(0),
            cookie: None,
            metadata: FlowMatch::any(),
            userdata: Vec::new(),
            continuation: None,
        }))
    }

    #[test]
    fn it_holds_so_many_messages_and_so_many_bytes() {
        let inbox = Inbox::new(Room { messages: 3, bytes: 1 << 14 });
        assert!(inbox.put(packet(1 << 16)), "there is always room for one");
        assert!(!inbox.put(packet(0)));
        assert!(inbox.take().is_some());
        assert_eq!(inbox.held(), Room::default());
        assert!((0..3).all(|_| inbox.put(packet(0))) && !inbox.put(packet(0)));
        assert_eq!(inbox.held().messages, 3);
        while inbox.take().is_some() {}
        assert!(inbox.put(packet(1 << 13)) && !inbox.put(packet(1 << 13)), "too many bytes");
        assert!(!inbox.take_nudge() && !inbox.is_closed());
        inbox.nudge();
        inbox.close();
        assert!(inbox.take_nudge() && !inbox.take_nudge() && !inbox.is_closed());
        assert!(inbox.take().is_some() && inbox.is_closed());
        assert_eq!(inbox.held(), Room::default());
    }
}

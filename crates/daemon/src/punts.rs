//! Packets on their way from the workers to the controllers.
//!
//! A bounded queue: what comes faster than it is taken is refused, and the worker counts it. Nobody takes anything
//! before a controller is there, so that the queue is closed until then.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use netloom_flow::{Nanos, Punt};
use tokio::sync::Notify;

/// Most packets that wait.
const ROOM: usize = 4_096;

/// A packet for a controller.
#[derive(Debug)]
pub(crate) struct Packet {
    /// What is told with it.
    pub(crate) punt: Arc<Punt>,
    /// The first bytes of the finished frame, as many as are wanted.
    pub(crate) bytes: Box<[u8]>,
    /// The length of the whole frame.
    pub(crate) total_len: usize,
    /// When it was received.
    #[cfg_attr(not(test), expect(dead_code, reason = "no message to a controller has room for it"))]
    pub(crate) at: Nanos,
}

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Punts {
    open: AtomicBool,
    waiting: Mutex<VecDeque<Packet>>,
    news: Notify,
}

impl Punts {
    /// Lets packets in, or no more.
    pub(crate) fn set_open(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
        if !open {
            drop(self.take());
        }
    }

    /// Comes back when packets wait that were not there before.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Takes what waits, the oldest first.
    pub(crate) fn take(&self) -> VecDeque<Packet> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Queues a packet. `false`: there is no room, somebody is just taking, or nobody is there to.
    pub(crate) fn offer(&self, punt: &Arc<Punt>, frame: &[u8], at: Nanos) -> bool {
        if !self.open.load(Ordering::Relaxed) {
            return false;
        }
        let Ok(mut waiting) = self.waiting.try_lock() else { return false };
        if waiting.len() >= ROOM {
            return false;
        }
        let wanted = if punt.max_len == u16::MAX { frame.len() } else { usize::from(punt.max_len) };
        let bytes = frame.get(..wanted).unwrap_or(frame).into();
        waiting.push_back(Packet { punt: Arc::clone(punt), bytes, total_len: frame.len(), at });
        let is_first = waiting.len() == 1;
        drop(waiting);
        if is_first {
            self.news.notify_one();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use netloom_flow::action::PacketInReason;
    use netloom_flow::{BridgeId, FlowKey, TableId};

    use super::*;

    fn punt(max_len: u16) -> Arc<Punt> {
        Arc::new(Punt {
            bridge: BridgeId(0),
            table: TableId(0),
            cookie: None,
            reason: PacketInReason::Action,
            is_miss: false,
            is_miss_flow: false,
            max_len,
            controller: 0,
            userdata: Box::default(),
            paused: None,
            key: FlowKey::default(),
        })
    }

    #[test]
    fn packets_wait_in_order_while_somebody_is_there_and_there_is_room() {
        let punts = Punts::default();
        assert!(!punts.offer(&punt(9), &[1; 60], Nanos(1)), "nobody there");
        punts.set_open(true);
        assert!(
            punts.offer(&punt(9), &[1; 60], Nanos(1)) && punts.offer(&punt(u16::MAX), &[2; 60], Nanos(2))
        );
        let taken = punts.take();
        let seen: Vec<_> =
            taken.iter().map(|it| (it.bytes.len(), it.total_len, it.at, it.punt.max_len)).collect();
        assert_eq!(seen, [(9, 60, Nanos(1), 9), (60, 60, Nanos(2), u16::MAX)]);
        assert_eq!((0..ROOM + 5).filter(|_| punts.offer(&punt(9), &[1; 60], Nanos(1))).count(), ROOM);
        punts.set_open(false);
        assert!(punts.take().is_empty());
    }
}

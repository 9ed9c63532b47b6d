//! Packets on their way from the workers to the controllers, or to the services of networks: a queue each.
//!
//! A bounded queue: what comes faster than it is taken is refused, and the worker counts it. A port may fill no more
//! of it than what is left, so that however many a port sends, another's packets still find room. Nobody takes anything
//! before a controller is there, so that the queue is closed until then.
//!
//! Source of the rule: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use netloom_flow::{BridgeId, Nanos, Punt, word};
use tokio::sync::Notify;

/// Most packets that wait.
const ROOM: usize = 4_096;

/// A packet that goes up.
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

/// Looks at the lock before the processor is left to whoever holds it, which he does for less than a microsecond unless
/// he has to wait for one. Then the worker has to sleep: it may go ahead of others, and would go on for as long as packets
/// come, each of them lost.
const LOOKS: u32 = 100;

/// The queue.
#[derive(Debug, Default)]
pub(crate) struct Punts {
    open: AtomicBool,
    waiting: Mutex<Waiting>,
    news: Notify,
}

/// What waits.
#[derive(Debug, Default)]
struct Waiting {
    packets: VecDeque<Packet>,
    /// How many of each port of each bridge.
    of_ports: BTreeMap<(BridgeId, u64), usize>,
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
        let mut waiting = self.enter();
        let taken = std::mem::take(&mut *waiting);
        // A worker may wait.
        drop(waiting);
        taken.packets
    }

    fn enter(&self) -> MutexGuard<'_, Waiting> {
        for _ in 0..LOOKS {
            match self.waiting.try_lock() {
                Ok(waiting) => return waiting,
                Err(TryLockError::Poisoned(broken)) => return broken.into_inner(),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a packet. `false`: there is no room for more of its port, or nobody is there to take it.
    pub(crate) fn offer(&self, punt: &Arc<Punt>, frame: &[u8], at: Nanos) -> bool {
        if !self.open.load(Ordering::Relaxed) {
            return false;
        }
        let mut waiting = self.enter();
        let left = ROOM.saturating_sub(waiting.packets.len());
        let of_port = waiting.of_ports.entry((punt.bridge, punt.key.0[word::IN_PORT] >> 32)).or_default();
        if *of_port >= left {
            return false;
        }
        *of_port += 1;
        let wanted = if punt.max_len == u16::MAX { frame.len() } else { usize::from(punt.max_len) };
        let bytes = frame.get(..wanted).unwrap_or(frame).into();
        waiting.packets.push_back(Packet { punt: Arc::clone(punt), bytes, total_len: frame.len(), at });
        let is_first = waiting.packets.len() == 1;
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
            is_served: false,
            table: TableId(0),
            cookie: None,
            reason: PacketInReason::Action,
            is_for_all: false,
            is_miss: false,
            is_miss_flow: false,
            max_len,
            controller: 0,
            userdata: Box::default(),
            paused: None,
            key: FlowKey::default(),
            layout: None,
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
        let all = (0..ROOM + 5).filter(|_| punts.offer(&punt(9), &[1; 60], Nanos(1))).count();
        assert_eq!(all, ROOM / 2, "the rest is for others");
        punts.set_open(false);
        assert!(punts.take().is_empty());
    }

    #[test]
    fn a_port_that_asks_for_everything_leaves_room_for_others() {
        let punts = Punts::default();
        punts.set_open(true);
        let offer = |port: u64, count: usize| {
            let mut key = FlowKey::default();
            key.0[word::IN_PORT] = port << 32;
            let punt = Arc::new(Punt { key, ..Arc::unwrap_or_clone(punt(9)) });
            (0..count).filter(|_| punts.offer(&punt, &[1; 60], Nanos(1))).count()
        };
        for hostile in 1..=8 {
            offer(hostile, ROOM);
        }
        assert!(offer(9, 8) >= 7, "one that says little is heard");
        assert!(punts.take().len() <= ROOM);
        assert_eq!(offer(1, 1), 1, "once taken, all are as new");
    }
}

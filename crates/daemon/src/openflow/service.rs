//! The thread that carries all OpenFlow connections of a lab.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::{Hub, door};

/// How often it is told what happened by itself, while somebody is connected.
const BEAT: Duration = Duration::from_millis(100);

/// The thread.
#[derive(Debug)]
pub(crate) struct Service {
    orders: Option<UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Order {
    /// Serve a bridge at a socket.
    Open(String, UnixListener),
    /// Serve it no more; its connections end.
    Close(String),
}

impl Service {
    /// Starts the thread; it serves nothing yet.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(crate) fn start(hub: Hub) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (orders, received) = unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("openflow".to_owned())
            .spawn(move || runtime.block_on(work(Arc::new(hub), received)))?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Serves a bridge at a socket.
    pub(crate) fn open(&self, bridge: &str, listener: UnixListener) {
        self.send(Order::Open(bridge.to_owned(), listener));
    }

    /// Serves a bridge no more.
    pub(crate) fn close(&self, bridge: &str) {
        self.send(Order::Close(bridge.to_owned()));
    }

    /// Ends all connections and the thread.
    pub(crate) fn stop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn send(&self, order: Order) {
        // After the end there is nothing to be served.
        let _ = self.orders.as_ref().map(|orders| orders.send(order));
    }
}

async fn work(hub: Arc<Hub>, mut orders: UnboundedReceiver<Order>) {
    let mut doors = BTreeMap::new();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_busy = hub.is_busy();
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => obey(&hub, &mut doors, order),
                None => break,
            },
            () = hub.news() => hub.packets(),
            _ = beat.tick(), if is_busy => hub.beat(),
        }
    }
}

fn obey(hub: &Arc<Hub>, doors: &mut BTreeMap<String, AbortHandle>, order: Order) {
    match order {
        Order::Open(name, listener) => {
            let listener = listener
                .set_nonblocking(true)
                .and_then(|()| tokio::net::UnixListener::from_std(listener))
                .inspect_err(|error| tracing::error!(%error, name, "an OpenFlow socket"));
            if let (Ok(listener), Some(bridge)) = (listener, hub.bridge(&name)) {
                let door = tokio::spawn(door::keep(listener, bridge, Arc::clone(hub)));
                doors.insert(name, door.abort_handle());
            }
        }
        Order::Close(name) => {
            if let Some(door) = doors.remove(&name) {
                door.abort();
            }
        }
    }
}

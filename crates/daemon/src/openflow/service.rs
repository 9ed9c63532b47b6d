//! The thread that carries all OpenFlow connections of a lab.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{MissedTickBehavior, interval};

use netloom_openflow::Versions;

use super::door::{self, Room};
use super::{Hub, Remote, remote};
use crate::slowpath;

/// How often it is told what happened by itself, while somebody is connected.
const BEAT: Duration = Duration::from_millis(100);

/// The thread.
#[derive(Debug)]
pub(crate) struct Service {
    orders: Option<UnboundedSender<Order>>,
    thread: Option<std::thread::JoinHandle<()>>,
    hub: Arc<Hub>,
}

/// How a bridge is controlled.
#[derive(Debug)]
pub(crate) struct Control {
    /// The versions it may speak.
    pub(crate) versions: Versions,
    /// Whether it learns by itself when all its controllers are missed.
    pub(crate) standalone: bool,
    /// Its controllers.
    pub(crate) remotes: Vec<Remote>,
}

#[derive(Debug)]
enum Order {
    /// Control a bridge so; connections that are as they are to be stay.
    Control(String, Control),
    /// Serve a bridge at a socket.
    Open(String, UnixListener),
    /// Show at a socket what passes between a bridge and its controllers.
    Show(String, UnixListener),
    /// Serve it no more; its connections end.
    Close(String),
    /// Say when everything before this has been done.
    Barrier(SyncSender<()>),
}

impl Service {
    /// Starts the thread; it serves nothing yet.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(crate) fn start(hub: Hub) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let (orders, received) = unbounded_channel();
        let hub = Arc::new(hub);
        let served = Arc::clone(&hub);
        let thread = std::thread::Builder::new()
            .name("openflow".to_owned())
            .spawn(move || runtime.block_on(work(served, received)))?;
        Ok(Self { orders: Some(orders), thread: Some(thread), hub })
    }

    /// Serves a bridge at a socket.
    pub(crate) fn open(&self, bridge: &str, listener: UnixListener) {
        self.send(Order::Open(bridge.to_owned(), listener));
    }

    /// Shows at a socket what passes between a bridge and its controllers.
    pub(crate) fn show(&self, bridge: &str, listener: UnixListener) {
        self.send(Order::Show(bridge.to_owned(), listener));
    }

    /// Controls a bridge as said. What is as before is left alone.
    pub(crate) fn control(&self, bridge: &str, control: Control) {
        self.send(Order::Control(bridge.to_owned(), control));
    }

    /// All connections.
    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The same, for another thread.
    pub(crate) fn shared_hub(&self) -> Arc<Hub> {
        Arc::clone(&self.hub)
    }

    /// Serves a bridge no more.
    pub(crate) fn close(&self, bridge: &str) {
        self.send(Order::Close(bridge.to_owned()));
    }

    /// Waits until everything said before has been done.
    pub(crate) fn barrier(&self) {
        let (done, wait) = sync_channel(1);
        self.send(Order::Barrier(done));
        // An error means that the thread has ended: then nothing is left to be done.
        let _ = wait.recv();
    }

    /// Ends all connections and the thread.
    pub(crate) fn stop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.hub.end();
    }

    fn send(&self, order: Order) {
        // After the end there is nothing to be served.
        let _ = self.orders.as_ref().map(|orders| orders.send(order));
    }
}

async fn work(hub: Arc<Hub>, mut orders: UnboundedReceiver<Order>) {
    let mut doors = Doors::default();
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let is_busy = hub.is_busy();
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => obey(&hub, &mut doors, order).await,
                None => break,
            },
            () = hub.news() => hub.packets(),
            _ = beat.tick(), if is_busy => hub.beat(),
        }
    }
}

/// What serves the bridges. Aborting it ends its connections.
#[derive(Default)]
struct Doors {
    own: BTreeMap<String, Vec<AbortHandle>>,
    remotes: BTreeMap<String, Vec<(Remote, Versions, JoinHandle<()>)>>,
}

impl Doors {
    async fn control(&mut self, hub: &Arc<Hub>, name: String, control: Control) {
        let Some(bridge) = hub.bridge(&name) else { return };
        let Control { versions, standalone, remotes } = control;
        let mut old = self.remotes.remove(&name).unwrap_or_default();
        let mut kept = Vec::new();
        let mut new = Vec::new();
        for remote in remotes {
            match old.iter().position(|(it, spoken, _)| *spoken == versions && it.is_as(&remote)) {
                Some(at) => kept.push(old.swap_remove(at)),
                None => new.push(remote),
            }
        }
        for (remote, _, task) in old {
            end(task).await;
            hub.controllers().forget(&remote.key(&name));
        }
        hub.controllers().configure(
            &name,
            bridge,
            versions,
            standalone,
            kept.iter().map(|(it, ..)| it).chain(&new),
        );
        for remote in new {
            hub.controllers().begin(&name, bridge, &remote, slowpath::now());
            let task =
                tokio::spawn(remote::keep(remote.clone(), name.clone(), bridge, versions, Arc::clone(hub)));
            kept.push((remote, versions, task));
        }
        if !kept.is_empty() {
            self.remotes.insert(name, kept);
        }
    }

    async fn close(&mut self, hub: &Hub, name: &str) {
        self.own.remove(name).into_iter().flatten().for_each(|door| door.abort());
        for (remote, _, task) in self.remotes.remove(name).unwrap_or_default() {
            end(task).await;
            hub.controllers().forget(&remote.key(name));
        }
        hub.controllers().close(name);
    }
}

/// Ends a task; its connection is gone then, and counts no more.
async fn end(task: JoinHandle<()>) {
    task.abort();
    let _ = task.await;
}

async fn obey(hub: &Arc<Hub>, doors: &mut Doors, order: Order) {
    match order {
        Order::Control(name, control) => doors.control(hub, name, control).await,
        Order::Open(name, listener) => {
            if let (Some(listener), Some(bridge)) = (ready(listener, &name), hub.bridge(&name)) {
                let door = tokio::spawn(door::keep(listener, Room::Control(bridge), Arc::clone(hub)));
                doors.own.entry(name).or_default().push(door.abort_handle());
            }
        }
        Order::Show(name, listener) => {
            if let Some(listener) = ready(listener, &name) {
                let door = tokio::spawn(door::keep(listener, Room::Snoop(name.clone()), Arc::clone(hub)));
                doors.own.entry(name).or_default().push(door.abort_handle());
            }
        }
        Order::Close(name) => doors.close(hub, &name).await,
        Order::Barrier(done) => _ = done.send(()),
    }
}

fn ready(listener: UnixListener, name: &str) -> Option<tokio::net::UnixListener> {
    let listener = listener.set_nonblocking(true).and_then(|()| tokio::net::UnixListener::from_std(listener));
    listener.inspect_err(|error| tracing::error!(%error, name, "an OpenFlow socket")).ok()
}

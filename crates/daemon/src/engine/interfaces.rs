//! Interfaces of the machine that are nodes: each has a packet socket, opened in the network namespace of the daemon.
//!
//! Nothing of an interface is changed but that it receives what is for others, which goes with the socket. A thread
//! watches those that are nodes: the port of one that goes down, or away, is down; when one of that name is there again it
//! is opened anew, and the port is up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use netloom_api::{ApiError, ErrorKind};
use netloom_flow::PortId;
use netloom_lab::Lab;
use netloom_lab::lab::Node;
use netloom_netdev::{InterfaceControl, InterfacePort};
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::eventfd::EventFd;
use netloom_sys::netlink::Link;
use netloom_sys::packet_socket::{PacketOptions, PacketSocket};
use netloom_sys::{Errno, HostError};

use super::carriers::Presence;
use super::core::Core;
use super::hints::refused;
use crate::switchd::links::Links;
use crate::worker::Device;

/// The loopback device has index 1 in every namespace.
const LOOPBACK: u32 = 1;

/// The interfaces of the machine that are nodes, by their ports.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    watched: Arc<Mutex<BTreeMap<PortId, Opened>>>,
    watcher: Mutex<Option<Watcher>>,
}

#[derive(Debug)]
struct Opened {
    name: String,
    /// That of the interface whose socket the port has.
    index: Option<u32>,
    control: InterfaceControl,
    status: Arc<Status>,
    /// Of whoever tells the switch.
    bell: Arc<EventFd>,
}

/// How an interface is.
#[derive(Debug, Default)]
pub(super) struct Status {
    is_up: AtomicBool,
    seen: Mutex<Seen>,
}

/// What is told of an interface.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Its own Ethernet address.
    pub(super) mac: [u8; 6],
    /// Layer 3 bytes.
    pub(super) mtu: u32,
    /// Why nothing passes.
    pub(super) lack: Option<String>,
}

impl Presence for Status {
    fn is_there(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }
}

impl Interfaces {
    /// Finds out whether every interface that `lab` is the first to have can be had.
    ///
    /// # Errors
    /// It is not there, or down, or no Ethernet, or this user may not. Nothing has changed then.
    pub(super) fn prepare(lab: &Lab, before: &Lab) -> Result<(), ApiError> {
        let is_new = |node: &&Node| before.node(&node.name).is_none_or(|old| old.nic != node.nic);
        obstacles(lab.nodes.iter().filter(is_new)).into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Opens an interface by its name; the port that comes of it lives as long as its device does.
    ///
    /// # Errors
    /// What the host refused.
    pub(super) fn open(&self, core: &Core, port: PortId, name: &str) -> Result<Box<dyn Device>, HostError> {
        let look_again = self.watch()?;
        let links = Links::open()?;
        let link = links.named(name).ok_or_else(|| HostError::new("find", name, Errno::NODEV))?;
        let (device, control) = InterfacePort::new(socket(link.index)?)?;
        let status = Arc::<Status>::default();
        status.see(Some(link), name);
        core.carriers().watch(port, Arc::<Status>::clone(&status))?;
        let bell = core.carriers().bell();
        let opened = Opened { name: name.to_owned(), index: Some(link.index), control, status, bell };
        all(&self.watched).insert(port, opened);
        // It may have changed since it was looked at.
        look_again.signal();
        Ok(Box::new(device))
    }

    /// A port is an interface of the machine no more, or never was.
    pub(super) fn close(&self, core: &Core, port: PortId) {
        if all(&self.watched).remove(&port).is_some() {
            core.carriers().forget(port);
        }
    }

    /// Only these ports are interfaces of the machine from now on.
    pub(super) fn keep(&self, core: &Core, ports: &BTreeSet<PortId>) {
        let gone: Vec<PortId> =
            all(&self.watched).keys().filter(|port| !ports.contains(port)).copied().collect();
        gone.into_iter().for_each(|port| self.close(core, port));
    }

    /// How the interface behind a port is, if there is one.
    pub(super) fn seen(&self, port: PortId) -> Option<Seen> {
        all(&self.watched).get(&port).map(|opened| opened.status.seen().clone())
    }

    /// Starts the thread, if there is none; what has it look again.
    fn watch(&self) -> Result<Arc<EventFd>, HostError> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let started = match watcher.take() {
            Some(watcher) => watcher,
            None => Watcher::start(Arc::clone(&self.watched))?,
        };
        Ok(Arc::clone(&watcher.insert(started).bell))
    }
}

impl Status {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how the interface is.
    fn see(&self, link: Option<&Link>, name: &str) {
        let mut seen = self.seen();
        if let Some(link) = link {
            (seen.mac, seen.mtu) = (link.mac.unwrap_or_default(), link.mtu);
        }
        seen.lack = match link {
            None => Some(format!("there is no interface {name} on this machine now")),
            Some(link) if !link.up => Some(format!("{name} is down on this machine")),
            Some(link) if !link.carrier => Some(format!("{name} has no carrier: nobody is at its other end")),
            Some(_) => None,
        };
        self.is_up.store(seen.lack.is_none(), Ordering::Release);
    }
}

impl Opened {
    /// Brings the port to how the interface is now.
    fn look(&mut self, links: &Links) {
        let link = links.named(&self.name);
        if link.map(|link| link.index) != self.index {
            let socket = link.map(|link| socket(link.index)).transpose().unwrap_or_else(|error| {
                tracing::warn!(interface = self.name, %error, "it cannot be opened again");
                None
            });
            self.index = link.map(|link| link.index).filter(|_| socket.is_some());
            self.control.plug_in(socket);
        }
        let before = self.status.seen().lack.clone();
        self.status.see(link.filter(|_| self.index.is_some()), &self.name);
        let now = self.status.seen().lack.clone();
        if before != now {
            tracing::info!(interface = self.name, lack = now, "an interface of the machine");
        }
        if before.is_none() != now.is_none() {
            self.bell.signal();
        }
    }
}

/// The thread that watches.
#[derive(Debug)]
struct Watcher {
    bell: Arc<EventFd>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    fn start(watched: Arc<Mutex<BTreeMap<PortId, Opened>>>) -> Result<Self, HostError> {
        let (bell, over) = (Arc::new(EventFd::new()?), Arc::<AtomicBool>::default());
        let mut links = Links::open()?;
        let mut epoll = Epoll::new(2)?;
        epoll.add(&links, 0, Interest::Read)?;
        epoll.add(&*bell, 1, Interest::Read)?;
        let (rung, is_over) = (Arc::clone(&bell), Arc::clone(&over));
        let work = move || {
            while !is_over.load(Ordering::Relaxed) {
                if let Err(error) = epoll.wait(None, |_| ()) {
                    tracing::error!(%error, "nobody hears of the machine's interfaces");
                    return;
                }
                rung.clear();
                if let Err(error) = links.look() {
                    tracing::error!(%error, "the machine's interfaces are as they were known");
                }
                all(&watched).values_mut().for_each(|opened| opened.look(&links));
            }
        };
        let thread = std::thread::Builder::new().name("interfaces".to_owned()).spawn(work);
        let thread = thread.map_err(|error| HostError::from_io("start the thread", "interfaces", &error))?;
        Ok(Self { bell, over, thread: Some(thread) })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.bell.signal();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn all(watched: &Mutex<BTreeMap<PortId, Opened>>) -> MutexGuard<'_, BTreeMap<PortId, Opened>> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A socket on an interface, which also receives what is for others as long as the socket is open.
fn socket(index: u32) -> Result<PacketSocket, HostError> {
    let socket = PacketSocket::open(index, PacketOptions::default())?;
    socket.promiscuous(index)?;
    Ok(socket)
}

/// What this machine lacks of the interfaces that are to be nodes, for `plan`.
pub(super) fn lacking_here(lab: &Lab) -> Vec<String> {
    let word = |(name, error): (String, ApiError)| {
        let hint = error.hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("`up` refuses {name}: {}{hint}", error.message)
    };
    obstacles(lab.nodes.iter()).into_iter().map(word).collect()
}

/// Why interfaces cannot be had, each with its node.
fn obstacles<'n>(nodes: impl Iterator<Item = &'n Node>) -> Vec<(String, ApiError)> {
    let mut nodes = nodes.filter(|node| node.is_nic()).peekable();
    if nodes.peek().is_none() {
        return Vec::new();
    }
    match Links::open() {
        Ok(links) => nodes.filter_map(|node| Some((node.name.clone(), obstacle(node, &links)?))).collect(),
        Err(error) => {
            let said = refused(ErrorKind::Machine, "The machine's interfaces are not to be had.", &error);
            nodes.next().map(|node| (node.name.clone(), said)).into_iter().collect()
        }
    }
}

fn obstacle(node: &Node, links: &Links) -> Option<ApiError> {
    let name = node.nic.as_deref()?;
    let line = format!("line {} of the lab file has {} as {}", node.line, name, node.name);
    let error = |text: String, hint: String| Some(ApiError::new(ErrorKind::Machine, text).hint(hint));
    let Some(link) = links.named(name) else {
        let said = format!("There is no interface {name} here.");
        return error(said, format!("`ip link` shows those of this network namespace; {line}"));
    };
    if link.index == LOOPBACK || link.mac.is_none() {
        let said = format!("{name} is no Ethernet interface, and cannot join a lab.");
        return error(said, line);
    }
    if !link.up {
        return error(
            format!("The interface {name} is down, and netloom changes nothing of it."),
            format!("`ip link set {name} up` takes it up; {line}"),
        );
    }
    let failed = PacketSocket::open(link.index, PacketOptions::default()).err()?;
    let said = refused(ErrorKind::Machine, format!("The interface {name} cannot be opened."), &failed);
    Some(match failed.errno {
        Errno::PERM | Errno::ACCESS => said.hint(format!(
            "that needs CAP_NET_RAW in the machine's network, which root has and a lab of an ordinary user has not; {line}"
        )),
        _ if said.hint.is_some() => said,
        _ => said.hint(line),
    })
}

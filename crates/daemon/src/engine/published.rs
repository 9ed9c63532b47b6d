//! The published ports of a lab: which are open, and where they lead.
//!
//! New ones are opened before the plan is carried out ([`PublishedPorts::prepare`]): one that cannot be had has then
//! changed nothing. They lead somewhere once everything stands ([`PublishedPorts::adopt`]).

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_api::{ApiError, ErrorKind, PublishedRow};
use netloom_lab::Lab;
use netloom_lab::lab::Node;
use netloom_lab::publish::{Published, Transport};
use netloom_sys::{Errno, HostError};

use super::hints::refused;
use super::running::{NodeState, State};
use crate::outside::{Entrance, Listener, Outside, PublishStats, Target};

/// The published ports of a lab.
#[derive(Debug, Default)]
pub(super) struct PublishedPorts {
    open: Mutex<BTreeMap<Door, Open>>,
}

/// What the machine listens at; where it leads can change meanwhile.
type Door = (Transport, SocketAddr);

fn door(port: &Published) -> Door {
    (port.transport, port.socket())
}

#[derive(Debug)]
struct Open {
    port: Published,
    node: String,
    /// The namespace it leads into, by inode.
    inside: Option<u64>,
    entrance: Entrance,
}

/// Ports that are open and lead nowhere yet. Dropped, they are closed.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    listeners: BTreeMap<Door, Listener>,
    /// Those that had to make room, and where they led.
    closed: Vec<(Published, String, Target)>,
}

impl PublishedPorts {
    /// Opens what `lab` publishes and nobody listens at yet.
    ///
    /// # Errors
    /// A port that cannot be had; everything is as before.
    pub(super) fn prepare(&self, lab: &Lab, outside: &Outside) -> Result<Fresh, ApiError> {
        let wanted: BTreeSet<Door> = lab.nodes.iter().flat_map(|node| &node.ports).map(door).collect();
        let mut fresh = Fresh::default();
        for node in &lab.nodes {
            for port in &node.ports {
                if self.open().contains_key(&door(port)) {
                    continue;
                }
                self.make_room(port, &wanted, &mut fresh);
                match Listener::open(port) {
                    Ok(listener) => drop(fresh.listeners.insert(door(port), listener)),
                    Err(error) => {
                        self.put_back(fresh, outside);
                        return Err(cannot(node, port, &error));
                    }
                }
            }
        }
        Ok(fresh)
    }

    /// Closes what the lab itself has in the way of a port and does not want any more.
    fn make_room(&self, port: &Published, wanted: &BTreeSet<Door>, fresh: &mut Fresh) {
        let mut open = self.open();
        let in_the_way: Vec<Door> = open
            .iter()
            .filter(|(door, one)| one.port.clashes(port) && !wanted.contains(door))
            .map(|(door, _)| *door)
            .collect();
        for door in in_the_way {
            if let Some(one) = open.remove(&door) {
                fresh.closed.push((one.port, one.node, one.entrance.target()));
            }
        }
    }

    /// What was to come does not come: the ports are those of before.
    pub(super) fn put_back(&self, fresh: Fresh, outside: &Outside) {
        let Fresh { listeners, closed } = fresh;
        drop(listeners);
        for (port, node, target) in closed {
            let inside = target.netns.inode().ok();
            let entrance = Listener::open(&port)
                .map_err(|error| error.to_string())
                .and_then(|listener| opened(outside, port, listener, target));
            match entrance {
                Ok(entrance) => drop(self.open().insert(door(&port), Open { port, node, inside, entrance })),
                Err(error) => tracing::error!(%port, node, error, "a port could not be opened again"),
            }
        }
    }

    /// Has the ports of the lab lead to its nodes, and closes those it has no more. What could not be done.
    pub(super) fn adopt(&self, mut fresh: Fresh, outside: &Outside, state: &State) -> Vec<String> {
        let mut notes = Vec::new();
        let mut before = std::mem::take(&mut *self.open());
        let mut after = BTreeMap::new();
        for node in &state.lab.nodes {
            let Some(made) = state.nodes.get(&node.name) else { continue };
            let inside = made.netns.inode().ok();
            for &port in &node.ports {
                let target = target(made, &port);
                // Connections into another namespace than before have nothing to do with this node.
                let kept = before.remove(&door(&port)).filter(|open| open.inside == inside);
                if let Some(open) = kept {
                    open.entrance.lead_to(target);
                    after.insert(door(&port), Open { port, node: node.name.clone(), ..open });
                    continue;
                }
                let listener = fresh.listeners.remove(&door(&port));
                let listener = listener.map_or_else(|| Listener::open(&port), Ok);
                let entrance = listener
                    .map_err(|error| error.to_string())
                    .and_then(|listener| opened(outside, port, listener, target));
                match entrance {
                    Ok(entrance) => {
                        let open = Open { port, node: node.name.clone(), inside, entrance };
                        after.insert(door(&port), open);
                    }
                    Err(error) => notes.push(format!("{}: port {port} is closed: {error}", node.name)),
                }
            }
        }
        drop(before);
        *self.open() = after;
        notes
    }

    /// Closes all.
    pub(super) fn close_all(&self) {
        let all = std::mem::take(&mut *self.open());
        drop(all);
    }

    /// The ports of a node, and what came of them.
    pub(super) fn rows(&self, node: &str, ports: &[Published]) -> Vec<PublishedRow> {
        let open = self.open();
        let row = |port: &Published| {
            let stats =
                open.get(&door(port)).filter(|open| open.node == node).map(|open| open.entrance.stats());
            let number = |read: fn(&PublishStats) -> &AtomicU64| {
                stats.map_or(0, |stats| read(stats).load(Ordering::Relaxed))
            };
            PublishedRow {
                protocol: port.transport.to_string(),
                listen: port.socket().to_string(),
                target: port.target,
                listening: stats.is_some(),
                taken: number(|it| &it.taken),
                open: number(|it| &it.open),
                refused: number(|it| &it.refused),
                failed: number(|it| &it.failed),
                dropped: number(|it| &it.dropped),
                bytes_in: number(|it| &it.bytes_in),
                bytes_out: number(|it| &it.bytes_out),
            }
        };
        ports.iter().map(row).collect()
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<Door, Open>> {
        // Whole between any two statements.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn opened(
    outside: &Outside,
    port: Published,
    listener: Listener,
    target: Target,
) -> Result<Entrance, String> {
    Entrance::open(outside, port, listener, target).map_err(|error| error.to_string())
}

fn target(made: &NodeState, port: &Published) -> Target {
    let addresses = made.net.interfaces.iter().flat_map(|interface| &interface.addresses);
    Target {
        netns: Arc::clone(&made.netns),
        addresses: addresses.map(|(ip, _)| *ip).collect(),
        port: port.target,
    }
}

/// Why a port is not to be had, and where the file wants it.
fn cannot(node: &Node, port: &Published, error: &HostError) -> ApiError {
    let said = format!("Cannot publish {port} of {}.", node.name);
    let place = if node.line > 0 { format!(" (line {} of the lab file)", node.line) } else { String::new() };
    refused(ErrorKind::Failed, said, error).hint(format!("{}{place}", hint(port, error)))
}

/// What to do about a port that cannot be had.
fn hint(port: &Published, error: &HostError) -> String {
    let (address, number) = (port.address, port.port);
    match error.errno {
        Errno::ADDRINUSE => format!(
            "somebody on this machine has {address} port {number}, perhaps another lab: `ss -lnp 'sport = :{number}'` \
             says who; choose another port or address"
        ),
        Errno::ACCESS => {
            "ports below the sysctl net.ipv4.ip_unprivileged_port_start (1024) are root's: choose a \
                          higher one"
                .to_owned()
        }
        Errno::ADDRNOTAVAIL => format!("the machine has no address {address}; `ip address` lists its own"),
        _ => "see `netloom check`".to_owned(),
    }
}

//! The flows of a gateway, by both of their names.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use netloom_packet::Offload;

use super::share::GatewayShare;
use super::words::{Inner, Protocol};

/// A flow as the node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Outer {
    pub(super) protocol: Protocol,
    /// The node's address and port, or identifier.
    pub(super) node: (IpAddr, u16),
    /// The far end; of echo the port is 0.
    pub(super) far: (IpAddr, u16),
}

/// How it stands with a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The destination is being called; the SYN waits.
    Calling(Held),
    /// Packets pass.
    Open,
    /// Nobody is there; the gateway's kernel says so.
    Refused,
    /// It has ended: last packets pass, and a new connection may take its ports.
    Over,
}

/// A frame that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) frame: Vec<u8>,
    pub(super) offload: Offload,
}

#[derive(Debug)]
pub(super) struct Flow {
    pub(super) outer: Outer,
    pub(super) state: State,
}

/// Flows of a node at once, of one protocol. The daemon, which knows which of them are idle, keeps fewer.
pub(super) const PER_NODE: u32 = 16_384;
/// Flows of a gateway at once.
pub(super) const PER_GATEWAY: usize = 65_536;

/// All flows.
#[derive(Debug)]
pub(super) struct Flows {
    /// What they are a part of.
    share: Arc<GatewayShare>,
    by_inner: HashMap<Inner, Flow>,
    by_outer: HashMap<Outer, Inner>,
    per_node: HashMap<(Protocol, IpAddr), u32>,
    /// Where the search for a free port goes on.
    next: u16,
}

impl Drop for Flows {
    fn drop(&mut self) {
        self.share.give(self.by_inner.len());
    }
}

impl Flows {
    /// None yet.
    pub(super) fn new(share: Arc<GatewayShare>) -> Self {
        let (by_inner, by_outer, per_node) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { share, by_inner, by_outer, per_node, next: 0 }
    }

    /// The flow that the node calls so.
    pub(super) fn by_outer(&mut self, outer: &Outer) -> Option<(Inner, &mut Flow)> {
        let inner = *self.by_outer.get(outer)?;
        Some((inner, self.by_inner.get_mut(&inner)?))
    }

    /// The flow that the gateway's kernel calls so.
    pub(super) fn by_inner(&mut self, inner: &Inner) -> Option<&mut Flow> {
        self.by_inner.get_mut(inner)
    }

    /// Makes a flow; `None`: there are too many.
    pub(super) fn add(&mut self, outer: Outer, state: State) -> Option<Inner> {
        let (node, port) = outer.node;
        let protocol = outer.protocol;
        let count = self.per_node.get(&(protocol, node)).copied().unwrap_or(0);
        if count >= PER_NODE || self.by_inner.len() >= PER_GATEWAY {
            return None;
        }
        let port = self.free(protocol, node, port)?;
        if !self.share.take() {
            return None;
        }
        let inner = Inner { protocol, node, port };
        *self.per_node.entry((protocol, node)).or_default() += 1;
        self.by_outer.insert(outer, inner);
        self.by_inner.insert(inner, Flow { outer, state });
        Some(inner)
    }

    /// The node's own port, or one that no other flow of it has towards the gateway's kernel.
    fn free(&mut self, protocol: Protocol, node: IpAddr, own: u16) -> Option<u16> {
        let is_free = |port: u16| port != 0 && !self.by_inner.contains_key(&Inner { protocol, node, port });
        if is_free(own) {
            return Some(own);
        }
        let begin = self.next;
        let found = (1..=u16::MAX).map(|step| begin.wrapping_add(step)).find(|port| is_free(*port))?;
        self.next = found;
        Some(found)
    }

    /// A flow is no more.
    pub(super) fn remove(&mut self, inner: &Inner) {
        let Some(flow) = self.by_inner.remove(inner) else { return };
        self.share.give(1);
        // Its ports may be another one's by now.
        if self.by_outer.get(&flow.outer) == Some(inner) {
            self.by_outer.remove(&flow.outer);
        }
        let key = (inner.protocol, inner.node);
        if let Some(count) = self.per_node.get_mut(&key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_node.remove(&key);
            }
        }
    }

    /// How many there are.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn len(&self) -> usize {
        self.by_inner.len()
    }
}

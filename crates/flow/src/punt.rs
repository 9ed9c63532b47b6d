//! What is told with a packet that goes up: to a controller, or to the service of a network.

use std::sync::Arc;

use crate::action::PacketInReason;
use crate::{Action, BridgeId, FlowKey, OptionLayout, TableId};

/// What goes up with a packet for a controller: all that is the same for every packet of a cached flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Punt {
    /// The bridge.
    pub bridge: BridgeId,
    /// It is for the network's own service, and no controller hears of it; only `bridge` and `key` count then.
    pub is_served: bool,
    /// The table of the flow that says so, or in which no flow was found.
    pub table: TableId,
    /// The cookie of that flow; `None`: there is none.
    pub cookie: Option<u64>,
    /// Why.
    pub reason: PacketInReason,
    /// No flow said so: the table's miss is to be told. Only for connections of OpenFlow 1.0 to 1.2.
    pub is_miss: bool,
    /// A miss at a table that is set to tell controllers, whatever version they speak.
    pub is_for_all: bool,
    /// The flow matches everything with priority 0: from 1.3 on, what it sends counts as a miss.
    pub is_miss_flow: bool,
    /// How many bytes of the packet are wanted; 65,535: all.
    pub max_len: u16,
    /// Which controller connections: those that chose this id.
    pub controller: u16,
    /// Bytes sent along.
    pub userdata: Box<[u8]>,
    /// What is still to be done with the packet, which waits until the controller says how to go on.
    pub paused: Option<Box<Paused>>,
    /// The pipeline's own words and those that say where the packet came from, when it was sent up. The high half of
    /// [`crate::word::IN_PORT`] is the OpenFlow port.
    pub key: FlowKey,
    /// Where tunnel options lie in it; `None`: the bridge knows none.
    pub layout: Option<Arc<OptionLayout>>,
}

/// The rest of a packet's way through a bridge, as a list of actions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Paused {
    /// The UUID of the bridge: nobody else's is to go on with it.
    pub bridge: u128,
    /// What was pushed, the bottom first.
    pub stack: Vec<u128>,
    /// The action set so far, as it was written.
    pub set: Vec<Action>,
    /// What is still to be done.
    pub actions: Vec<Action>,
    /// What the packet's key says of its connection is so.
    pub is_tracked: bool,
}

//! What the datapath asks of others: drivers of ports, a slow path, somebody who captures.

use std::fmt;
use std::sync::Arc;

use netloom_flow::{
    DropReason, LinkSettings, Nanos, PacketKey, Policing, PortId, Punt, Qos, TenantId, Translation, Upcall,
};
use netloom_packet::{Csum, Gso, Offload};

use crate::Frame;
use crate::qos::SharedPolicer;

/// A driver: moves frames between the datapath and a device. It never blocks.
pub trait Port: Send {
    /// Reads frames until `budget` is used up or nothing is left, and hands each to `sink`.
    ///
    /// A frame is lent for the call only; the sink may edit it and its headroom.
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received;

    /// Sends a frame at once, or takes it into a batch that [`Self::flush`] sends.
    ///
    /// `frame.offload` says what is still to do; it is never more than [`Self::offloads`] allows.
    ///
    /// # Errors
    /// [`Refused`] if the device did not take it. The datapath drops the frame and counts it.
    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused>;

    /// Sends what [`Self::transmit`] batched. Called at the end of a round on every port that was sent to.
    fn flush(&mut self) -> Flushed {
        Flushed::default()
    }

    /// What the device finishes itself. It may change while the port is there.
    fn offloads(&self) -> OffloadCaps;

    /// Whether [`Self::transmit`] takes frames as they are, also with a [`Body`](crate::Body); if not, they are filled.
    fn takes_bodies(&self) -> bool {
        false
    }
}

/// How much one call of [`Port::receive`] may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Frames (a super-packet is one).
    pub packets: u32,
    /// Bytes; the frame that crosses the limit is still read.
    pub bytes: u32,
    /// Whether to make sure that nothing is left, if that takes a further system call. A device that brings one frame
    /// now and then is better asked again when it is ready.
    pub exhaust: bool,
}

impl Default for Budget {
    /// 32 frames or 128 KiB: what one port may take of a round.
    fn default() -> Self {
        Self { packets: 32, bytes: 128 << 10, exhaust: true }
    }
}

/// What one call of [`Port::receive`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// Frames handed to the sink; of a driver that joins what came apart, what came: how busy a device is.
    pub packets: u32,
    /// The budget ended the reading: more may be waiting.
    pub more: bool,
    /// It ended before that, but it was not made sure that nothing is left ([`Budget::exhaust`]).
    pub unsure: bool,
    /// Frames the driver threw away itself: too long for its buffer, or with metadata that makes no sense.
    pub malformed: u32,
    /// The device failed with this error number; it is not to be read again before the caller has seen to it.
    pub error: Option<i32>,
}

/// Why a device did not take a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its queue is full.
    Full,
    /// It failed with this error number.
    Error(i32),
    /// Nothing is wrong with the device: this frame cannot go there.
    Packet(DropReason),
}

/// Frames taken by [`Port::transmit`] that the device refused after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flushed {
    /// Its queue was full.
    pub full: u32,
    /// It failed.
    pub failed: u32,
}

/// What a device finishes itself, so that [`Port::transmit`] may leave it undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OffloadCaps {
    /// Checksums ([`Csum::Partial`]).
    pub csum: bool,
    /// Cutting TCP over IPv4; implies `csum`.
    pub tso4: bool,
    /// Cutting TCP over IPv6; implies `csum`.
    pub tso6: bool,
    /// Cutting UDP over either; implies `csum`.
    pub uso: bool,
}

impl OffloadCaps {
    /// Everything.
    pub const ALL: Self = Self { csum: true, tso4: true, tso6: true, uso: true };

    /// Whether a frame may go out as it is.
    #[must_use]
    pub const fn takes(self, offload: &Offload) -> bool {
        self.takes_gso(offload.gso) && (self.csum || !matches!(offload.csum, Csum::Partial { .. }))
    }

    /// Whether a super-packet of this kind needs no cutting.
    #[must_use]
    pub const fn takes_gso(self, gso: Gso) -> bool {
        match gso {
            Gso::None => true,
            Gso::Tcp4 => self.tso4,
            Gso::Tcp6 => self.tso6,
            Gso::Udp => self.uso,
        }
    }
}

/// Answers misses. The edge joins it to the switch model; tests to a naive one.
pub trait Slowpath {
    /// Translates a packet the cache does not know.
    ///
    /// The packet is counted in the translation's [`netloom_flow::Hits`] after it was carried out, like every
    /// later one; what must be known before the next packet (a MAC address learned) is to be done in this call.
    /// An answer that is not cacheable comes back to [`Self::take_back`] after the packet.
    fn translate(&mut self, upcall: &Upcall<'_>) -> Arc<Translation>;

    /// The same where the answer may have to wait; `None`: keep the packet and ask again a little later.
    ///
    /// A switch in the middle of a change is neither what it was nor what it will be. The worker has others to serve
    /// meanwhile.
    fn try_translate(&mut self, upcall: &Upcall<'_>) -> Option<Arc<Translation>> {
        Some(self.translate(upcall))
    }

    /// Takes a packet for a controller: the finished frame, whole. It must be quick and never block.
    ///
    /// `false`: there is no room, or nobody to give it to; it is dropped and counted.
    fn punt(&mut self, punt: &Arc<Punt>, frame: &[u8], now: Nanos) -> bool {
        let _ = (punt, frame, now);
        false
    }

    /// Takes an answer back that is not kept, once its packet has been counted. Unless it is to be given to other packets,
    /// it is retired.
    fn take_back(&mut self, translation: &Translation) {
        translation.hits.retire();
    }

    /// Whether a cached translation still holds; asked when the epoch has moved since it was last checked.
    fn still_valid(&mut self, key: &PacketKey, translation: &Translation) -> bool;
}

/// Receives a copy of what passes a port. See [`Change::SetCapture`].
///
/// It sees what the switch port sees: received frames after the link that leads to the port, sent ones before
/// the link that leads away. Called for every frame of the port, so it must be quick and never block; what a
/// capture file needs finished (checksums, segments) is done there, on a copy.
pub trait CaptureSink: Send {
    /// One frame; `frame.offload` says what is unfinished.
    fn frame(&mut self, way: Way, at: Nanos, frame: &Frame<'_>);
}

/// Which way a frame passes a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Received: from the device or peer into the switch.
    Rx,
    /// Sent: from the switch to the device or peer.
    Tx,
}

/// Which direction of a port's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the device to the switch.
    ToSwitch,
    /// From the switch to the device; of a [`Attach::Peer`] port, to the peer.
    FromSwitch,
}

/// What lies behind a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// A device of a switch port: what it receives is looked up.
    Switch,
    /// A device joined to another one: what it receives leaves by that port, without a lookup.
    Wire(PortId),
    /// No device: the near end of a link between switches. What is sent to it crosses
    /// [`PortSpec::from_switch`] and is received by the peer.
    Peer(PortId),
}

/// A port, as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSpec {
    /// Its number: an index into the port table, never reused while the lab runs.
    pub id: PortId,
    /// The tenant of the packets that come in by it (of a peer port: unused, packets keep theirs).
    pub tenant: TenantId,
    /// What lies behind it.
    pub attach: Attach,
    /// The link direction from the device to the switch. Not used by peer ports.
    pub to_switch: LinkSettings,
    /// The link direction from the switch to the device or peer.
    pub from_switch: LinkSettings,
    /// Whether it takes part: a port that is down drops what it receives and what is sent to it.
    pub up: bool,
    /// The worker that has its device, or for a peer port runs [`Self::from_switch`]. Every worker knows every
    /// port; only the owner is given the driver.
    pub worker: u16,
    /// Names this end of the link in the random streams: the fate of the nth packet of a direction depends on the
    /// lab's seed, this and n only. It should come from the names of link and end, not from their place in a list;
    /// two peers need different ones.
    pub link_seed: u64,
    /// Of a peer port: the link is a tunnel.
    pub inner: Option<Inner>,
}

/// A tunnel whose two ends are switches of the lab: nothing is put in front of the frames, what would be there travels
/// beside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inner {
    /// The longest IP packet that fits in; `None`: any.
    pub mtu: Option<u16>,
    /// Lower the segment size that TCP announces to what fits.
    pub clamp: bool,
}

impl PortSpec {
    /// A port of a switch with a device and plain link directions, up, of the first worker.
    #[must_use]
    pub fn new(id: PortId, tenant: TenantId, attach: Attach) -> Self {
        Self {
            id,
            tenant,
            attach,
            to_switch: LinkSettings::default(),
            from_switch: LinkSettings::default(),
            up: true,
            worker: 0,
            link_seed: u64::from(id.0),
            inner: None,
        }
    }
}

/// A change of a worker's ports. Give every change to every worker; drivers and captures to the owner only.
pub enum Change {
    /// Adds a port; one that exists is replaced, with its queues and counters kept.
    AddPort(PortSpec, Option<Box<dyn Port>>),
    /// Removes a port, its driver and what its links hold.
    RemovePort(PortId),
    /// Sets one direction of a port's link, in place: what is queued stays queued.
    SetLink {
        /// The port.
        port: PortId,
        /// Which direction.
        direction: Direction,
        /// The new settings.
        settings: LinkSettings,
    },
    /// Gives a port queues, changes those it has, or takes them away (`None`); what is queued stays queued.
    SetQos {
        /// The port.
        port: PortId,
        /// Its queues.
        qos: Option<Box<Qos>>,
    },
    /// Sets what may come in by a port; `None`: everything. For ports with a device: others may be received from on
    /// any worker.
    SetPolicing {
        /// The port.
        port: PortId,
        /// What may.
        policing: Option<Policing>,
    },
    /// Sets what may come in by a port together with all others that have the same policer; `None`: everything.
    SetShared {
        /// The port.
        port: PortId,
        /// Theirs.
        policer: Option<Arc<SharedPolicer>>,
    },
    /// Takes a port up or down.
    SetPort {
        /// The port.
        port: PortId,
        /// Whether it takes part.
        up: bool,
    },
    /// Starts (`Some`) or ends a capture at a port.
    SetCapture {
        /// The port.
        port: PortId,
        /// Where the frames go.
        sink: Option<Box<dyn CaptureSink>>,
    },
    /// Forgets all cached flows.
    Flush,
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddPort(spec, driver) => {
                f.debug_tuple("AddPort").field(spec).field(&driver.is_some()).finish()
            }
            Self::RemovePort(port) => f.debug_tuple("RemovePort").field(port).finish(),
            Self::SetLink { port, direction, settings } => {
                f.debug_tuple("SetLink").field(port).field(direction).field(settings).finish()
            }
            Self::SetQos { port, qos } => f.debug_tuple("SetQos").field(port).field(qos).finish(),
            Self::SetPolicing { port, policing } => {
                f.debug_tuple("SetPolicing").field(port).field(policing).finish()
            }
            Self::SetShared { port, policer } => {
                f.debug_tuple("SetShared").field(port).field(policer).finish()
            }
            Self::SetPort { port, up } => f.debug_tuple("SetPort").field(port).field(up).finish(),
            Self::SetCapture { port, sink } => {
                f.debug_tuple("SetCapture").field(port).field(&sink.is_some()).finish()
            }
            Self::Flush => f.write_str("Flush"),
        }
    }
}

/// What one round at a port came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Serviced {
    /// Frames read from the port.
    pub packets: u32,
    /// More may be waiting: call again without waiting for the device.
    pub more: bool,
    /// The device failed with this error number.
    pub error: Option<i32>,
}

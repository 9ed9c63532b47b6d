//! A port as a worker keeps it.

use std::sync::Arc;

use netloom_flow::{Nanos, PortId, TenantId};
use netloom_packet::Wire;

use crate::counters::PortCounters;
use crate::frame::Frame;
use crate::link::{Link, Load};
use crate::pool::Packet;
use crate::port::{Attach, CaptureSink, Direction, Inner, OffloadCaps, Port, PortSpec, Way};
use crate::qos::{Policer, SharedPolicer};
use crate::share::Share;

/// See the module.
pub(crate) struct Station {
    pub(crate) tenant: TenantId,
    pub(crate) attach: Attach,
    pub(crate) inner: Option<Inner>,
    pub(crate) up: bool,
    pub(crate) worker: u16,
    pub(crate) link_seed: u64,
    /// Missing on workers that do not own the port, at peer ports, and while the driver is being read.
    pub(crate) driver: Option<Box<dyn Port>>,
    pub(crate) caps: OffloadCaps,
    /// The driver is being read: what it is to send waits in `late`.
    pub(crate) reading: bool,
    pub(crate) late: Vec<Late>,
    /// Sent to since the last flush.
    pub(crate) dirty: bool,
    pub(crate) capture: Option<Box<dyn CaptureSink>>,
    pub(crate) counters: Arc<PortCounters>,
    /// What may come in.
    pub(crate) police: Police,
    /// The link directions that are or were shaped.
    pub(crate) to_switch: Option<Box<Link>>,
    pub(crate) from_switch: Option<Box<Link>>,
    pub(crate) watch: Watch,
    pub(crate) share: Share,
}

/// What may come in by a port: by itself, and together with others.
#[derive(Debug, Default)]
pub(crate) struct Police {
    pub(crate) own: Option<Box<Policer>>,
    pub(crate) shared: Option<Arc<SharedPolicer>>,
}

impl Police {
    /// Whether there is anything to be asked.
    #[inline]
    pub(crate) const fn is_needed(&self) -> bool {
        self.own.is_some() || self.shared.is_some()
    }
}

/// A packet that came for a device while that was being read.
pub(crate) struct Late {
    pub(crate) packet: Packet,
    pub(crate) wire: Wire,
    /// Whether it is still to be counted as sent by the port.
    pub(crate) count: bool,
}

/// When ports that are ready now had nothing unread, as far as the edge knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// The devices are looked at again and again. Those not read in the round before were empty at the look before
    /// this one; those read may have had something left.
    Elsewhere(Nanos),
    /// No device was ready then: nothing was found, or the edge slept until then.
    Everywhere(Nanos),
}

/// When a port was last known to have nothing unread.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Watch {
    /// As far as its own readings tell.
    pub(crate) empty_at: Nanos,
    /// The last reading left something behind.
    pub(crate) left: bool,
    /// The last reading did not look whether it left something behind.
    pub(crate) unsure: bool,
    /// The round of the last reading; 0: never read.
    pub(crate) round: u64,
}

impl Watch {
    /// When the port was last known to be empty. `None` if the edge tells nothing about rounds.
    pub(crate) fn since(self, round: u64, quiet: Quiet) -> Option<Nanos> {
        let known = match quiet {
            Quiet::Everywhere(at) => at,
            Quiet::Elsewhere(_) if self.read_before(round) || self.left => Nanos::ZERO,
            Quiet::Elsewhere(at) => at,
        };
        (round > 0).then(|| self.empty_at.max(known))
    }

    /// Whether the reading of `round` is to look whether something is left. Once in two rounds is enough to know
    /// since when packets lie there; a port that was idle a round ago is read with one system call.
    pub(crate) fn must_exhaust(self, round: u64) -> bool {
        round == 0 || self.left || (self.unsure && self.read_before(round))
    }

    fn read_before(self, round: u64) -> bool {
        self.round > 0 && self.round + 1 >= round
    }
}

impl Station {
    pub(crate) fn new(spec: &PortSpec, driver: Option<Box<dyn Port>>, counters: Arc<PortCounters>) -> Self {
        Self {
            tenant: spec.tenant,
            attach: spec.attach,
            inner: spec.inner,
            up: spec.up,
            worker: spec.worker,
            link_seed: spec.link_seed,
            caps: driver.as_ref().map(|driver| driver.offloads()).unwrap_or_default(),
            driver,
            reading: false,
            late: Vec::new(),
            dirty: false,
            capture: None,
            counters,
            police: Police::default(),
            to_switch: None,
            from_switch: None,
            watch: Watch::default(),
            share: Share::default(),
        }
    }

    pub(crate) fn link(&mut self, direction: Direction) -> &mut Option<Box<Link>> {
        match direction {
            Direction::ToSwitch => &mut self.to_switch,
            Direction::FromSwitch => &mut self.from_switch,
        }
    }

    pub(crate) const fn peer(&self) -> Option<PortId> {
        match self.attach {
            Attach::Peer(peer) => Some(peer),
            Attach::Switch | Attach::Wire(_) => None,
        }
    }

    /// The peer, if what is sent here is received there at once and untouched.
    #[inline]
    pub(crate) fn plain_peer(&self) -> Option<PortId> {
        let plain = || self.from_switch.as_ref().is_none_or(|link| link.is_transparent());
        self.peer().filter(|_| self.up && plain())
    }

    #[inline]
    pub(crate) fn capture(&mut self, way: Way, frame: &mut Frame<'_>) {
        if let Some(sink) = &mut self.capture {
            frame.fill();
            sink.frame(way, frame.at(), frame);
        }
    }

    #[inline]
    pub(crate) fn capture_load(&mut self, load: &mut Load<'_, '_>) {
        if self.capture.is_some() {
            match load {
                Load::Lent(frame) => self.capture(Way::Tx, frame),
                Load::Owned(packet) => self.capture(Way::Tx, &mut packet.frame()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(round: u64, left: bool, unsure: bool) -> Watch {
        Watch { empty_at: Nanos(100), left, unsure, round }
    }

    #[test]
    fn a_port_that_was_idle_a_round_ago_is_read_once() {
        assert!(!read(5, false, true).must_exhaust(7));
        assert!(!read(5, false, false).must_exhaust(6), "known to have been empty");
        assert!(read(5, false, true).must_exhaust(6), "not known, and ready again");
        assert!(read(5, true, false).must_exhaust(7));
        assert!(read(0, false, false).must_exhaust(0), "the edge does not tell of rounds");
    }

    #[test]
    fn what_was_not_made_sure_of_counts_as_waiting_only_if_the_port_is_ready_at_once() {
        let quiet = Quiet::Elsewhere(Nanos(500));
        assert_eq!(read(5, false, true).since(6, quiet), Some(Nanos(100)));
        assert_eq!(read(5, false, true).since(7, quiet), Some(Nanos(500)));
    }

    #[test]
    fn nothing_waited_anywhere_while_the_edge_slept() {
        let slept = Quiet::Everywhere(Nanos(500));
        assert_eq!(read(5, false, true).since(6, slept), Some(Nanos(500)), "read just before the sleep");
        assert_eq!(read(5, true, false).since(6, slept), Some(Nanos(500)));
        assert_eq!(read(0, false, false).since(0, slept), None, "the edge does not tell of rounds");
    }
}

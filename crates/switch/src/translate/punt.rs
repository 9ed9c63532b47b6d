//! Packets for controllers.

use std::sync::Arc;

use netloom_flow::action::{Controller, PacketInReason};
use netloom_flow::{Branch, DpAction, OfPort, PACKET_WORDS, Punt, TableId, word};

use super::frame::Place;
use super::{Translator, Visiting};
use crate::recorder::Event;

impl<'a> Translator<'a> {
    /// The action `controller`.
    pub(super) fn controller(&mut self, visiting: &mut Visiting<'a>, action: &Controller, place: Place) {
        let reason = match action.reason {
            PacketInReason::Action => place.reason,
            given => given,
        };
        let punt = self.punt_of(visiting, place, reason);
        let punt = Punt {
            controller: action.id,
            userdata: action.userdata.clone(),
            // It goes on with a packet that it is given back, so it is given all of it.
            max_len: if action.pause { u16::MAX } else { action.max_len },
            paused: action.pause.then(|| Box::new(Self::pause(visiting))),
            ..punt
        };
        let meter = (action.meter_id != 0).then(|| self.find_meter(visiting, action.meter_id)).flatten();
        self.hand_up(visiting, punt, meter);
    }

    /// An output to `CONTROLLER`.
    pub(super) fn tell_controllers(&mut self, visiting: &mut Visiting<'a>, max_len: u16, place: Place) {
        self.controller(visiting, &Controller { max_len, ..Controller::default() }, place);
    }

    /// No flow was found, and the controllers are to decide.
    pub(super) fn miss_to_controllers(&mut self, visiting: &mut Visiting<'a>, table: TableId, is_set: bool) {
        let place = Place { table, ..Place::packet_out() };
        let punt = self.punt_of(visiting, place, PacketInReason::NoMatch);
        self.hand_up(visiting, Punt { is_miss: true, is_for_all: is_set, ..punt }, None);
    }

    /// TTL or hop limit ran out.
    pub(super) fn ttl_to_controllers(&mut self, visiting: &mut Visiting<'a>, ids: &[u16], place: Place) {
        self.depend_on_bridge(visiting.bridge);
        if !visiting.bridge.control.invalid_ttl {
            return;
        }
        for controller in if ids.is_empty() { &[0] } else { ids } {
            let punt = self.punt_of(visiting, place, PacketInReason::InvalidTtl);
            self.hand_up(visiting, Punt { controller: *controller, ..punt }, None);
        }
    }

    fn punt_of(&mut self, visiting: &Visiting<'a>, place: Place, reason: PacketInReason) -> Punt {
        // What is told besides the packet has to be the same for all packets that share the translation.
        for index in word::TENANT..word::ETH_DST {
            self.look(&visiting.flow, index, u64::MAX);
        }
        let mut key = visiting.flow.key;
        key.0[word::ETH_DST..PACKET_WORDS].fill(0);
        Punt {
            bridge: visiting.bridge.id,
            is_served: false,
            table: place.table,
            cookie: place.cookie,
            reason,
            is_miss: false,
            is_for_all: false,
            is_miss_flow: place.is_miss_flow,
            max_len: u16::MAX,
            controller: 0,
            userdata: Box::default(),
            paused: None,
            key,
            layout: visiting.bridge.layout(),
        }
    }

    fn hand_up(&mut self, visiting: &mut Visiting<'a>, punt: Punt, meter: Option<netloom_flow::MeterRef>) {
        visiting.settled = true;
        self.recorder.record(Event::Controller { reason: punt.reason });
        self.commit(&visiting.flow);
        let action = DpAction::Userspace(Arc::new(punt));
        self.actions.push(match meter {
            Some(meter) => {
                let branch = Branch { actions: Box::new([action]), ..Branch::default() };
                DpAction::Meter { meter, passed: Arc::new(branch) }
            }
            None => action,
        });
    }

    /// Whether a miss at a table is for the controllers. Where that `is_set`, the version they speak does not matter.
    pub(super) fn asks_about_misses(&mut self, visiting: &Visiting<'a>, is_set: bool) -> bool {
        self.depend_on_bridge(visiting.bridge);
        let in_port: OfPort = visiting.flow.in_port();
        let is_silent = visiting.bridge.port(in_port).is_some_and(|port| port.config.no_packet_in);
        let control = visiting.bridge.control;
        (control.miss || is_set && control.any) && !is_silent
    }
}

//! Groups: buckets of actions, of which all, one, or one that is alive is carried out.

use std::rc::Rc;

use netloom_flow::action::PacketInReason;
use netloom_flow::{Dependency, DropReason, Effect, OfPort};

use super::action_set::ordered;
use super::frame::{Actions, Frame, Place};
use super::{MAX_DEPTH, Translator, Visiting};
use crate::model::{Bridge, Bucket, Group, GroupType, Port, Selection};
use crate::recorder::Event;

impl<'a> Translator<'a> {
    pub(super) fn group(&mut self, visiting: &mut Visiting<'a>, id: u32, place: Place) {
        let found = self.find_group(visiting.bridge, id);
        let chosen =
            found.map(|group| (group, self.choose(visiting, group))).filter(|(_, all)| !all.is_empty());
        let (Some((group, buckets)), true) = (chosen, place.depth < MAX_DEPTH) else {
            if let Some(group) = found {
                self.credit_group(visiting, group);
            }
            return self.drop(visiting, DropReason::NoBucket, visiting.flow.in_port());
        };
        self.credit_group(visiting, group);
        self.recorder.record(Event::Group { group, chosen: &buckets });
        let place = Place { depth: place.depth + 1, reason: PacketInReason::Group, ..place };
        visiting.frames.extend(buckets.into_iter().rev().map(|at| Frame::Bucket(group, at, place)));
    }

    /// A copy of the packet is processed by a bucket.
    pub(super) fn bucket(&mut self, visiting: &mut Visiting<'a>, group: &'a Group, at: usize, place: Place) {
        let Some(bucket) = group.buckets.get(at) else { return };
        self.recorder.record(Event::Bucket { group: group.id, bucket: bucket.id, depth: place.depth });
        let extra = self.extra(&visiting.flow);
        self.effects.push(Effect::Bucket {
            bridge: visiting.bridge.id,
            group: group.id,
            bucket: bucket.id,
            version: group.version,
            extra,
        });
        self.begin_copy(visiting);
        let actions: Rc<[_]> = ordered(bucket.actions.iter()).into();
        if actions.is_empty() {
            self.drop(visiting, DropReason::FlowAction, visiting.flow.in_port());
        }
        visiting.frames.push(Frame::list(Actions::Ordered(actions), place));
    }

    fn find_group(&mut self, bridge: &'a Bridge, id: u32) -> Option<&'a Group> {
        let group = bridge.groups.get(&id);
        let version = group.map_or(0, |group| group.version);
        self.depend(Dependency::Group { bridge: bridge.id, group: id, version });
        group
    }

    fn credit_group(&mut self, visiting: &Visiting<'a>, group: &Group) {
        let (bridge, extra) = (visiting.bridge.id, self.extra(&visiting.flow));
        self.effects.push(Effect::Group { bridge, group: group.id, version: group.version, extra });
    }

    /// The places of the buckets that get the packet.
    fn choose(&mut self, visiting: &Visiting<'a>, group: &'a Group) -> Vec<usize> {
        match group.kind {
            GroupType::All => (0..group.buckets.len()).collect(),
            GroupType::Indirect => (0..group.buckets.len().min(1)).collect(),
            GroupType::FastFailover => {
                let mut live = (0..group.buckets.len()).filter(|at| {
                    group.buckets.get(*at).is_some_and(|bucket| self.lives(visiting.bridge, bucket, 0))
                });
                live.next().into_iter().collect()
            }
            GroupType::Select => self.select(visiting, group).into_iter().collect(),
        }
    }

    /// By the hash of the packet's connection, in proportion to the weights of the buckets that are alive.
    fn select(&mut self, visiting: &Visiting<'a>, group: &'a Group) -> Option<usize> {
        let mut live = Vec::new();
        for (at, bucket) in group.buckets.iter().enumerate() {
            if bucket.weight > 0 && self.lives(visiting.bridge, bucket, 0) {
                live.push((at, u64::from(bucket.weight)));
            }
        }
        let total: u64 = live.iter().map(|(_, weight)| weight).sum();
        if live.len() <= 1 || total == 0 {
            return live.first().map(|(at, _)| *at);
        }
        let hash = match &group.selection {
            Selection::Default | Selection::DpHash { .. } => self.connection_hash(visiting),
            Selection::Hash { param, fields } => self.field_hash(visiting, *param, fields),
        };
        let mut point = hash % total;
        live.into_iter().find_map(|(at, weight)| {
            let is_here = point < weight;
            point = point.saturating_sub(weight);
            is_here.then_some(at)
        })
    }

    /// Whether a bucket is alive: it watches nothing, or what it watches is.
    fn lives(&mut self, bridge: &'a Bridge, bucket: &'a Bucket, depth: u32) -> bool {
        let port = bucket.watch_port.filter(|port| *port != OfPort::NONE);
        let group = bucket.watch_group.filter(|group| *group != Group::ANY);
        match (port, group) {
            (None, None) => true,
            (port, group) => {
                port.is_some_and(|port| self.is_up(bridge, port))
                    || group.is_some_and(|group| self.group_lives(bridge, group, depth))
            }
        }
    }

    fn group_lives(&mut self, bridge: &'a Bridge, id: u32, depth: u32) -> bool {
        let Some(group) = self.find_group(bridge, id) else { return false };
        depth < MAX_DEPTH && group.buckets.iter().any(|bucket| self.lives(bridge, bucket, depth + 1))
    }

    /// Whether a port is there and its link is up.
    pub(super) fn is_up(&mut self, bridge: &'a Bridge, number: OfPort) -> bool {
        self.port(bridge, number).is_some_and(Port::is_up)
    }
}

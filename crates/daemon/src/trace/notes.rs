//! Taking notes of a translation.

use std::collections::VecDeque;

use netloom_api::{TraceDrop, TraceRule, TraceWhat};
use netloom_flow::{DropReason, FlowKey, OfPort, RecircId};
use netloom_switch::{Cut, Event, Forward, Group, GroupType, Recorder, Served};

use super::story::{Story, Stretch, Where};
use super::{Chart, words};

/// A recorder that writes into a story.
pub(super) struct Notes<'a> {
    chart: &'a Chart,
    story: &'a mut Story,
    /// The stretch that is being told.
    at: Stretch,
    /// Copies that crossed a link and wait for their turn.
    crossing: VecDeque<Stretch>,
    switch: String,
    rule: Option<TraceRule>,
    /// Of actions and what comes of them.
    depth: u16,
    /// The last action, until it is known what it changed.
    action: Option<String>,
    /// Bytes of the packet.
    len: usize,
    /// For each length check that is being told, whether the packet goes this side.
    sides: Vec<bool>,
}

impl<'a> Notes<'a> {
    /// Notes of a packet of `len` bytes, from `at` on.
    pub(super) fn new(chart: &'a Chart, story: &'a mut Story, at: Stretch, len: usize) -> Self {
        let (switch, rule, action, crossing, sides) = Default::default();
        Self { chart, story, at, crossing, switch, rule, depth: 0, action, len, sides }
    }

    fn say(&mut self, depth: u16, what: TraceWhat) {
        self.flush(&[]);
        self.story.say(self.at, depth, what);
    }

    fn decide(&mut self, text: String) {
        self.say(self.depth + 1, TraceWhat::Decision { text });
    }

    /// The last action is told before what comes of it.
    fn flush(&mut self, changed: &[netloom_api::TraceChange]) {
        if let Some(text) = self.action.take() {
            let what = TraceWhat::Action { text, changed: changed.to_vec() };
            self.story.say(self.at, self.depth, what);
        }
    }

    fn changed(&mut self, before: &FlowKey, after: &FlowKey) {
        let changed = words::changes(before, after);
        if self.action.is_some() {
            self.flush(&changed);
            return;
        }
        // Whatever came of it was told first.
        for it in changed {
            self.decide(format!("{} is {}", it.field, it.after));
        }
    }

    fn enter(&mut self, switch: &str, port: &str, number: u32) {
        if let Some(next) = self.crossing.pop_front() {
            self.flush(&[]);
            self.at = next;
        }
        switch.clone_into(&mut self.switch);
        (self.rule, self.depth) = (None, 1);
        let (switch, port) = (switch.to_owned(), port.to_owned());
        self.say(0, TraceWhat::Switch { switch, port, number });
    }

    fn forward(&mut self, how: Forward) {
        let text = match how {
            Forward::Learned(port) => format!("learned at {}", self.port(port)),
            Forward::Known(port) => format!("an address of the lab, by {}", self.port(port)),
            Forward::Flood => "not learned yet: flooded".to_owned(),
        };
        self.decide(text);
    }

    fn port(&self, number: OfPort) -> String {
        self.chart.port_word(&self.switch, number)
    }

    fn group(&mut self, group: &Group, chosen: &[usize]) {
        let bucket = |at: &usize| group.buckets.get(*at);
        let first = chosen.first().and_then(bucket);
        let text = match (group.kind, first) {
            (_, None) => "no bucket".to_owned(),
            (GroupType::All, _) => format!("all: {} buckets get a copy", chosen.len()),
            (GroupType::Indirect, _) => "indirect: its bucket".to_owned(),
            (GroupType::FastFailover, Some(bucket)) => {
                let watched = match (bucket.watch_port, bucket.watch_group) {
                    (Some(port), _) => format!("watches {}", self.port(port)),
                    (None, Some(group)) => format!("watches group {group}"),
                    (None, None) => "watches nothing".to_owned(),
                };
                format!("fast failover: bucket {}, the first that is alive ({watched})", bucket.id)
            }
            (GroupType::Select, Some(bucket)) => {
                let total: u32 = group.buckets.iter().map(|it| u32::from(it.weight)).sum();
                format!("select: bucket {} by hash, weight {} of {total}", bucket.id, bucket.weight)
            }
        };
        self.decide(text);
    }

    fn output(&mut self, port: &str, dp_port: netloom_flow::PortId, cut: Option<Cut>) {
        let Some(spot) = self.chart.ports.get(&dp_port) else {
            return self.decide(format!("out by {port}"));
        };
        let (from, to, settings) = (spot.here.clone(), spot.there.clone(), spot.settings());
        let is_open = spot.spec.up && spot.spec.from_switch.up;
        let place = match spot.peer() {
            Some(peer) => Where::Port(peer),
            None => Where::Device(dp_port),
        };
        let cut = cut.map(|cut| cut_words(cut).to_owned());
        self.say(self.depth + 1, TraceWhat::Link { from: from.clone(), to, settings, cut });
        if is_open {
            self.story.expect(self.at, place);
        } else {
            let reason = if spot.spec.up { DropReason::LinkDown } else { DropReason::PortDown };
            let drop = TraceDrop { place: from, reason: reason.as_str().to_owned(), rule: None };
            self.say(self.depth + 2, TraceWhat::Drop(drop));
        }
    }

    fn cross(&mut self, port: &str) {
        let spots = self.chart.ports.values();
        let here = format!("{}:{port}", self.switch);
        let far = spots.into_iter().find(|spot| spot.here == here).map(|spot| spot.there.clone());
        let to = far.unwrap_or_default();
        self.say(self.depth + 1, TraceWhat::Link { from: here, to, settings: String::new(), cut: None });
        let next = self.story.branch(self.at);
        self.crossing.push_back(next);
    }

    fn again(&mut self, id: RecircId) {
        let is_tracked = self.action.as_ref().is_some_and(|action| action.starts_with("ct("));
        self.decide(if is_tracked {
            "looked up again, with what is known of its connection".to_owned()
        } else {
            "its inner headers are not known: it is parsed again".to_owned()
        });
        self.story.expect(self.at, Where::Again(id));
    }

    fn drop(&mut self, reason: DropReason, port: OfPort) {
        let decided = !matches!(reason, DropReason::TableMiss | DropReason::NoPort | DropReason::Blocked);
        let place = match self.switch.as_str() {
            "" => "the switch".to_owned(),
            switch => format!("{switch}:{}", self.port(port)),
        };
        let rule = self.rule.clone().filter(|_| decided);
        let drop = TraceDrop { place, reason: reason.as_str().to_owned(), rule };
        self.say(self.depth + 1, TraceWhat::Drop(drop));
    }

    fn side(&mut self, len: u16, longer: bool) {
        if !longer {
            self.sides.pop();
        }
        // VLAN headers do not count; no frame of a trace is so near the limit that they decide.
        let goes = (self.len > usize::from(len)) == longer;
        if goes && self.sides.iter().all(|goes| *goes) {
            let than = if longer { "longer" } else { "not longer" };
            self.decide(format!("{} bytes: {than} than {len}", self.len));
        }
        self.sides.push(goes);
    }
}

impl Recorder for Notes<'_> {
    fn record(&mut self, event: Event<'_>) {
        match event {
            Event::Side { len, longer } => return self.side(len, longer),
            Event::SideEnd => {
                self.sides.pop();
                return;
            }
            _ if self.sides.iter().any(|goes| !goes) => return,
            _ => {}
        }
        match event {
            Event::Enter { bridge, port, number, .. } => self.enter(bridge, port, number.0),
            Event::Resume { bridge, .. } => self.enter(bridge, "", 0),
            Event::Table { table, rule, depth } => {
                self.rule = rule.map(words::rule);
                let (rule, depth) = (self.rule.clone(), level(depth));
                let drops = rule.as_ref().is_some_and(|rule| rule.actions == "drop");
                self.say(depth - 1, TraceWhat::Table { table: table.0, rule });
                self.depth = depth;
                self.action = drops.then(|| "drop".to_owned());
            }
            Event::Action { action, depth } => {
                self.flush(&[]);
                self.depth = level(depth);
                self.action = Some(action.to_string());
            }
            Event::Changed { before, after } => self.changed(before, after),
            Event::Learn { vlan, mac, port, .. } => {
                let vlan = if vlan == 0 { String::new() } else { format!(" in VLAN {vlan}") };
                self.decide(format!("would learn {} at {}{vlan}", words::mac(mac), self.port(port)));
            }
            Event::LearnFlow(flow) => self.decide(format!("would add {flow}")),
            Event::InBand => {
                self.decide("in-band control: forwarded as by NORMAL, whatever the flows say".to_owned());
            }
            Event::Served(what) => {
                self.decide(format!("answered by the network's {}", served_words(what)));
                let to = "the network's service".to_owned();
                self.say(self.depth + 1, TraceWhat::Delivered { to });
            }
            Event::Forward(how) => self.forward(how),
            Event::Output { port, dp_port, cut, .. } => self.output(port, dp_port, cut),
            Event::Cross { port } => self.cross(port),
            Event::Recirculate(id) => self.again(id),
            Event::Controller { reason } => {
                let to = format!("controller ({})", reason_words(reason));
                self.say(self.depth + 1, TraceWhat::Delivered { to });
            }
            Event::Group { group, chosen } => self.group(group, chosen),
            Event::Bucket { bucket, depth, .. } => {
                let depth = level(depth);
                self.say(depth - 1, TraceWhat::Decision { text: format!("bucket {bucket}") });
                self.depth = depth;
            }
            Event::Drop { reason, port } => self.drop(reason, port),
            Event::Side { .. } | Event::SideEnd => {}
        }
    }
}

impl Drop for Notes<'_> {
    fn drop(&mut self) {
        self.flush(&[]);
    }
}

/// The indentation of actions within so many lookups.
fn level(depth: u32) -> u16 {
    u16::try_from(2 * depth + 2).unwrap_or(u16::MAX)
}

const fn served_words(what: Served) -> &'static str {
    match what {
        Served::Dhcp => "DHCP",
        Served::Dhcp6 => "DHCPv6",
        Served::Routers => "router advertisements",
        Served::Names => "name server",
        Served::Neighbour => "own service",
    }
}

const fn cut_words(cut: Cut) -> &'static str {
    match cut {
        Cut::Off => "hop by hop",
        Cut::Down => "link down",
        Cut::Shaped => "shaped link",
        Cut::Captured => "captured link",
        Cut::Tunnel => "tunnel",
        Cut::Visited => "been there before",
        Cut::Budget => "many hops",
        Cut::Branch => "each packet by itself",
        Cut::Reparse => "parsed again",
    }
}

const fn reason_words(reason: netloom_flow::action::PacketInReason) -> &'static str {
    use netloom_flow::action::PacketInReason as Reason;
    match reason {
        Reason::NoMatch => "no flow matched",
        Reason::InvalidTtl => "ttl expired",
        Reason::ActionSet => "action set",
        Reason::Group => "group",
        Reason::PacketOut => "packet out",
        _ => "action",
    }
}

//! `ofproto/trace`: a made-up packet, translated by the code that translates real ones, with somebody taking notes.
//!
//! Nothing is learned, counted or sent. Translation ends where a packet would have to be looked at again (connection
//! tracking, unknown inner headers); that is said.

use std::fmt::Write as _;

use netloom_flow::action::PacketInReason;
use netloom_flow::{
    Action, FLOW_WORDS, FieldId, FlowKey, OfPort, PacketMeta, PortId, TenantId, Upcall, extract, parse_filter,
};
use netloom_packet::parse;
use netloom_switch::{Event, Forward, Recorder, Rule};

use super::macs::known;
use super::no_such_bridge;
use crate::ovs::unixctl::Answer;
use crate::slowpath;
use crate::switchd::plant::Plant;
use crate::trace::{actions_in_words, described, frame_of, mac_in_words, megaflow};

pub(super) fn trace(plant: &mut Plant, words: &[String]) -> Answer {
    let [bridge, flow] = words else { return Err(no_such_bridge()) };
    let bridge =
        known(plant, std::slice::from_ref(bridge)).map_err(|_| format!("{bridge}: unknown bridge"))?;
    let model = slowpath::read(plant.core.switch());
    let ports = model.ports(bridge);
    let named = |name: &str| ports.iter().find(|port| port.name == name).map(|port| port.number);
    let filter = parse_filter(flow, &named).map_err(|wrong| wrong.message)?;
    let number = filter.matches.exact(FieldId::InPort).and_then(|port| u32::try_from(port).ok());
    let number = OfPort(number.ok_or("in_port is needed: a packet comes in by a port")?);
    let port = ports.iter().find(|port| port.number == number);
    let port = port.ok_or_else(|| format!("{bridge} has no port {number}"))?;
    let packet = frame_of(&filter.matches);
    let headers = parse(&packet).map_err(|_| "no packet looks like this".to_owned())?;
    let meta = PacketMeta { in_port: port.dp_port, tenant: TenantId(0), ..PacketMeta::default() };
    let key = extract(&packet, &headers, &meta);
    let mut notes = Notes::default();
    let upcall = Upcall { key: &key, packet: &packet, now: slowpath::now() };
    let translation = model.trace(&upcall, &mut notes);
    let name = |port: PortId| port.0.to_string();
    let mut text = format!("Flow: {},in_port={}\n{}", described(&key), port.name, notes.text);
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\nFinal flow: {}", notes.last.as_ref().map_or("unchanged".to_owned(), shown));
    let _ = writeln!(text, "Megaflow: {}", megaflow(&key, &translation.mask, &port.name));
    let _ = writeln!(text, "Datapath actions: {}", actions_in_words(&name, &key, &translation.actions));
    Ok(text)
}

/// The headers of a key, as far as they are not 0.
fn shown(key: &FlowKey) -> String {
    let mut packet = netloom_flow::PacketKey::default();
    let count = packet.0.len().min(FLOW_WORDS);
    packet.0.copy_from_slice(&key.0[..count]);
    described(&packet)
}

/// Takes notes in OVS's form.
#[derive(Default)]
struct Notes {
    text: String,
    /// Indentation of actions.
    indent: usize,
    /// The packet after the last change.
    last: Option<FlowKey>,
}

impl Notes {
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{:indent$}{text}", "");
    }

    /// What comes of an action, below it.
    fn comment(&mut self, text: &str) {
        self.line(self.indent + 1, &format!("-> {text}"));
    }

    fn table(&mut self, number: u8, rule: Option<&Rule>, depth: u32) {
        let indent = usize::try_from(depth).unwrap_or(0) * 4;
        self.indent = indent + 4;
        let Some(rule) = rule else {
            return self.line(indent, &format!("{number:2}. No match."));
        };
        let flow = &rule.flow;
        let mut words = flow.matches.to_string();
        if !words.is_empty() {
            words += ", ";
        }
        words += &format!("priority {}", flow.priority);
        if flow.cookie != 0 {
            words += &format!(", cookie {:#x}", flow.cookie);
        }
        self.line(indent, &format!("{number:2}. {words}"));
        if flow.actions.is_empty() {
            self.line(self.indent, "drop");
        }
    }

    fn action(&mut self, action: &Action, depth: u32) {
        self.indent = usize::try_from(depth).unwrap_or(0) * 4 + 4;
        self.line(self.indent, &action.to_string());
    }
}

impl Recorder for Notes {
    fn record(&mut self, event: Event<'_>) {
        match event {
            Event::Enter { bridge, .. } => {
                let title = format!("bridge(\"{bridge}\")");
                let rule = "-".repeat(title.len());
                self.text += &format!("\n{title}\n{rule}\n");
            }
            Event::Table { table, rule, depth } => self.table(table.0, rule, depth),
            Event::Action { action, depth } => self.action(action, depth),
            Event::Changed { after, .. } => self.last = Some(*after),
            Event::Forward(Forward::Learned(_)) => self.comment("forwarding to learned port"),
            Event::Forward(Forward::Known(port)) => self.comment(&format!("forwarding to port {port}")),
            Event::Forward(Forward::Flood) => self.comment("no learned MAC for destination, flooding"),
            Event::Learn { mac, port, .. } => {
                self.comment(&format!("would learn {} at port {port}", mac_in_words(mac)));
            }
            Event::LearnFlow(flow) => self.comment(&format!("would add {flow}")),
            Event::Recirculate(id) => self.comment(&format!("looked at again as recirc({:#x})", id.0)),
            Event::Controller { reason } => {
                let why = if reason == PacketInReason::NoMatch { "no flow matched" } else { "action" };
                self.comment(&format!("sent to the controller ({why})"));
            }
            Event::Group { group, chosen } => {
                self.comment(&format!("{} of {} buckets", chosen.len(), group.buckets.len()));
            }
            Event::Bucket { bucket, depth, .. } => {
                self.indent = usize::try_from(depth).unwrap_or(0) * 4 + 4;
                self.line(self.indent, &format!("bucket {bucket}"));
            }
            Event::Drop { reason, .. } => self.comment(&format!("dropped: {reason}")),
            Event::InBand => self.comment("in-band control"),
            Event::Side { len, longer: true } => self.comment(&format!("where longer than {len} bytes:")),
            Event::Side { longer: false, .. } => self.comment("where not:"),
            Event::Output { .. }
            | Event::Cross { .. }
            | Event::Resume { .. }
            | Event::Served(_)
            | Event::SideEnd => {}
        }
    }
}

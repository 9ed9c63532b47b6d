//! The VLAN a packet is in inside a bridge, and the headers it leaves with.

use super::flow::{Flow, PRESENT, Tag};
use super::{Translator, Visiting};
use crate::config::PriorityTags;
use crate::model::{Port, VID};

/// The priority in a TCI.
const PCP: u16 = 0xe000;

/// A packet inside a bridge.
#[derive(Debug, Clone)]
pub(super) struct Tagged {
    /// The VLAN it is in; 0: none.
    pub(super) vlan: u16,
    /// Its headers, the outermost first, with the one that a QinQ port has put in front.
    tags: [Option<Tag>; 2],
}

impl Tagged {
    /// The customer's VLAN behind the service's.
    fn inner(&self) -> u16 {
        self.tags[1].map_or(0, |tag| tag.tci & VID)
    }

    /// The same packet in another VLAN.
    pub(super) const fn move_to(&mut self, vlan: u16) {
        self.vlan = vlan;
    }
}

impl<'a> Translator<'a> {
    /// The VLAN of a packet that came in by a port, or of one that leaves by it, had it come in there. The caller has looked at
    /// the outermost VLAN. `None`: the port does not take it.
    pub(super) fn admit(&mut self, flow: &Flow, port: &Port) -> Option<Tagged> {
        let tci = flow.tci();
        let vid = if tci & PRESENT == 0 { 0 } else { tci & VID };
        let vlan = port.vlans.admit(vid)?;
        let tags = flow.tags();
        let Some(tpid) = port.vlans.service() else { return Some(Tagged { vlan, tags }) };
        self.look_at_tags(flow);
        // A key knows two headers: a third would be lost.
        let [customer, None] = tags else { return None };
        let service = Tag { tpid, tci: PRESENT | vlan };
        Some(Tagged { vlan, tags: [Some(service), customer] })
    }

    /// Whether a port carries the VLANs of a packet.
    pub(super) fn reaches(&mut self, flow: &Flow, port: &Port, tagged: &Tagged) -> bool {
        if !port.vlans.includes(tagged.vlan) {
            return false;
        }
        if !port.vlans.asks_inner() {
            return true;
        }
        self.look_at_tags(flow);
        port.vlans.takes_inner(tagged.inner())
    }

    /// Sends with the VLAN headers the port wants; afterwards the packet is as it was.
    pub(super) fn send_in_vlan(&mut self, visiting: &mut Visiting<'a>, port: &'a Port, tagged: &Tagged) {
        let [outer, inner] = tagged.tags;
        let vid = port.vlans.vid_out(tagged.vlan);
        let wanted = match outer {
            None if vid == 0 => [self.priority_tag(port, 0), None],
            None => [Some(Tag { tpid: 0x8100, tci: PRESENT | vid }), None],
            // The service's header goes, whatever is behind it.
            Some(_) if vid == 0 && port.vlans.service().is_some() => [inner, None],
            // A header with VLAN id 0 carries a priority only; OVS strips it unless told otherwise.
            Some(tag) if vid == 0 => match self.priority_tag(port, tag.tci & PCP) {
                Some(tag) => [Some(tag), inner],
                None => [inner, None],
            },
            Some(tag) => [Some(Tag { tci: (tag.tci & !VID) | vid, ..tag }), inner],
        };
        if wanted == visiting.flow.tags() {
            return self.send(visiting, port);
        }
        self.look_at_tags(&visiting.flow);
        let before = visiting.flow.clone();
        visiting.flow.set_tags(wanted);
        self.send(visiting, port);
        visiting.flow = before;
    }

    /// The header of a frame without a VLAN, if the port wants one.
    fn priority_tag(&self, port: &Port, pcp: u16) -> Option<Tag> {
        let is_wanted = match port.vlans.priority_tags {
            PriorityTags::Never => false,
            PriorityTags::IfNonzero => pcp != 0,
            PriorityTags::Always => true,
        };
        is_wanted.then_some(Tag { tpid: 0x8100, tci: PRESENT | pcp })
    }
}

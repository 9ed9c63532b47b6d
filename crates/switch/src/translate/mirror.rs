//! Copies for mirrors.
//!
//! A packet is copied as it comes in, and as it leaves, once for each place that copies go to, whatever else is done with it.
//! Copies go by no flow table, and count for the mirror only: a packet that goes nowhere else was dropped.
//!
//! Source: `mirror_packet` of OVS; ovs-vswitchd.conf.db(5), table Mirror.

use netloom_flow::{Effect, word};

use super::egress::Stage;
use super::flow::PRESENT;
use super::normal::is_reserved;
use super::vlan::Tagged;
use super::{Translator, Visiting};
use crate::model::{MirrorOut, Port, VID};

impl<'a> Translator<'a> {
    /// Makes the copies that `mirrors` want of a packet at a port it came in by, or is leaving by.
    pub(super) fn mirror(&mut self, visiting: &mut Visiting<'a>, port: &'a Port, mirrors: u32) {
        let mut left = mirrors & !visiting.mirrored;
        if left == 0 || visiting.flow.is_bare() {
            return;
        }
        self.look(&visiting.flow, word::ETH_SRC, (PRESENT | VID).into());
        let Some(mut tagged) = self.admit(&visiting.flow, port) else { return };
        let stage = std::mem::replace(&mut visiting.stage, Stage::Beside);
        let (settled, max_len) = (visiting.settled, self.max_len);
        let bridge = visiting.bridge;
        while left != 0 {
            let at = left.trailing_zeros();
            left &= left - 1;
            let Some(mirror) = bridge.mirrors.list.get(at as usize) else { continue };
            if !mirror.selects(tagged.vlan) {
                continue;
            }
            visiting.mirrored |= mirror.alike;
            let version = bridge.mirrors.version;
            self.effects.push(Effect::Mirror { bridge: bridge.id, mirror: at, version });
            self.max_len = mirror.snaplen;
            match mirror.out {
                MirrorOut::Port(number) => {
                    if let Some(out) = self.port(bridge, number) {
                        self.send_in_vlan(visiting, out, &tagged);
                    }
                }
                MirrorOut::Vlan(vlan) if vlan != tagged.vlan => {
                    let before = tagged.clone();
                    tagged.move_to(vlan);
                    self.mirror_to_vlan(visiting, &tagged);
                    tagged = before;
                }
                MirrorOut::Vlan(_) => {}
            }
            // Sending by a port may have served others.
            left &= !visiting.mirrored;
        }
        (visiting.settled, visiting.stage, self.max_len) = (settled, stage, max_len);
    }

    fn mirror_to_vlan(&mut self, visiting: &mut Visiting<'a>, tagged: &Tagged) {
        self.look(&visiting.flow, word::ETH_DST, !0 << 16);
        if is_reserved(visiting.flow.eth_dst()) {
            return;
        }
        self.depend_on_bridge(visiting.bridge);
        let bridge = visiting.bridge;
        for port in bridge.ports.values() {
            let is_open = !port.mirrored.is_output && port.carries(visiting.flow.tenant());
            if is_open && self.reaches(&visiting.flow, port, tagged) {
                self.send_in_vlan(visiting, port, tagged);
            }
        }
    }
}

//! What packets mean to the switch once they have passed.

use netloom_flow::{
    Branch, BridgeId, DropReason, Effect, HitsRead, Nanos, OfPort, RuleId, TableId, Translation,
};

use crate::model::{Group, Learned, MacKey, Role};
use crate::switch::Switch;

/// What a cached flow has carried since it was last credited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HitsDelta {
    /// Wire packets.
    pub packets: u64,
    /// Wire bytes (L2, without FCS), as received.
    pub bytes: u64,
    /// When the last one passed.
    pub used: Nanos,
    /// OR of the TCP flags seen.
    pub tcp_flags: u16,
}

impl HitsDelta {
    /// What came between two readings of the same counters.
    #[must_use]
    pub const fn between(earlier: &HitsRead, later: &HitsRead) -> Self {
        Self {
            packets: later.packets.wrapping_sub(earlier.packets),
            bytes: later.bytes.wrapping_sub(earlier.bytes),
            used: later.used,
            tcp_flags: later.tcp_flags,
        }
    }

    /// The bytes where each packet is `extra` longer than at ingress.
    fn bytes_with(&self, extra: i32) -> u64 {
        let more = self.packets.wrapping_mul(u64::from(extra.unsigned_abs()));
        if extra < 0 { self.bytes.saturating_sub(more) } else { self.bytes.wrapping_add(more) }
    }
}

impl Switch {
    /// Whether there is anything to learn from a translation: else [`Self::meet`] changes nothing.
    #[must_use]
    pub fn is_met(translation: &Translation) -> bool {
        let learns = |effect: &Effect| matches!(effect, Effect::Learn { .. } | Effect::LearnFlow { .. });
        let mut any = translation.effects.iter().any(learns);
        Branch::each(&translation.actions, &mut |branch| any |= branch.effects.iter().any(learns));
        any
    }

    /// Learns from a translation that was just made, before its first packet goes on: the answer to that packet already
    /// finds its way. Counts nothing: [`Self::credit`] does, when the packet is pulled.
    pub fn meet(&mut self, translation: &Translation, now: Nanos) {
        let mut is_changed = false;
        let mut learn = |effects: &[Effect]| {
            for effect in effects {
                is_changed |= match effect {
                    Effect::Learn { bridge, tenant, vlan, mac, port } => {
                        let key = MacKey { tenant: *tenant, vlan: *vlan, mac: *mac };
                        self.learn(*bridge, key, *port, now)
                    }
                    Effect::LearnFlow { bridge, by, flow, limit } => {
                        self.learn_flow(*bridge, *by, flow, *limit, now)
                    }
                    _ => false,
                };
            }
        };
        learn(&translation.effects);
        Branch::each(&translation.actions, &mut |branch| learn(&branch.effects));
        if is_changed {
            self.advance();
        }
    }

    /// Runs the effects of a translation for the packets it has carried: once for the first packet, and again for
    /// what came since, whenever hits are pulled.
    ///
    /// Its branches have effects and hits of their own: see [`Self::credit_branch`].
    pub fn credit(&mut self, translation: &Translation, delta: HitsDelta) {
        self.run_effects(&translation.effects, delta);
    }

    /// The same for a branch of a translation ([`Branch::each`]).
    pub fn credit_branch(&mut self, branch: &Branch, delta: HitsDelta) {
        self.run_effects(&branch.effects, delta);
    }

    fn run_effects(&mut self, effects: &[Effect], delta: HitsDelta) {
        if delta.packets == 0 {
            return;
        }
        let mut is_changed = false;
        for effect in effects {
            match *effect {
                Effect::Learn { bridge, tenant, vlan, mac, port } => {
                    is_changed |= self.learn(bridge, MacKey { tenant, vlan, mac }, port, delta.used);
                }
                Effect::LearnFlow { bridge, by, ref flow, limit } => {
                    is_changed |= self.learn_flow(bridge, by, flow, limit, delta.used);
                }
                Effect::Mirror { bridge, mirror, version } => {
                    self.credit_mirror(bridge, mirror, version, delta);
                }
                Effect::FinTimeout { rule, idle, hard } => self.lower_timeouts(rule, idle, hard),
                Effect::Group { bridge, group, version, extra } => {
                    if let Some(group) = self.group_of_version(bridge, group, version) {
                        group.carried.add(delta.packets, delta.bytes_with(extra));
                    }
                }
                Effect::Bucket { bridge, group, bucket, version, extra } => {
                    if let Some(group) = self.group_of_version(bridge, group, version) {
                        group.credit_bucket(bucket, delta.packets, delta.bytes_with(extra));
                    }
                }
                Effect::Match { bridge, table, rule, extra } => {
                    self.credit_table(bridge, table, true, delta);
                    self.credit_rule(rule, extra, delta);
                }
                Effect::Miss { bridge, table } => self.credit_table(bridge, table, false, delta),
                Effect::Hop { from, out_port, to, in_port, extra } => {
                    let (packets, bytes) = (delta.packets, delta.bytes_with(extra));
                    if let Some(port) = self.port_mut(from, out_port) {
                        port.crossed.sent(packets, bytes);
                    }
                    if let Some(port) = self.port_mut(to, in_port) {
                        port.crossed.received(packets, bytes);
                    }
                }
                Effect::Drop { reason, bridge, port } => {
                    self.credit_drop(bridge, reason, port, delta.packets)
                }
            }
        }
        if is_changed {
            self.advance();
        }
    }

    /// Learns where an address lives; says whether a lookup could tell.
    fn learn(&mut self, id: BridgeId, key: MacKey, number: OfPort, used: Nanos) -> bool {
        let Some(bridge) = self.bridges.get_mut(id) else { return false };
        // The packets may have passed before the latest change of paths or ports.
        let is_current = bridge.ports.get(&number).is_some_and(|port| {
            port.role != Role::Blocked && port.carries(key.tenant) && port.vlans.includes(key.vlan)
        });
        if !is_current || bridge.floods(key.vlan) || used < bridge.flushed {
            return false;
        }
        match bridge.macs.learn(key, number, used) {
            Learned::Refreshed => return false,
            Learned::Moved | Learned::New { forgotten: None } => {}
            Learned::New { forgotten: Some(other) } => self.versions.bump(self.versions.of_mac(id, &other)),
        }
        self.versions.bump(self.versions.of_mac(id, &key));
        true
    }

    fn group_of_version(&mut self, bridge: BridgeId, group: u32, version: u64) -> Option<&mut Group> {
        let group = self.bridges.get_mut(bridge)?.groups.get_mut(&group)?;
        (group.version == version).then_some(group)
    }

    fn credit_rule(&mut self, rule: RuleId, extra: i32, delta: HitsDelta) {
        if let Some(state) = self.rules.get_mut(rule) {
            state.packets = state.packets.wrapping_add(delta.packets);
            state.bytes = state.bytes.wrapping_add(delta.bytes_with(extra));
            state.used = state.used.max(delta.used);
        }
        if !self.triggers.is_empty() {
            self.check_trigger(rule, delta.used);
        }
    }

    fn credit_table(&mut self, bridge: BridgeId, table: TableId, matched: bool, delta: HitsDelta) {
        let Some(bridge) = self.bridges.get_mut(bridge) else { return };
        let table = bridge.table_mut(table);
        table.lookups = table.lookups.wrapping_add(delta.packets);
        if matched {
            table.matches = table.matches.wrapping_add(delta.packets);
        }
    }

    fn credit_mirror(&mut self, bridge: BridgeId, mirror: u32, version: u64, delta: HitsDelta) {
        let Some(bridge) = self.bridges.get_mut(bridge) else { return };
        if bridge.mirrors.version == version
            && let Some(mirror) = bridge.mirrors.list.get_mut(mirror as usize)
        {
            mirror.packets = mirror.packets.wrapping_add(delta.packets);
            mirror.bytes = mirror.bytes.wrapping_add(delta.bytes);
        }
    }

    fn credit_drop(&mut self, bridge: BridgeId, reason: DropReason, port: OfPort, packets: u64) {
        if let Some(bridge) = self.bridges.get_mut(bridge) {
            *bridge.drops.entry((reason, port)).or_default() += packets;
        }
    }
}

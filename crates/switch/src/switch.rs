//! The facade: all bridges of a lab and everything that can be asked of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use netloom_flow::{
    Action, BridgeId, Dependency, Epoch, Nanos, OfPort, OptionSets, PacketKey, PacketMeta, PortId,
    Translation, Upcall, extract, word,
};

use crate::config::{Loops, Uuid};
use crate::events::{Author, Notice, Outbox, PortStatusReason};
use crate::flow_mod::LateFlows;
use crate::loops::Routes;
use crate::model::{
    ActionLists, Bridge, Bridges, ChangeLog, Directory, Due, FrozenStates, LinkState, Owners, Peer, Port,
    Rules, Versions,
};
use crate::recorder::{Recorder, Silent};
use crate::translate::Translator;
use crate::triggers::Triggers;
use crate::undo::Journal;

/// What does not change while a switch lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Keys every hash, so that results are reproducible and no peer can aim for collisions.
    pub seed: u64,
    /// Whether translation goes on across plain links between switches. Only tests and `trace` turn it off.
    pub fusion: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, fusion: true }
    }
}

/// All bridges of a lab.
///
/// Reading (`translate`, `still_valid`, dumps) takes `&self`, so any number of workers may read at once; every
/// change takes `&mut self` and advances the [`Epoch`] if a cached flow could depend on it.
#[derive(Debug)]
pub struct Switch {
    pub(crate) settings: Settings,
    epoch: Epoch,
    pub(crate) loops: Loops,
    pub(crate) bridges: Bridges,
    pub(crate) names: BTreeMap<String, BridgeId>,
    pub(crate) uuids: BTreeMap<Uuid, BridgeId>,
    /// Where each datapath port is attached.
    pub(crate) dp_ports: BTreeMap<PortId, (BridgeId, OfPort)>,
    pub(crate) rules: Rules,
    pub(crate) triggers: Triggers,
    /// For each rule with a timeout one date, not later than its end.
    pub(crate) due: Due<Nanos>,
    pub(crate) log: ChangeLog,
    pub(crate) outbox: Outbox,
    /// Whose request is being carried out.
    pub(crate) author: Option<Author>,
    pub(crate) journal: Journal,
    pub(crate) frozen: FrozenStates,
    pub(crate) action_lists: ActionLists,
    pub(crate) versions: Versions,
    pub(crate) directory: Directory,
    pub(crate) routes: Routes,
    /// Tunnel options of packets, shared with those who take tunnels apart.
    pub(crate) options: Arc<OptionSets>,
    /// The bridge that a bundle is being carried out on.
    pub(crate) committing: Option<BridgeId>,
    /// What was learned on it meanwhile.
    pub(crate) late: LateFlows,
    /// Whether changes are kept from the caches until the bundle is done.
    pub(crate) is_quiet: bool,
    /// The last version given to a port or bridge.
    version: u64,
}

impl Switch {
    /// A switch without bridges. `epoch` is shared with the caches.
    #[must_use]
    pub fn new(settings: Settings, epoch: Epoch) -> Self {
        Self {
            settings,
            epoch,
            loops: Loops::default(),
            bridges: Bridges::default(),
            names: BTreeMap::new(),
            uuids: BTreeMap::new(),
            dp_ports: BTreeMap::new(),
            rules: Rules::default(),
            triggers: Triggers::default(),
            due: Due::default(),
            log: ChangeLog::new(settings.seed),
            outbox: Outbox::default(),
            author: None,
            journal: Journal::default(),
            frozen: FrozenStates::new(settings.seed),
            action_lists: ActionLists::new(settings.seed),
            versions: Versions::new(settings.seed),
            directory: Directory::new(settings.seed, &Owners::default()),
            routes: Routes::default(),
            options: Arc::default(),
            committing: None,
            late: LateFlows::default(),
            is_quiet: false,
            version: 0,
        }
    }

    /// The tunnel options that some bridge wants to know of, and where those of packets are kept.
    #[must_use]
    pub fn tunnel_options(&self) -> Arc<OptionSets> {
        Arc::clone(&self.options)
    }

    /// What to do with a packet. Changes nothing: [`Self::credit`] does, for this packet and those like it.
    #[must_use]
    pub fn translate(&self, upcall: &Upcall<'_>) -> Translation {
        Translator::translate(self, upcall, &mut Silent)
    }

    /// The same, with someone taking notes.
    #[must_use]
    pub fn trace(&self, upcall: &Upcall<'_>, recorder: &mut dyn Recorder) -> Translation {
        Translator::translate(self, upcall, recorder)
    }

    /// What a controller's actions do to a packet that it sends. `in_port` may be reserved, such as `CONTROLLER`.
    ///
    /// The packet belongs to the tenant of its ingress port; without one, to that of the first port with a tenant that
    /// it is sent to by number. `None`: there is no such bridge, or the packet has no Ethernet header.
    #[must_use]
    pub fn packet_out(
        &self,
        bridge: BridgeId,
        in_port: OfPort,
        actions: &[Action],
        packet: &[u8],
    ) -> Option<Translation> {
        self.packet_out_as(bridge, in_port, actions, packet, 0)
    }

    /// How an answer of a network's own service leaves by a port of the bridge. It belongs to the service's tenant, also where
    /// the port is a link to another switch, which has none. `None`: as for [`Self::packet_out`], or there is no service.
    #[must_use]
    pub fn serve_out(&self, bridge: BridgeId, port: OfPort, packet: &[u8]) -> Option<Translation> {
        let bridge = self.bridges.get(bridge)?;
        let tenant = bridge.config.service.as_ref()?.tenant;
        let headers = netloom_packet::parse(packet).ok()?;
        let key = extract(packet, &headers, &PacketMeta { tenant, ..PacketMeta::default() });
        let actions = [Action::Output(port)];
        Some(Translator::translate_out(self, bridge, OfPort::NONE, &actions, &key, &mut Silent))
    }

    /// The same for a packet of some type, with an Ethernet header that its type does not know of.
    fn packet_out_as(
        &self,
        bridge: BridgeId,
        in_port: OfPort,
        actions: &[Action],
        packet: &[u8],
        packet_type: u32,
    ) -> Option<Translation> {
        let bridge = self.bridges.get(bridge)?;
        let key = Self::packet_out_key(bridge, in_port, actions, packet, packet_type)?;
        Some(self.send_out(bridge, in_port, actions, &key))
    }

    /// What a controller's actions do to a packet with this key.
    pub(crate) fn send_out(
        &self,
        bridge: &Bridge,
        in_port: OfPort,
        actions: &[Action],
        key: &PacketKey,
    ) -> Translation {
        Translator::translate_out(self, bridge, in_port, actions, key, &mut Silent)
    }

    /// What there is to be known of a packet that a controller sends. `None`: it has no Ethernet header.
    pub(crate) fn packet_out_key(
        bridge: &Bridge,
        in_port: OfPort,
        actions: &[Action],
        packet: &[u8],
        packet_type: u32,
    ) -> Option<PacketKey> {
        let headers = netloom_packet::parse(packet).ok()?;
        let tenant_of = |number: OfPort| bridge.port(number)?.tenant;
        let first = || {
            actions.iter().find_map(|action| match action {
                Action::Output(port) | Action::OutputMax { port, .. } => tenant_of(*port),
                _ => None,
            })
        };
        let tenant = tenant_of(in_port).or_else(first).unwrap_or_default();
        let meta = PacketMeta {
            in_port: bridge.port(in_port).map(|port| port.dp_port).unwrap_or_default(),
            tenant,
            ..PacketMeta::default()
        };
        let mut key = extract(packet, &headers, &meta);
        key.0[word::TENANT] |= u64::from(packet_type);
        Some(key)
    }

    /// Whether a translation, made for `key` or for a packet equal to it under the mask, would be the same now.
    ///
    /// It may say no where a translation would have been the same; never yes where it would not.
    #[must_use]
    pub fn still_valid(&self, key: &PacketKey, translation: &Translation) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        let holds = translation.dependencies.iter().all(|dependency| self.holds(dependency));
        if holds && self.is_between(translation) {
            return true; // as before the bundle; its end will have it checked again
        }
        let stamp = translation.stamp.load(Relaxed);
        if !holds || self.log.concerns(stamp, key, &translation.mask, &translation.dependencies) {
            return false;
        }
        // Two workers may check at once, against the same model: they write the same number.
        translation.stamp.store(self.log.stamp(), Relaxed);
        true
    }

    /// As [`Self::translate`]; `None` if the packet comes to a bridge that is in the middle of a bundle: ask again a
    /// little later.
    #[must_use]
    pub fn try_translate(&self, upcall: &Upcall<'_>) -> Option<Translation> {
        let translation = self.translate(upcall);
        (!self.is_between(&translation)).then_some(translation)
    }

    /// Whether a bundle is being carried out on a bridge that a translation has looked at.
    fn is_between(&self, translation: &Translation) -> bool {
        self.committing.is_some_and(|busy| {
            let at = |dependency: &Dependency| match dependency {
                Dependency::Table { bridge, .. } | Dependency::Group { bridge, .. } => *bridge == busy,
                _ => false,
            };
            translation.dependencies.iter().any(at)
        })
    }

    /// Whether a bundle is being carried out, so that nobody else may change the flows of that bridge.
    #[must_use]
    pub const fn is_committing(&self) -> bool {
        self.committing.is_some()
    }

    pub(crate) fn holds(&self, dependency: &Dependency) -> bool {
        match *dependency {
            Dependency::Table { .. } => true, // the log of changes knows
            Dependency::Mac { bucket, version } => self.versions.version(bucket) == version,
            Dependency::Port { bridge, port, version } => {
                let port = self.bridges.get(bridge).and_then(|bridge| bridge.port(port));
                port.is_some_and(|port| port.version == version)
            }
            Dependency::Group { bridge, group, version } => {
                let bridge = self.bridges.get(bridge);
                let group = bridge.and_then(|bridge| bridge.groups.get(&group));
                bridge.is_some() && group.map_or(0, |group| group.version) == version
            }
            Dependency::Meter { bridge, meter, version } => {
                let bridge = self.bridges.get(bridge);
                let meter = bridge.and_then(|bridge| bridge.meters.get(&meter));
                bridge.is_some() && meter.map_or(0, |meter| meter.version) == version
            }
            Dependency::Recirc(id) => self.frozen.get(id).is_some(),
            Dependency::Bridge { bridge, version } => {
                self.bridges.get(bridge).is_some_and(|bridge| bridge.version == version)
            }
        }
    }

    /// Has the caches ask [`Self::still_valid`] about each flow before it is used again. Nothing has changed here.
    pub fn recheck(&self) {
        self.advance();
    }

    /// Says how the link behind a datapath port is in the direction away from the switch. A new port's link is
    /// up, plain and not captured until this says otherwise.
    pub fn set_link(&mut self, port: PortId, state: LinkState, now: Nanos) {
        let Some((bridge, number)) = self.dp_ports.get(&port).copied() else { return };
        let Some(port) = self.port_mut(bridge, number) else { return };
        if port.link == state {
            return;
        }
        let is_turned = port.link.up != state.up;
        port.link = state;
        let peer = port.peer;
        self.touch(bridge, number);
        if let Some(peer) = peer {
            self.touch(peer.bridge, peer.port);
            if is_turned {
                self.reroute(now);
            }
        }
        if is_turned {
            self.outbox.push(bridge, Notice::Port { port: number, reason: PortStatusReason::Modify });
        }
        self.advance();
    }

    /// Replaces the addresses the lab assigned. Only translations that looked at what is different are outdated.
    pub fn set_owners(&mut self, owners: &Owners) {
        let new = Directory::new(self.settings.seed, owners);
        let (mut macs, mut addresses) = (Vec::new(), Vec::new());
        let subnets_differ =
            self.directory.differences(&new, |mac| macs.push(mac), |address| addresses.push(address));
        self.directory = new;
        for mac in macs {
            self.versions.bump(self.versions.of_owner(mac));
        }
        for address in addresses {
            self.versions.bump(self.versions.of_address(address));
        }
        if subnets_differ {
            let version = self.next_version();
            self.bridges.values_mut().for_each(|bridge| bridge.version = version);
        }
        self.advance();
    }

    /// How the link behind a datapath port is, as [`Self::set_link`] said.
    #[must_use]
    pub fn link(&self, port: PortId) -> Option<LinkState> {
        let (bridge, number) = self.dp_ports.get(&port).copied()?;
        Some(self.bridges.get(bridge)?.port(number)?.link)
    }

    /// Forgets MAC entries and flows whose time has come. Pull all hits first: they keep both alive.
    pub fn tick(&mut self, now: Nanos) {
        self.tick_some(now, usize::MAX);
    }

    /// The same, of flows at most so many; whether more are to go. A million may end at one moment: nobody is to wait for
    /// all of them.
    pub fn tick_some(&mut self, now: Nanos, most: usize) -> bool {
        self.check_ages(now);
        let (mut is_changed, more) = self.expire_rules(now, most);
        let versions = &mut self.versions;
        for bridge in self.bridges.values_mut() {
            let id = bridge.id;
            bridge.macs.expire(now, |key| {
                is_changed = true;
                versions.bump(versions.of_mac(id, key));
            });
        }
        if is_changed {
            self.advance();
        }
        more
    }

    /// When [`Self::tick`] has something to do next.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        let macs = self.bridges.values().filter_map(|bridge| bridge.macs.deadline());
        macs.chain(self.due.peek().map(|(date, _)| date)).chain(self.triggers.deadline()).min()
    }

    pub(crate) fn bridge_named(&self, name: &str) -> Option<&Bridge> {
        self.bridges.get(*self.names.get(name)?)
    }

    pub(crate) fn port_mut(&mut self, bridge: BridgeId, number: OfPort) -> Option<&mut Port> {
        self.bridges.get_mut(bridge)?.ports.get_mut(&number)
    }

    pub(crate) fn port_at(&self, peer: Peer) -> Option<&Port> {
        self.bridges.get(peer.bridge)?.port(peer.port)
    }

    /// The other end of a link to another switch.
    pub(crate) fn other_end(&self, port: &Port) -> Option<(&Bridge, &Port)> {
        let peer = port.peer?;
        let bridge = self.bridges.get(peer.bridge)?;
        Some((bridge, bridge.port(peer.port)?))
    }

    /// Whatever rests on a port, or on floods of its bridge, is outdated.
    pub(crate) fn touch(&mut self, bridge: BridgeId, number: OfPort) {
        let version = self.next_version();
        if let Some(bridge) = self.bridges.get_mut(bridge) {
            bridge.version = version;
            if let Some(port) = bridge.ports.get_mut(&number) {
                port.version = version;
            }
        }
    }

    /// The last version that was given to anything.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Tells the caches to check what they hold.
    pub(crate) fn advance(&self) {
        if !self.is_quiet {
            self.epoch.advance();
        }
    }
}

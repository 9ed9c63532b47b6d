//! Does the steps of a plan to hosts, switch model and workers, and undoes them.
//!
//! | phase | done | undone |
//! |---|---|---|
//! | detach links, remove nodes | nothing yet but to take the names of namespaces away | names again |
//! | make, change nodes | at once, a batch | they go; they change back, with new devices |
//! | configure switches | the whole configuration, at the cost of the difference | the former one |
//! | attach, shape links | at once | the former port, or none |
//! | change cards of guests | at once, and as far as the guest goes along | they come and go again |
//! | settle | files | files |
//!
//! What others rely on goes last: nodes and links that the file no longer has end in [`Execution::commit`], when
//! nothing can fail any more. So a failure never costs a running program.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use netloom_api::{ApiError, ErrorKind};
use netloom_container::limits::SetError;
use netloom_datapath::{Direction, PortSpec};
use netloom_flow::{Policing, PortId, Qos, TenantId};
use netloom_lab::Lab;
use netloom_lab::apply::{Executor, Labs};
use netloom_lab::limits::Limits;
use netloom_lab::plan::{Action, BothSettings, ByHand, Phase, Plan, Step};
use netloom_lab::tunnel::{Tunnel, TunnelType};

use super::core::Core;
use super::handle::{directions, zone};
use super::hints::refused;
use super::limits::prepare::set_failed;
use super::moving::owners_here;
use super::nodes::NodeError;
use super::running::{Nic, NodeState, Running, State};
use super::tunnels::TunnelError;
use crate::host::{HostInterface, HostNet};
use crate::wiring::PortMap;
use crate::worker::Device;
use crate::{Sink, slowpath, wiring};

/// A lab in the words of hosts and datapath.
pub(super) struct Target {
    lab: Arc<Lab>,
    /// What switches and ports do otherwise than the lab has it.
    by_hand: ByHand,
    ports: PortMap,
    specs: BTreeMap<PortId, PortSpec>,
    /// Queues and policing of the ports that have any.
    qos: BTreeMap<PortId, PortQos>,
    /// The ports whose tenant may send only so much.
    shares: BTreeMap<PortId, (TenantId, u64)>,
    nets: BTreeMap<String, HostNet>,
}

type PortQos = (Option<Qos>, Option<Policing>);

impl Target {
    /// `lab`, with what is kept of changes by hand, and with ports that go on from `ports`.
    ///
    /// `absent`: the nodes for which there is no virtual function.
    pub(super) fn new(
        running: &Running,
        ports: &PortMap,
        (lab, by_hand): (Arc<Lab>, ByHand),
        absent: &BTreeSet<String>,
    ) -> Self {
        let mut ports = ports.clone();
        ports.update(&lab);
        let specs = wiring::port_specs(&lab, &ports).into_iter().map(|spec| (spec.id, spec)).collect();
        let net = |node: &netloom_lab::lab::Node| {
            wiring::host_net(&lab, node, &ports, running.auto, !absent.contains(&node.name))
        };
        let nets = lab.nodes.iter().map(|node| (node.name.clone(), net(node))).collect();
        let (qos, shares) = (port_qos(&lab, &ports), wiring::shares(&lab, &ports));
        Self { lab, by_hand, ports, specs, qos, shares, nets }
    }

    fn id(&self, link: &str, left: bool) -> Option<PortId> {
        self.ports.link(link).map(|[a, b]| if left { a } else { b })
    }

    fn config(&self) -> netloom_switch::config::Config {
        netloom_lab::config::config(&self.lab.with(&self.by_hand), &|link, left| self.id(link, left))
    }
}

/// A plan on its way.
pub(super) struct Execution<'a> {
    running: &'a Running,
    core: &'a Core,
    state: &'a mut State,
    sink: &'a Sink,
    old: Target,
    new: Target,
    /// Every port as it was, links changed by hand included.
    before: BTreeMap<PortId, PortSpec>,
    /// Devices that were made and have no port yet, by its number.
    devices: BTreeMap<u32, Box<dyn Device>>,
    made: BTreeMap<String, NodeState>,
    removing: BTreeSet<String>,
    failure: Option<ApiError>,
}

type Results = Vec<Result<(), String>>;
/// A device that is to be a port, with the port's number.
type At = (u32, Box<dyn Device>);

impl<'a> Execution<'a> {
    pub(super) fn new(
        running: &'a Running,
        core: &'a Core,
        state: &'a mut State,
        new: Target,
        sink: &'a Sink,
    ) -> Self {
        let old = Target {
            lab: Arc::clone(&state.lab),
            by_hand: state.by_hand.clone(),
            ports: state.ports.clone(),
            specs: state.specs.clone(),
            qos: port_qos(&state.lab, &state.ports),
            shares: wiring::shares(&state.lab, &state.ports),
            nets: state.nodes.iter().map(|(name, node)| (name.clone(), node.net.clone())).collect(),
        };
        Self {
            before: state.specs.clone(),
            running,
            core,
            state,
            sink,
            old,
            new,
            devices: BTreeMap::new(),
            made: BTreeMap::new(),
            removing: BTreeSet::new(),
            failure: None,
        }
    }

    /// The lab that is wanted.
    pub(super) fn lab(&self) -> Arc<Lab> {
        Arc::clone(&self.new.lab)
    }

    /// What failed first, in full.
    pub(super) fn into_failure(self) -> Option<ApiError> {
        self.failure
    }

    /// Everything is done that can fail: what the lab no longer has ends, and the state is the new one.
    pub(super) fn commit(self) {
        let Self { running, core, state, new, before, made, removing, .. } = self;
        let gone: Vec<String> = removing.into_iter().collect();
        running.machines.forget(&gone);
        running.programs.forget(&gone);
        // One that is only made anew keeps its group and what it was set to by hand.
        let ended = gone.iter().filter(|name| new.lab.node(name).is_none()).cloned().collect::<Vec<_>>();
        running.programs.groups().forget(&ended);
        let cards = state.nodes.iter().filter(|(name, _)| !gone.contains(name)).map(|(_, node)| node);
        let cards: BTreeSet<PortId> = cards.chain(made.values()).flat_map(NodeState::cards).collect();
        running.guests.keep(core, &running.ledger, &cards);
        let stay = state.nodes.iter().filter(|(name, _)| !gone.contains(name)).map(|(_, node)| node);
        running.interfaces.keep(core, &stay.chain(made.values()).flat_map(NodeState::real_ports).collect());
        for port in before.keys().filter(|port| !new.specs.contains_key(port)) {
            running.tunnels.close(core, *port);
            core.remove_port(*port);
            state.specs.remove(port);
        }
        for name in gone.iter().filter(|name| made.get(*name).is_none_or(|made| made.net.function.is_none()))
        {
            running.functions.take(name, state.nodes.get(name).map(|node| &*node.netns));
        }
        let is_away = |name: &str| made.get(name).or_else(|| state.nodes.get(name)).is_some_and(|it| it.away);
        let owners = owners_here(&new.lab, &|link, left| new.id(link, left), is_away);
        slowpath::write(core.switch()).set_owners(&owners);
        core.services().update(&new.lab);
        core.settle();
        // Their devices are closed; the last holder of a namespace takes them along.
        gone.iter().for_each(|name| drop(state.nodes.remove(name)));
        state.nodes.extend(made);
        for (name, node) in &mut state.nodes {
            if let Some(net) = new.nets.get(name) {
                node.net.clone_from(net);
            }
        }
        running.gateways.update(|name| new.nets.get(name));
        state.drift = drift(state, &new);
        state.lab = new.lab;
        state.by_hand = new.by_hand;
        state.ports = new.ports;
    }

    /// Notes the first failure in full, and says it of every step of the batch.
    fn refuse(&mut self, error: ApiError, steps: usize) -> Results {
        let causes = error.detail.causes.last().map(|cause| format!(" {cause}")).unwrap_or_default();
        let text = format!("{}{causes}", error.message);
        tracing::error!(error = text, "a step failed");
        self.failure.get_or_insert(error);
        vec![Err(text); steps]
    }

    fn add_nodes(&mut self, steps: &[Step]) -> Results {
        let names = steps.iter().filter_map(|step| match &step.action {
            Action::AddNode(name) => Some(name.clone()),
            _ => None,
        });
        let names: Vec<String> = names.collect();
        let net = |name: &String| Some((name.clone(), self.new.nets.get(name)?.clone()));
        let wanted: Vec<(String, HostNet)> = names.iter().filter_map(net).collect();
        let made = match self.running.make_nodes(&wanted, self.sink) {
            Ok(made) => made,
            Err(error) => {
                self.clear_cards();
                return self.refuse(node_failed(&error), steps.len());
            }
        };
        for ((name, net), made) in wanted.into_iter().zip(made) {
            self.devices.extend(made.devices);
            let (netns, nics) = (made.netns, made.nics);
            let vm = self.new.lab.node(&name).and_then(|node| node.vm.as_deref());
            let away = vm.is_some_and(|vm| vm.standby);
            let node = NodeState { netns, net, stopped: away, away, paused: false, named: None, nics };
            self.made.insert(name, node);
        }
        let lab = self.lab();
        let given = names.iter().try_for_each(|name| {
            let device = self.give(&lab, name)?;
            self.devices.extend(device);
            Ok(())
        });
        if let Err(error) = given {
            let made = std::mem::take(&mut self.made);
            made.iter().for_each(|(name, made)| self.take_back(name, made));
            self.devices.clear();
            self.clear_cards();
            return self.refuse(error, steps.len());
        }
        for node in lab.nodes.iter().filter(|node| node.netns.is_some()) {
            let (Some(name), Some(state)) = (&node.netns, self.made.get_mut(&node.name)) else { continue };
            match self.running.name(&node.name, &state.netns, name) {
                Ok(path) => state.named = Some(path),
                Err(error) => {
                    let made = std::mem::take(&mut self.made);
                    self.running.unname_all(made.values());
                    made.iter().for_each(|(name, made)| self.take_back(name, made));
                    self.devices.clear();
                    self.clear_cards();
                    return self.refuse(error, steps.len());
                }
            }
        }
        vec![Ok(()); steps.len()]
    }

    /// Gives a node that was made its virtual function: the one that another of its name has, if it is made anew. Returns what its
    /// port at a switch is, where its card shows a representor: the number of the port, and the device.
    fn give(&self, lab: &Lab, name: &str) -> Result<Option<At>, ApiError> {
        let (Some(node), Some(made)) = (lab.node(name), self.made.get(name)) else { return Ok(None) };
        let Some(function) = &made.net.function else { return Ok(None) };
        let old = self.state.nodes.get(name).filter(|old| old.net.function.is_some());
        let given = self.running.functions.give(node, &made.net, &made.netns, old.map(|old| &*old.netns))?;
        given.map(|representor| self.represent(function, &representor)).transpose()
    }

    fn represent(&self, function: &HostInterface, representor: &str) -> Result<At, ApiError> {
        let device = self.running.interfaces.open(self.core, PortId(function.port), representor);
        let device = device.map_err(|error| {
            refused(ErrorKind::Failed, format!("Cannot join the representor {representor}."), &error)
        })?;
        Ok((function.port, device))
    }

    /// A node that was made goes again: its virtual function is that of the one before it, or nobody's.
    fn take_back(&self, name: &str, made: &NodeState) {
        if made.net.function.is_none() {
            return;
        }
        let before = self.state.nodes.get(name).filter(|old| old.net.function.is_some());
        let Some((old, node)) = before.zip(self.old.lab.node(name)) else {
            self.running.functions.take(name, Some(&made.netns));
            return;
        };
        let given = self.running.functions.give(node, &old.net, &old.netns, Some(&made.netns));
        let device = given.and_then(|representor| match (representor, &old.net.function) {
            (Some(representor), Some(function)) => self.represent(function, &representor).map(Some),
            _ => Ok(None),
        });
        match device {
            Ok(Some((port, device))) => {
                if let Some(spec) = self.before.get(&PortId(port)) {
                    self.core.add_port(spec, Some(device));
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::error!(
                    node = name,
                    error = error.message,
                    "a virtual function could not be given back"
                );
            }
        }
    }

    /// A node that was to go stays.
    fn keep_node(&mut self, name: &str) -> Result<(), String> {
        self.removing.remove(name);
        self.plug_in_again(name)?;
        let wanted = self.old.lab.node(name).and_then(|node| node.netns.clone());
        match (self.state.nodes.get_mut(name), wanted) {
            (Some(node), Some(wanted)) => {
                node.named = Some(self.running.name(name, &node.netns, &wanted).map_err(|e| e.message)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The ports of a virtual machine that stays may have got devices of another one under its name.
    fn plug_in_again(&mut self, name: &str) -> Result<(), String> {
        let Some(node) = self.state.nodes.get(name) else { return Ok(()) };
        for (interface, nic) in node.net.interfaces.iter().zip(&node.nics) {
            let device = self.running.device(nic).map_err(|error| error.to_string())?;
            self.devices.insert(interface.port, device);
        }
        if !node.nics.is_empty() {
            self.reattach();
        }
        Ok(())
    }

    fn remove_node(&mut self, name: &str, undoing: bool) -> Result<(), String> {
        if undoing {
            return match self.made.remove(name) {
                Some(node) => {
                    self.take_back(name, &node);
                    self.clear_cards();
                    self.running.unname(&node).map_err(|e| e.to_string())
                }
                None => Ok(()),
            };
        }
        if let Some(node) = self.state.nodes.get_mut(name) {
            self.running.unname(node).map_err(|e| e.to_string())?;
            node.named = None;
        }
        self.removing.insert(name.to_owned());
        Ok(())
    }

    /// Cards of virtual machines, and interfaces of the machine, that did not come to be go.
    fn clear_cards(&self) {
        let there = || self.state.nodes.values().chain(self.made.values());
        self.running.interfaces.keep(self.core, &there().flat_map(NodeState::real_ports).collect());
        let cards = there().flat_map(NodeState::cards).collect();
        self.running.guests.keep(self.core, &self.running.ledger, &cards);
    }

    fn change_node(&mut self, name: &str, undoing: bool) -> Result<(), String> {
        let (from, to) = if undoing { (&self.new, &self.old) } else { (&self.old, &self.new) };
        let (Some(node), Some(old), Some(new)) =
            (self.state.nodes.get_mut(name), from.nets.get(name), to.nets.get(name))
        else {
            return Err("it is not there".to_owned());
        };
        match self.running.change_node(name, &node.netns, old, new) {
            Ok(fresh) => self.devices.extend(fresh),
            Err(error) => {
                // It may be half changed.
                match self.running.change_node(name, &node.netns, new, old) {
                    Ok(fresh) => self.devices.extend(fresh),
                    Err(error) => tracing::error!(node = name, %error, "a node could not be put back"),
                }
                self.reattach();
                let text = format!("{error}: {}", error.source);
                self.failure.get_or_insert(node_failed(&error));
                return Err(text);
            }
        }
        if let (Some(before), Some(after)) = (from.lab.node(name), to.lab.node(name))
            && before.vf != after.vf
            && let Err(error) = self.running.functions.change(after)
        {
            if let Err(error) = self.running.functions.change(before) {
                tracing::error!(node = name, error = error.message, "a virtual function is not as it was");
            }
            let text = error.message.clone();
            self.failure.get_or_insert(error);
            return Err(text);
        }
        let wanted = |target: &Target| target.lab.node(name).and_then(|node| node.netns.clone());
        let (before, after) = (wanted(from), wanted(to));
        if before != after {
            self.running.unname(node).map_err(|e| e.to_string())?;
            node.named = None;
            if let Some(after) = after {
                let named = self.running.name(name, &node.netns, &after);
                node.named = Some(named.map_err(|error| {
                    let text = error.message.clone();
                    self.failure.get_or_insert(error);
                    text
                })?);
            }
        }
        Ok(())
    }

    /// A machine that stays gets and loses cards, and its guest is told of them.
    fn plug(&mut self, name: &str, undoing: bool) -> Result<(), String> {
        let (from, to) = if undoing { (&self.new, &self.old) } else { (&self.old, &self.new) };
        let lab = Arc::clone(&to.lab);
        let (Some(made), Some(before), Some(net), Some(node)) =
            (self.state.nodes.get(name), from.nets.get(name), to.nets.get(name), lab.node(name))
        else {
            return Err("it is not there".to_owned());
        };
        if made.paused {
            return self.stays(name, "it is paused, and whoever stands still lets go of nothing");
        }
        let known = before.interfaces.iter().zip(&made.nics);
        let known: BTreeMap<&str, &Nic> = known.map(|(it, nic)| (it.name.as_str(), nic)).collect();
        let mut nics = Vec::new();
        let mut devices = Vec::new();
        for interface in &net.interfaces {
            if let Some(nic) = known.get(interface.name.as_str()) {
                nics.push((*nic).clone());
                continue;
            }
            match self.running.card(net.guest, interface) {
                Ok((nic, device)) => {
                    nics.push(nic);
                    devices.push((PortId(interface.port), device));
                }
                Err(error) => return self.stays(name, &error.to_string()),
            }
        }
        for (port, device) in devices {
            let Some(spec) = self.state.specs.get(&port) else { continue };
            self.core.add_port(spec, Some(device));
        }
        let containers = self.running.programs.containers();
        if let Err(why) = self.running.machines.rewire(&lab, node, containers, net, &nics) {
            return self.stays(name, &why);
        }
        if let Some(made) = self.state.nodes.get_mut(name) {
            made.nics = nics;
        }
        Ok(())
    }

    /// The cards of a machine stay what they are.
    fn stays(&mut self, name: &str, why: &str) -> Result<(), String> {
        let error = ApiError::new(ErrorKind::Failed, format!("Cannot change the cards of {name}: {why}."));
        self.failure.get_or_insert(error);
        Err(why.to_owned())
    }

    /// Sets what a node may use; its programs go on.
    fn limit(&mut self, name: &str, to: &Limits) -> Result<(), String> {
        let Some(node) = self.new.lab.node(name) else { return Err("it is not there".to_owned()) };
        let netns = self.state.nodes.get(name).map(|made| &*made.netns);
        let set = self.running.programs.groups().set(node, netns, to);
        set.map_err(|error| self.not_set(&format!("The limits of {name}"), to, &error))
    }

    /// Sets what a tenant's nodes may use together.
    fn quota(&mut self, name: &str, undoing: bool) -> Result<(), String> {
        let lab = Arc::clone(if undoing { &self.old.lab } else { &self.new.lab });
        let limits = lab.tenant(name).map(|tenant| tenant.quota.limits()).unwrap_or_default();
        let groups = self.running.programs.groups();
        groups
            .set_tenant(name, &limits)
            .map_err(|error| self.not_set(&format!("The quota of {name}"), &limits, &error))?;
        let nodes = lab.nodes.iter().filter(|node| node.tenant == name && !limits.is_unlimited());
        for node in nodes {
            let Some(made) = self.state.nodes.get(&node.name) else { continue };
            groups.enter(node, Some(&*made.netns)).map_err(|error| error.to_string())?;
        }
        self.share(undoing);
        Ok(())
    }

    /// Ports that are there are counted for other tenants, or with other rates, in place.
    fn share(&self, undoing: bool) {
        let (from, to) = if undoing { (&self.new, &self.old) } else { (&self.old, &self.new) };
        let ports: BTreeSet<PortId> = from.shares.keys().chain(to.shares.keys()).copied().collect();
        for port in ports.into_iter().filter(|port| from.shares.get(port) != to.shares.get(port)) {
            self.core.set_share(port, to.shares.get(&port).copied());
        }
    }

    fn not_set(&mut self, what: &str, limits: &Limits, error: &SetError) -> String {
        let said = set_failed(what, limits, error);
        let text = said.message.clone();
        self.failure.get_or_insert(said);
        text
    }

    /// Devices that were made anew for ports that were there before.
    fn reattach(&mut self) {
        for (port, device) in std::mem::take(&mut self.devices) {
            match self.before.get(&PortId(port)) {
                Some(spec) => self.core.add_port(spec, Some(device)),
                None => drop(self.devices.insert(port, device)),
            }
        }
    }

    fn configure(&mut self, steps: &[Step], undoing: bool) -> Results {
        let target = if undoing { &self.old } else { &self.new };
        // What passed under the old configuration is credited to it, not learned under the new one.
        drop(self.core.fresh());
        let done = slowpath::write_between(self.core.switch()).reconfigure(&target.config(), slowpath::now());
        if let Err(error) = done {
            let error = ApiError::caused(ErrorKind::InvalidFile, "The switches cannot be set up so.", &error);
            return self.refuse(error, steps.len());
        }
        self.queue(undoing);
        let (before, after) = if undoing { (&self.new, &self.old) } else { (&self.old, &self.new) };
        let bridge_of = |name: &str| slowpath::read(self.core.switch()).bridge_id(name);
        zone::apply(self.core.tracker(), &bridge_of, &before.lab, &after.lab);
        for step in steps {
            if let Action::ResetFlows(switch) = &step.action {
                slowpath::write_between(self.core.switch()).reset_flows(switch, slowpath::now());
            }
        }
        vec![Ok(()); steps.len()]
    }

    /// Ports that are there get other queues, and other policing, in place.
    fn queue(&self, undoing: bool) {
        let (from, to) = if undoing { (&self.new, &self.old) } else { (&self.old, &self.new) };
        let ports: BTreeSet<PortId> = from.qos.keys().chain(to.qos.keys()).copied().collect();
        for port in ports.into_iter().filter(|port| from.qos.get(port) != to.qos.get(port)) {
            self.core.set_qos(port, to.qos.get(&port).unwrap_or(&(None, None)));
        }
    }

    /// Ports of a link become what the wanted lab has them to be.
    fn attach(&mut self, link: &str) -> Result<(), String> {
        self.dig(link, false)?;
        for port in ports(&self.new, link) {
            let Some(wanted) = self.new.specs.get(&port) else { continue };
            // A port of a node that was stopped stays down until the node is started.
            let up = self.before.get(&port).map_or(wanted.up, |before| before.up);
            let spec = PortSpec { up, ..wanted.clone() };
            self.core.add_port(&spec, self.devices.remove(&port.0));
            if let Some(qos) = self.new.qos.get(&port) {
                self.core.set_qos(port, qos);
            }
            let share = self.new.shares.get(&port);
            if share.is_some() || self.old.shares.contains_key(&port) {
                self.core.set_share(port, share.copied());
            }
            self.state.specs.insert(port, spec);
        }
        Ok(())
    }

    /// Makes the device of a link that is a tunnel, as the wanted lab or the former one has it.
    fn dig(&mut self, link: &str, former: bool) -> Result<(), String> {
        let target = if former { &self.old } else { &self.new };
        let found = target.lab.links.iter().find(|known| known.id == link);
        let Some((tunnel, [port, _])) =
            found.and_then(|link| link.tunnel.clone()).zip(target.ports.link(link))
        else {
            return Ok(());
        };
        let ports = &mut self.new.ports;
        match self.running.tunnels.open(self.core, port, &tunnel, &mut || ports.fresh()) {
            Ok(device) => drop(self.devices.insert(port.0, device)),
            Err(error) => {
                let text = format!("{error}{}", causes(&error));
                let said =
                    ApiError::caused(ErrorKind::Failed, format!("Cannot set up the tunnel {link}."), &error);
                self.failure.get_or_insert(match hint(&tunnel, &error) {
                    Some(hint) => said.hint(hint),
                    None => said,
                });
                return Err(text);
            }
        }
        Ok(())
    }

    /// What a tunnel listens for may be the next one's.
    fn fill_in(&mut self, link: &str) {
        let is_tunnel = self.old.lab.links.iter().any(|known| known.id == link && known.tunnel.is_some());
        if let Some([port, _]) = self.old.ports.link(link).filter(|_| is_tunnel) {
            self.running.tunnels.close(self.core, port);
        }
    }

    /// A tunnel that is another one now, between the same ends: its switches have it in their configuration, though nothing
    /// else of them changes.
    fn tell_switches(&self, link: &str, undoing: bool) -> Result<(), String> {
        let of = |target: &Target| {
            let found = target.lab.links.iter().find(|known| known.id == link)?;
            Some((found.tunnel.clone(), found.fused.clone()))
        };
        if of(&self.old) == of(&self.new) || of(&self.old).is_none() || of(&self.new).is_none() {
            return Ok(());
        }
        let target = if undoing { &self.old } else { &self.new };
        let mut switch = slowpath::write_between(self.core.switch());
        switch.reconfigure(&target.config(), slowpath::now()).map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Ports of a link become what they were.
    fn detach_again(&mut self, link: &str) {
        if let Err(error) = self.dig(link, true) {
            tracing::error!(link, error, "a tunnel could not be put back");
        }
        for port in ports(&self.new, link).into_iter().chain(ports(&self.old, link)) {
            match self.before.get(&port) {
                Some(spec) => {
                    self.core.add_port(spec, self.devices.remove(&port.0));
                    self.core.set_share(port, self.old.shares.get(&port).copied());
                    self.state.specs.insert(port, spec.clone());
                }
                None => {
                    self.running.tunnels.close(self.core, port);
                    self.running.guests.close(self.core, &self.running.ledger, port);
                    self.running.interfaces.close(self.core, port);
                    self.core.remove_port(port);
                    self.state.specs.remove(&port);
                }
            }
        }
    }

    fn shape(&mut self, link: &str, to: &BothSettings) -> Result<(), String> {
        let there = self.new.lab.links.iter().find(|l| l.id == link).zip(self.new.ports.link(link));
        let Some((link, [a, b])) = there else { return Err("it is not there".to_owned()) };
        let (out, home) = directions(link, a, b);
        for ((port, direction), settings) in [(out, &to.forth), (home, &to.back)] {
            let Some(spec) = self.state.specs.get_mut(&port) else { continue };
            let before = spec.clone();
            let side =
                if direction == Direction::ToSwitch { &mut spec.to_switch } else { &mut spec.from_switch };
            side.clone_from(settings);
            set_links(self.core, &before, spec);
        }
        Ok(())
    }
}

impl Executor for Execution<'_> {
    fn validate(&mut self, plan: &Plan, labs: Labs<'_>) -> Vec<String> {
        let workers = usize::from(labs.to.options.workers.max(1));
        let _ = plan;
        if self.core.workers() == workers {
            return Vec::new();
        }
        vec!["The number of workers cannot change while the lab runs.".to_owned()]
    }

    fn run(
        &mut self,
        phase: Phase,
        steps: &[Step],
        labs: Labs<'_>,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Result<(), String>> {
        let undoing = !std::ptr::eq(labs.to, &raw const *self.new.lab);
        if self.sink.is_cancelled() && !undoing {
            return vec![Err("stopped".to_owned()); steps.len()];
        }
        match phase {
            Phase::AddNodes if !undoing => self.add_nodes(steps),
            Phase::Switches => self.configure(steps, undoing),
            _ => {
                let mut results = Results::with_capacity(steps.len());
                for step in steps {
                    results.push(self.one(step, undoing));
                    progress(results.len());
                }
                results
            }
        }
    }
}

impl Execution<'_> {
    /// A step of its own.
    fn one(&mut self, step: &Step, undoing: bool) -> Result<(), String> {
        match &step.action {
            Action::RemoveNode(name) => self.remove_node(name, undoing),
            Action::AddNode(name) => self.keep_node(name),
            Action::ChangeNode { node, .. } => self.change_node(node, undoing),
            Action::Plug { node, .. } => self.plug(node, undoing),
            Action::Limit { node, to, .. } => self.limit(node, to),
            Action::Quota(tenant) => self.quota(tenant, undoing),
            Action::AddLink(link) if undoing => {
                // The port stood all the time; only its device may be another.
                self.detach_again(link);
                Ok(())
            }
            Action::AddLink(link) => {
                self.attach(link)?;
                self.tell_switches(link, false)
            }
            Action::RemoveLink(link) => {
                if undoing {
                    self.detach_again(link);
                    self.tell_switches(link, true)?;
                } else {
                    self.fill_in(link);
                }
                Ok(())
            }
            Action::ShapeLink { link, to, .. } => self.shape(link, to),
            Action::Names(_) => {
                let lab = if undoing { &self.old.lab } else { &self.new.lab };
                self.running.programs.write_hosts(lab).map_err(|e| {
                    let error = refused(ErrorKind::Failed, "Cannot write the nodes' /etc/hosts.", &e);
                    self.failure.get_or_insert(error);
                    e.to_string()
                })
            }
            // By `Programs::update`, once everything stands.
            Action::StopRun(_)
            | Action::StartRun(_)
            | Action::AddController(_)
            | Action::ChangeController(_)
            | Action::RemoveController(_) => Ok(()),
            Action::RemoveSwitch(_)
            | Action::AddSwitch(_)
            | Action::ChangeSwitch(_)
            | Action::ResetVlan(_)
            | Action::ResetControl(_)
            | Action::ResetFlows(_)
            | Action::Options => self.configure(std::slice::from_ref(step), undoing).pop().unwrap_or(Ok(())),
        }
    }
}

/// Queues and policing of the ports that have any.
fn port_qos(lab: &Lab, ports: &PortMap) -> BTreeMap<PortId, PortQos> {
    let all = lab.switches.iter().flat_map(|switch| &switch.ports);
    let with = all.filter(|port| port.qos.is_some() || port.policing.is_some());
    let of = |port: &netloom_lab::lab::SwitchPort| {
        let [a, b] = ports.link(&port.link)?;
        Some((if port.left { a } else { b }, (port.qos.clone(), port.policing)))
    };
    with.filter_map(of).collect()
}

/// The ports of a link, each once.
fn ports(target: &Target, link: &str) -> Vec<PortId> {
    let mut ports: Vec<PortId> = target.ports.link(link).into_iter().flatten().collect();
    ports.dedup();
    ports
}

/// Links that are not as the lab has them.
fn drift(state: &State, new: &Target) -> BTreeMap<String, [netloom_flow::LinkSettings; 2]> {
    let known = new.lab.links.iter().filter(|link| state.drift.contains_key(&link.id));
    let now = known.filter_map(|link| {
        let [a, b] = new.ports.link(&link.id)?;
        let (out, home) = directions(link, a, b);
        let settings = |(port, direction): (PortId, Direction)| {
            let spec = state.specs.get(&port)?;
            Some(if direction == Direction::ToSwitch {
                spec.to_switch.clone()
            } else {
                spec.from_switch.clone()
            })
        };
        let now = [settings(out)?, settings(home)?];
        (now != [link.forth.clone(), link.back.clone()]).then(|| (link.id.clone(), now))
    });
    now.collect()
}

/// Brings the links of a port that stays from `before` to `spec`.
pub(super) fn set_links(core: &Core, before: &PortSpec, spec: &PortSpec) {
    if before.to_switch != spec.to_switch {
        core.set_link(spec.id, Direction::ToSwitch, &spec.to_switch);
    }
    if before.from_switch != spec.from_switch {
        core.set_link(spec.id, Direction::FromSwitch, &spec.from_switch);
    }
    core.set_state(spec);
}

fn causes(error: &dyn std::error::Error) -> String {
    error.source().map(|cause| format!(": {cause}{}", causes(cause))).unwrap_or_default()
}

/// What to do about a tunnel that the host refused.
fn hint(tunnel: &Tunnel, error: &TunnelError) -> Option<String> {
    let TunnelError::Host(error) = error else { return None };
    match error.errno {
        netloom_sys::Errno::ADDRINUSE => Some(format!(
            "{} port {} is taken on this machine, perhaps by another lab or a device of the kernel; say `local_ip`, \
             or another `dst_port` at both ends",
            if tunnel.kind == TunnelType::Stt { "TCP" } else { "UDP" },
            tunnel.dst_port
        )),
        netloom_sys::Errno::PERM | netloom_sys::Errno::ACCESS => {
            Some("this needs CAP_NET_RAW in the machine's network; vxlan and geneve do without".to_owned())
        }
        _ => None,
    }
}

fn node_failed(error: &NodeError) -> ApiError {
    refused(ErrorKind::Failed, format!("{error}."), &error.source)
}

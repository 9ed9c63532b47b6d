//! Making the lab be what a file says, at the cost of the difference.
//!
//! Order: what can fail comes first (nodes, then the switch model, which refuses a configuration as a whole), what
//! cannot comes last (telling the workers). A failure undoes in reverse what this call did; what was there before is
//! touched only where the file changed it.

use std::collections::BTreeMap;
use std::sync::Arc;

use netloom_api::{ApiError, Applied, ErrorKind, Progress, Wanted};
use netloom_datapath::{Direction, PortSpec};
use netloom_flow::PortId;
use netloom_lab::Lab;

use super::core::Core;
use super::nodes::{self, Devices, NodeError};
use super::running::{NodeState, Running, State};
use crate::host::HostNet;
use crate::worker::Device;
use crate::{Sink, slowpath, wiring};

/// The lab as it is to be, in the words of hosts and datapath.
struct Target {
    lab: Arc<Lab>,
    ports: wiring::PortMap,
    specs: BTreeMap<PortId, PortSpec>,
    nets: BTreeMap<String, HostNet>,
    config: netloom_switch::config::Config,
    owners: netloom_switch::Owners,
}

impl Running {
    /// Makes the lab be `lab`. `reset` also undoes what was changed by hand.
    ///
    /// # Errors
    /// What the host or the switch model refused; everything is as it was.
    pub(super) fn apply(
        &self,
        lab: Lab,
        wanted: Wanted,
        reset: bool,
        sink: &Sink,
    ) -> Result<Applied, ApiError> {
        let begin = netloom_sys::clock::now();
        let core = self
            .core_for(&lab)
            .map_err(|e| ApiError::caused(ErrorKind::Machine, "Cannot start the lab's threads.", &e))?;
        let mut state = self.state();
        let target = self.target(&state, lab);
        if core.workers() != usize::from(target.lab.options.workers.max(1)) {
            return Err(ApiError::new(
                ErrorKind::Unsupported,
                "The number of workers cannot change while the lab runs.",
            )
            .hint("netloom down, then netloom up"));
        }
        let mut count = Applied::default();
        let removed: Vec<String> =
            state.nodes.keys().filter(|name| !target.nets.contains_key(*name)).cloned().collect();
        let (made, mut devices) = self.add_nodes(&state, &target, sink)?;
        count.created += made.len() as u64;
        let changed = self.change_nodes(&state, &target, &mut devices)?;
        count.changed += changed.len() as u64;
        let reconfigured = slowpath::write(core.switch()).reconfigure(&target.config, slowpath::now());
        if let Err(error) = reconfigured {
            self.put_back(&state, &changed);
            return Err(ApiError::caused(
                ErrorKind::InvalidFile,
                "The switches cannot be set up so.",
                &error,
            ));
        }
        sink.send(Progress::Phase { phase: "links".into(), total: target.specs.len() as u64 });
        count.created +=
            target.lab.switches.iter().filter(|s| state.lab.switch(&s.name).is_none()).count() as u64;
        count.removed +=
            state.lab.switches.iter().filter(|s| target.lab.switch(&s.name).is_none()).count() as u64;
        slowpath::write(core.switch()).set_owners(&target.owners);
        wire(core, &mut state, &target, devices, reset, &mut count);
        for (name, node) in made {
            state.nodes.insert(name, node);
        }
        for (name, net) in changed {
            if let Some(node) = state.nodes.get_mut(&name) {
                node.net = net;
            }
        }
        count.removed += removed.len() as u64;
        let gone: Vec<NodeState> = removed.iter().filter_map(|name| state.nodes.remove(name)).collect();
        core.settle();
        self.programs.forget(&removed);
        self.unname_all(&gone);
        let before = std::mem::replace(&mut state.lab, Arc::clone(&target.lab));
        state.wanted = wanted;
        state.ports = target.ports;
        count.notes.extend(self.programs.update(&before, &state)?);
        count.lab = self.lab_row(&state);
        count.ms = netloom_flow::Nanos(netloom_sys::clock::now() - begin).as_secs_f64() * 1e3;
        Ok(count)
    }

    fn target(&self, state: &State, lab: Lab) -> Target {
        let mut ports = state.ports.clone();
        ports.update(&lab);
        let specs = wiring::port_specs(&lab, &ports).into_iter().map(|spec| (spec.id, spec)).collect();
        let net = |node| wiring::host_net(&lab, node, &ports, self.auto);
        let nets = lab.nodes.iter().map(|node| (node.name.clone(), net(node))).collect();
        let id = |link: &str, left: bool| ports.link(link).map(|[a, b]| if left { a } else { b });
        let config = netloom_lab::config::config(&lab, &id);
        let owners = netloom_lab::config::owners(&lab, &id);
        Target { lab: Arc::new(lab), ports, specs, nets, config, owners }
    }

    /// Makes the nodes that are new, and gives them their names.
    fn add_nodes(
        &self,
        state: &State,
        target: &Target,
        sink: &Sink,
    ) -> Result<(BTreeMap<String, NodeState>, Devices), ApiError> {
        // In file order, so that progress reads as the file does.
        let fresh = target.lab.nodes.iter().filter(|node| !state.nodes.contains_key(&node.name));
        let wanted: Vec<(String, HostNet)> = fresh
            .filter_map(|node| Some((node.name.clone(), target.nets.get(&node.name)?.clone())))
            .collect();
        sink.send(Progress::Phase { phase: "nodes".into(), total: wanted.len() as u64 });
        let made = self.make_nodes(&wanted, sink).map_err(|e| node_failed(&e))?;
        let mut nodes = BTreeMap::new();
        let mut devices = Devices::new();
        for ((name, net), made) in wanted.into_iter().zip(made) {
            devices.extend(made.devices);
            let node = NodeState { netns: made.netns, net, stopped: false, paused: false, named: None };
            nodes.insert(name, node);
        }
        if let Err(error) = self.name_nodes(target, &mut nodes) {
            self.unname_all(nodes.values());
            return Err(error);
        }
        Ok((nodes, devices))
    }

    fn name_nodes(&self, target: &Target, nodes: &mut BTreeMap<String, NodeState>) -> Result<(), ApiError> {
        for wanted in target.lab.nodes.iter() {
            let (Some(name), Some(node)) = (&wanted.netns, nodes.get_mut(&wanted.name)) else { continue };
            let path = self.journal_name(name)?;
            let named = nodes::name_netns(&node.netns, name);
            named.map_err(|e| {
                ApiError::caused(
                    ErrorKind::Failed,
                    format!("Cannot name the namespace of {}.", wanted.name),
                    &e,
                )
                .hint("`netns:` needs root, and a name that nobody uses: `ip netns list`")
            })?;
            node.named = Some(path);
        }
        Ok(())
    }

    /// Changes the nodes whose network the file changed; what they were is put back if one refuses.
    fn change_nodes(
        &self,
        state: &State,
        target: &Target,
        devices: &mut Devices,
    ) -> Result<Vec<(String, HostNet)>, ApiError> {
        let mut done: Vec<(String, HostNet)> = Vec::new();
        for (name, node) in &state.nodes {
            let Some(new) = target.nets.get(name).filter(|new| **new != node.net) else { continue };
            match self.change_node(name, &node.netns, &node.net, new) {
                Ok(fresh) => devices.extend(fresh),
                Err(error) => {
                    // The one that failed may be half changed.
                    done.push((name.clone(), new.clone()));
                    self.put_back(state, &done);
                    return Err(node_failed(&error));
                }
            }
            done.push((name.clone(), new.clone()));
        }
        Ok(done)
    }

    fn put_back(&self, state: &State, changed: &[(String, HostNet)]) {
        for (name, new) in changed.iter().rev() {
            let Some(node) = state.nodes.get(name) else { continue };
            if let Err(error) = self.change_node(name, &node.netns, new, &node.net) {
                tracing::error!(node = name, %error, "a node could not be put back");
            }
        }
    }
}

/// Tells the workers what is different, and the switch model how links are.
fn wire(core: &Core, state: &mut State, target: &Target, devices: Devices, reset: bool, count: &mut Applied) {
    if reset {
        state.drift.clear();
    }
    let mut devices: BTreeMap<u32, Box<dyn Device>> = devices.into_iter().collect();
    let old = std::mem::take(&mut state.specs);
    for port in old.keys().filter(|port| !target.specs.contains_key(port)) {
        core.remove_port(*port);
        count.removed += 1;
    }
    for (port, wanted) in &target.specs {
        let device = devices.remove(&port.0);
        let mut spec = wanted.clone();
        let before = old.get(port);
        if let Some(before) = before {
            // A port that is down is that of a stopped node, and stays so.
            spec.up = before.up;
            keep_drift(state, target, before, &mut spec);
        }
        match before {
            Some(before) if *before == spec && device.is_none() => {}
            Some(before) if device.is_none() && same_place(before, &spec) => {
                count.changed += 1;
                set_links(core, before, &spec);
            }
            _ => {
                count.created += u64::from(before.is_none());
                core.add_port(&spec, device);
            }
        }
        state.specs.insert(*port, spec);
    }
    state.drift.retain(|link, _| target.ports.link(link).is_some());
}

/// A link that was changed by hand stays as it is, unless the file changed it, too.
fn keep_drift(state: &State, target: &Target, before: &PortSpec, spec: &mut PortSpec) {
    let drifted =
        state.drift.keys().filter_map(|link| target.ports.link(link)).any(|ports| ports.contains(&spec.id));
    if drifted {
        spec.to_switch = before.to_switch.clone();
        spec.from_switch = before.from_switch.clone();
    }
}

fn same_place(a: &PortSpec, b: &PortSpec) -> bool {
    (a.attach, a.tenant, a.worker, a.link_seed) == (b.attach, b.tenant, b.worker, b.link_seed)
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

fn node_failed(error: &NodeError) -> ApiError {
    let mut failed = ApiError::caused(ErrorKind::Failed, format!("{error}."), &error.source);
    failed.detail.undone = vec!["every node made by this command".to_owned()];
    failed
}

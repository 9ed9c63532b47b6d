//! From what a file says to a lab with nothing left to guess.
//!
//! The stages, a file each, in this order: [`things`] (tenants, nodes, switches and networks by name),
//! [`gateways`] of networks, [`wires`] (links, interfaces, ports and their numbers), [`domains`] (who hears whom),
//! [`addresses`], [`routes`], [`services`] (what networks answer by themselves), [`qos`], [`vms`], [`functions`], [`nics`], [`order`], [`quota`], [`publish`],
//! [`script`] (events and expectations). A stage notes errors and goes on, so that all come in one run.
//!
//! Every stage may look at the lab that runs already: what the edited file leaves open stays as it is there.

mod addresses;
mod controllers;
mod domains;
mod functions;
mod gateways;
mod nics;
mod order;
mod publish;
mod qos;
mod quota;
mod routes;
mod script;
mod services;
mod things;
mod tunnels;
mod vms;
mod wires;

use std::collections::BTreeMap;
use std::rc::Rc;

use netloom_flow::LinkSettings;

use crate::address::Cidr;
use crate::container::{Container, STOP_TIMEOUT};
use crate::error::{Errors, Span};
use crate::file::{ContainerSpec, Gaps, LabFile, LimitsSpec, NodeSpec, Reader, SwitchSpec};
use crate::lab::{self, Lab, Options};
use crate::limits::{Limits, Quota};
use crate::mac::Mac;

/// Resolves a file.
///
/// # Errors
/// Names that nothing has, addresses twice, links that cannot be: all of them.
pub fn resolve(file: &LabFile) -> Result<Lab, Errors> {
    resolve_after(file, None)
}

/// Resolves an edited file of a lab that runs: ports keep their numbers, and interfaces the addresses that were
/// handed out to them, as far as the file still allows it.
///
/// # Errors
/// As [`resolve`].
pub fn resolve_after(file: &LabFile, running: Option<&Lab>) -> Result<Lab, Errors> {
    let mut draft = Draft::new(file, running);
    things::collect(&mut draft);
    gateways::add(&mut draft);
    wires::connect(&mut draft);
    let domains = domains::find(&mut draft);
    let domains = addresses::hand_out(&mut draft, domains);
    let routes = routes::compute(&mut draft, &domains);
    let mut lab = draft.finish(domains, routes);
    services::resolve(&draft, &mut lab);
    qos::resolve(&mut draft, &mut lab);
    vms::check(&mut draft);
    functions::check(&mut draft);
    nics::check(&mut draft);
    order::resolve(&mut draft, &mut lab);
    quota::resolve(&mut draft.reader, file, &mut lab);
    publish::check(&mut draft);
    controllers::resolve(&mut draft.reader, file, &mut lab);
    script::resolve(&mut draft.reader, file, &mut lab);
    Errors::unless_empty(&file.path, draft.reader.errors, lab)
}

/// The lab while it is being made: things refer to each other by index.
struct Draft<'f> {
    file: &'f LabFile,
    running: Running<'f>,
    reader: Reader,
    tenants: Vec<String>,
    tenant_index: BTreeMap<String, usize>,
    nodes: Vec<DraftNode>,
    switches: Vec<DraftSwitch>,
    networks: Vec<DraftNetwork>,
    links: Vec<DraftLink>,
    names: BTreeMap<String, Thing>,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Node(usize),
    Switch(usize),
    /// What is elsewhere: the link is a tunnel.
    Tunnel(usize),
}

struct DraftNode {
    name: String,
    tenant: usize,
    spec: Rc<NodeSpec>,
    span: Span,
    line: u32,
    interfaces: Vec<DraftInterface>,
    /// The switch of the network that it leads out of.
    gateway_of: Option<usize>,
    /// Whether a link of it leads to what is not there.
    is_cut_off: bool,
}

struct DraftInterface {
    name: String,
    link: usize,
    tenant: usize,
    vlan: u16,
    domain: usize,
    mac: Mac,
    mtu: u32,
    addresses: Vec<Cidr>,
    automatic: bool,
}

struct DraftSwitch {
    name: String,
    /// Index of the network that made it.
    network: Option<usize>,
    spec: Rc<SwitchSpec>,
    line: u32,
    ports: Vec<DraftPort>,
}

struct DraftPort {
    number: u32,
    name: String,
    link: usize,
    side: usize,
    tenant: Option<usize>,
    vlan: lab::Vlan,
}

struct DraftNetwork {
    tenant: usize,
    switch: usize,
    /// Index into the file's networks.
    entry: usize,
}

struct DraftLink {
    id: String,
    named: bool,
    ends: [DraftEnd; 2],
    forth: LinkSettings,
    back: LinkSettings,
    /// Index into the file's links; `None`: made by a topology or a network.
    entry: Option<usize>,
    span: Span,
    tenant: Option<usize>,
    line: u32,
    tunnel: Option<crate::tunnel::Tunnel>,
    /// It is a tunnel between two switches of the lab.
    fused: Option<crate::tunnel::Fused>,
    /// The tunnel is one of several, one for each tenant.
    of_tenant: Option<usize>,
}

struct DraftEnd {
    thing: Thing,
    name: Option<String>,
    /// Index of the interface or port, once it exists.
    index: usize,
}

/// What of a running lab is worth keeping, by name.
#[derive(Default)]
struct Running<'f> {
    tenants: BTreeMap<&'f str, u16>,
    ports: BTreeMap<(&'f str, &'f str, bool), u32>,
    interfaces: BTreeMap<(&'f str, &'f str), &'f lab::Interface>,
}

impl<'f> Running<'f> {
    fn new(lab: &'f Lab) -> Self {
        let ports = lab.links.iter().flat_map(|link| {
            [(&link.a, true), (&link.b, false)].into_iter().filter_map(|(end, left)| match end {
                lab::End::Switch { switch, port } => Some(((switch.as_str(), link.id.as_str(), left), *port)),
                lab::End::Node { .. } | lab::End::Tunnel { .. } => None,
            })
        });
        let interfaces = lab
            .nodes
            .iter()
            .flat_map(|node| node.interfaces.iter().map(move |i| ((node.name.as_str(), i.name.as_str()), i)));
        Self {
            tenants: lab.tenants.iter().map(|t| (t.name.as_str(), t.id)).collect(),
            ports: ports.collect(),
            interfaces: interfaces.collect(),
        }
    }
}

impl<'f> Draft<'f> {
    fn new(file: &'f LabFile, running: Option<&'f Lab>) -> Self {
        Self {
            file,
            running: running.map(Running::new).unwrap_or_default(),
            reader: Reader::after(file.gaps),
            tenants: Vec::new(),
            tenant_index: BTreeMap::new(),
            nodes: Vec::new(),
            switches: Vec::new(),
            networks: Vec::new(),
            links: Vec::new(),
            names: BTreeMap::new(),
        }
    }

    /// Notes that things that were read contradict each other.
    fn error(&mut self, span: Span, message: impl Into<String>, hint: Option<&str>) {
        self.reader.error(span, message, hint);
    }

    /// Notes an error that may follow from another if one of these is missing.
    fn error_unless(&mut self, gaps: Gaps, span: Span, message: impl Into<String>, hint: Option<&str>) {
        self.reader.error_unless(gaps, span, message, hint);
    }

    fn thing_name(&self, thing: Thing) -> &str {
        match thing {
            Thing::Node(i) => self.nodes.get(i).map_or("", |n| &n.name),
            Thing::Switch(i) => self.switches.get(i).map_or("", |s| &s.name),
            Thing::Tunnel(_) => "",
        }
    }

    fn tenant_name(&self, tenant: usize) -> String {
        self.tenants.get(tenant).cloned().unwrap_or_default()
    }

    /// What one end of a link has become.
    fn end(&self, end: &DraftEnd) -> lab::End {
        match end.thing {
            Thing::Tunnel(i) => {
                let link = self.links.get(i);
                let peer = link.and_then(|link| link.tunnel.as_ref()).map(crate::tunnel::Tunnel::peer);
                lab::End::Tunnel {
                    link: link.map(|link| link.id.clone()).unwrap_or_default(),
                    peer: peer.unwrap_or_default(),
                }
            }
            Thing::Node(i) => {
                let node = self.nodes.get(i);
                let interface = node.and_then(|n| n.interfaces.get(end.index)).map(|i| i.name.clone());
                lab::End::Node {
                    node: node.map(|n| n.name.clone()).unwrap_or_default(),
                    interface: interface.unwrap_or_default(),
                }
            }
            Thing::Switch(i) => {
                let switch = self.switches.get(i);
                let port = switch.and_then(|s| s.ports.get(end.index)).map(|p| p.number);
                lab::End::Switch {
                    switch: switch.map(|s| s.name.clone()).unwrap_or_default(),
                    port: port.unwrap_or_default(),
                }
            }
        }
    }

    /// Tenants with their numbers: those that run keep theirs.
    fn numbered_tenants(&self) -> Vec<lab::Tenant> {
        let kept = |name: &str| self.running.tenants.get(name).copied();
        let used: std::collections::BTreeSet<u16> = self.running.tenants.values().copied().collect();
        let mut free = (1..=u16::MAX).filter(|id| !used.contains(id));
        let number = |(i, name): (usize, &String)| {
            let id = if i == 0 { Some(0) } else { kept(name).or_else(|| free.next()) };
            lab::Tenant { name: name.clone(), id: id.unwrap_or(u16::MAX), quota: Quota::default() }
        };
        self.tenants.iter().enumerate().map(number).collect()
    }

    fn finish(&mut self, domains: Vec<lab::Domain>, routes: Vec<Vec<lab::Route>>) -> Lab {
        let links: Vec<_> = self.links.iter().map(|link| self.finish_link(link)).collect();
        let switches = self.switches.iter().map(|s| self.finish_switch(s, &links)).collect();
        let nodes = self.nodes.iter().zip(routes).map(|(n, routes)| self.finish_node(n, routes)).collect();
        let file = self.file;
        Lab {
            name: file.name.clone(),
            path: file.path.clone(),
            seed: file.seed,
            tenants: self.numbered_tenants(),
            nodes,
            controllers: Vec::new(),
            switches,
            links,
            domains,
            services: Vec::new(),
            events: Vec::new(),
            expect: Vec::new(),
            options: Options {
                loops: file.loops,
                arp: file.arp,
                workers: file.workers,
                settle: file.settle,
                fidelity: file.fidelity,
                filesystem: file.filesystem,
            },
        }
    }

    fn finish_link(&self, link: &DraftLink) -> lab::Link {
        let [a, b] = &link.ends;
        lab::Link {
            id: link.id.clone(),
            named: link.named,
            a: self.end(a),
            b: self.end(b),
            forth: link.forth.clone(),
            back: link.back.clone(),
            line: link.line,
            tunnel: link.tunnel.clone(),
            fused: link.fused.clone(),
        }
    }

    fn finish_switch(&self, switch: &DraftSwitch, links: &[lab::Link]) -> lab::Switch {
        let port = |port: &DraftPort| {
            let link = links.get(port.link)?;
            Some(lab::SwitchPort {
                number: port.number,
                name: port.name.clone(),
                tenant: port.tenant.map(|t| self.tenant_name(t)),
                vlan: port.vlan.clone(),
                link: link.id.clone(),
                left: port.side == 0,
                peer: if port.side == 0 { link.b.clone() } else { link.a.clone() },
                qos: None,
                policing: None,
            })
        };
        let mut ports: Vec<_> = switch.ports.iter().filter_map(port).collect();
        ports.sort_by_key(|p| p.number);
        let flow = |flow: &crate::error::Spanned<String>| lab::Flow {
            text: flow.value.clone(),
            line: self.file.line(flow.span),
        };
        lab::Switch {
            name: switch.name.clone(),
            implicit: switch.network.is_some(),
            ports,
            fail_mode: switch.spec.fail_mode.unwrap_or_default(),
            flows: switch.spec.flows.iter().flatten().map(flow).collect(),
            groups: switch.spec.groups.iter().flatten().map(flow).collect(),
            meters: switch.spec.meters.iter().flatten().map(flow).collect(),
            zones: switch.spec.zones.iter().flatten().map(flow).collect(),
            controllers: switch.spec.controllers.iter().flatten().map(|it| it.value.clone()).collect(),
            openflow: switch.spec.openflow.clone().unwrap_or_default(),
            dpid: switch.spec.dpid.as_ref().map(|id| id.value),
            line: switch.line,
        }
    }

    fn finish_node(&self, node: &DraftNode, routes: Vec<lab::Route>) -> lab::Node {
        let spec = &node.spec;
        let texts = |pairs: &[(crate::error::Spanned<String>, crate::error::Spanned<String>)]| {
            pairs.iter().map(|(k, v)| (k.value.clone(), v.value.clone())).collect()
        };
        let interface = |i: &DraftInterface| lab::Interface {
            name: i.name.clone(),
            mac: i.mac,
            mtu: i.mtu,
            addresses: i.addresses.clone(),
            automatic: i.automatic,
            tenant: self.tenant_name(i.tenant),
            link: self.links.get(i.link).map(|l| l.id.clone()).unwrap_or_default(),
            domain: i.domain,
        };
        lab::Node {
            name: node.name.clone(),
            tenant: self.tenant_name(node.tenant),
            interfaces: node.interfaces.iter().map(interface).collect(),
            aliases: spec.aliases.iter().flatten().map(|name| name.value.clone()).collect(),
            routes,
            forward: spec.forward.unwrap_or(false),
            sysctl: texts(&spec.sysctl),
            files: texts(&spec.files),
            env: texts(&spec.env),
            run: spec.run.iter().flatten().map(|r| r.value.clone()).collect(),
            restart: spec.restart.unwrap_or_default(),
            privileged: spec.privileged.unwrap_or(false),
            netns: spec.netns.as_ref().map(|n| n.value.clone()),
            port: spec.port.unwrap_or_default(),
            container: container(&spec.container).filter(|_| spec.vm.is_none()),
            vm: vms::vm(spec),
            vf: functions::vf(spec),
            nic: spec.interface.as_ref().map(|name| name.value.clone()),
            health: spec.health.clone().unwrap_or_default(),
            after: Vec::new(),
            // A virtual machine's processors and memory are devices of its own.
            limits: if spec.vm.is_some() { Limits::default() } else { limits(&spec.limits) },
            ports: spec.ports.iter().flatten().map(|port| port.value).collect(),
            gateway_of: node.gateway_of.and_then(|switch| self.switches.get(switch)).map(|s| s.name.clone()),
            line: node.line,
        }
    }
}

/// What a node may use of the machine.
fn limits(spec: &LimitsSpec) -> Limits {
    Limits {
        cpu: spec.cpu.as_ref().map(|cpu| cpu.value),
        memory: spec.memory.as_ref().map(|memory| memory.value),
        swap: spec.swap,
        pids: spec.pids,
        io: spec.io.unwrap_or_default(),
        cpuset: spec.cpuset.clone(),
        best_effort: spec.best_effort.unwrap_or(false),
    }
}

/// What makes a node a container, if it has an image.
fn container(spec: &ContainerSpec) -> Option<Box<Container>> {
    let image = spec.image.as_ref()?.value.clone();
    let container = Container {
        image,
        entrypoint: spec.entrypoint.clone(),
        cmd: spec.cmd.clone(),
        user: spec.user.clone(),
        workdir: spec.workdir.clone(),
        volumes: spec.volumes.clone().unwrap_or_default(),
        tmpfs: spec.tmpfs.clone().unwrap_or_default(),
        read_only: spec.read_only.unwrap_or(false),
        stop_signal: spec.stop_signal,
        stop_timeout: spec.stop_timeout.unwrap_or(STOP_TIMEOUT),
    };
    Some(Box::new(container))
}

//! The lab as a whole: up, plan, down, show.

use std::collections::BTreeSet;
use std::path::Path;

use netloom_api::{
    ApiError, Applied, DownReport, ErrorKind, Finding, Graph, LabRow, Place, PlanReply, Shown, Wanted,
};
use netloom_lab::{Errors, Lab, line_column};

use crate::Sink;
use crate::engine::Running;
use crate::engine::running::State;
use crate::host::PortKind;

impl Running {
    /// Makes the lab be what the file says.
    pub(super) fn up(&self, wanted: Wanted, reset: bool, sink: &Sink) -> Result<Applied, ApiError> {
        let lab = self.resolve(&wanted)?;
        self.apply(lab, wanted, reset, sink)
    }

    /// What [`Self::up`] would do.
    pub(super) fn plan(&self, wanted: &Wanted, reset: bool) -> Result<PlanReply, ApiError> {
        let lab = self.resolve(wanted)?;
        Ok(self.plan_to(&lab, reset))
    }

    /// Reads and resolves a file against what runs, so that nothing moves that need not.
    fn resolve(&self, wanted: &Wanted) -> Result<Lab, ApiError> {
        let sets: Vec<(String, String)> =
            wanted.sets.iter().map(|set| (set.name.clone(), set.value.clone())).collect();
        let file = netloom_lab::load(&wanted.source, Path::new(&wanted.path), &sets)
            .map_err(|errors| invalid(&errors, wanted))?;
        let before = self.state().lab.clone();
        let running = (!before.nodes.is_empty() || !before.switches.is_empty()).then_some(&*before);
        let mut lab =
            netloom_lab::resolve_after(&file, running).map_err(|errors| invalid(&errors, wanted))?;
        self.home.lab().clone_into(&mut lab.name);
        Ok(lab)
    }

    /// Ends everything: programs first, then ports, then namespaces.
    ///
    /// `volumes`: what outlives other labs goes, too.
    pub(super) fn down(&self, volumes: bool) -> DownReport {
        let begin = netloom_sys::clock::now();
        let mut state = self.state();
        let mut report = DownReport { lab: self.home.lab().to_owned(), ..DownReport::default() };
        self.captures.end_all();
        self.published.close_all();
        self.machines.forget_all();
        self.programs.end_all();
        if let Some(core) = self.core() {
            self.doors.close_all(core, &self.ledger);
            self.rows.close(&self.ledger);
            for port in state.specs.keys() {
                core.remove_port(*port);
            }
            self.guests.keep(core, &self.ledger, &BTreeSet::new());
            self.interfaces.keep(core, &BTreeSet::new());
            core.settle();
        }
        for (name, node) in std::mem::take(&mut state.nodes) {
            report.left.extend(self.functions.take(&name, Some(&node.netns)));
            if let Err(error) = self.unname(&node) {
                report.left.push(format!("the name of {name}'s namespace: {error}"));
            }
        }
        report.removed = (state.lab.nodes.len() + state.lab.switches.len() + state.lab.links.len()) as u64;
        report.left.extend(self.programs.remove_files());
        if volumes && let Err(error) = crate::engine::containers::remove_volumes(self.home.lab()) {
            report.left.push(format!("volumes: {error}"));
        }
        state.specs.clear();
        report.ms = netloom_flow::Nanos(netloom_sys::clock::now() - begin).as_secs_f64() * 1e3;
        report
    }

    /// One thing in full, or the lab.
    pub(super) fn show(&self, name: Option<&str>) -> Result<Shown, ApiError> {
        let Some(name) = name else { return Ok(Shown::Lab(self.graph())) };
        let state = self.state();
        let links = self.link_rows(&state);
        let touching = |thing: &str| {
            links.iter().filter(|link| link.a.node == thing || link.b.node == thing).cloned().collect()
        };
        if let Some(node) = self.node_rows(&state).into_iter().find(|row| row.name == name) {
            return Ok(Shown::Node { links: touching(name), node });
        }
        if let Some(switch) = self.switch_rows(&state).into_iter().find(|row| row.name == name) {
            return Ok(Shown::Switch { links: touching(name), switch });
        }
        if let [link] = state.lab.links_named(name)[..]
            && let Some(row) = links.iter().find(|row| row.name == link.id)
        {
            return Ok(Shown::Link(row.clone()));
        }
        if let Some(tenant) = self.tenant_rows(&state).into_iter().find(|row| row.name == name) {
            let nodes = self.node_rows(&state).into_iter().filter(|row| row.tenant == name).collect();
            return Ok(Shown::Tenant { tenant, nodes });
        }
        let all: Vec<&str> = state
            .nodes
            .keys()
            .map(String::as_str)
            .chain(state.lab.switches.iter().map(|s| s.name.as_str()))
            .chain(state.lab.links.iter().map(|l| l.id.as_str()))
            .collect();
        Err(super::not_found("node, switch, link or tenant called", name, &all))
    }

    /// The whole lab at this moment.
    pub(super) fn graph(&self) -> Graph {
        let state = self.state();
        Graph {
            lab: self.lab_row(&state),
            nodes: self.node_rows(&state),
            switches: self.switch_rows(&state),
            links: self.link_rows(&state),
        }
    }

    /// The lab's line in a list.
    pub(in crate::engine) fn lab_row(&self, state: &State) -> LabRow {
        let lab = &state.lab;
        LabRow {
            name: self.home.lab().to_owned(),
            state: "up".to_owned(),
            owner: owner(),
            file: state.wanted.path.clone(),
            nodes: lab.nodes.len() as u64,
            hosts: lab.nodes.iter().filter(|node| is_host(node)).count() as u64,
            switches: lab.switches.len() as u64,
            links: lab.links.len() as u64,
            tenants: tenants(lab),
            mode: self.mode(),
            pid: Some(std::process::id()),
            age_s: self.age(),
        }
    }

    fn mode(&self) -> String {
        let who = if self.rootless { "rootless" } else { "root" };
        let how = match self.auto {
            PortKind::Tap => "tap with offloads",
            PortKind::Packet => "packet sockets",
        };
        format!("{who}, {how}")
    }
}

/// Whether it is none of the other kinds.
fn is_host(node: &netloom_lab::lab::Node) -> bool {
    node.container.is_none() && node.vm.is_none() && !node.is_gateway() && !node.is_nic()
}

/// Tenants that have something; `default` is always there and counts only if it is used.
fn tenants(lab: &Lab) -> u64 {
    let used = |name: &str| lab.nodes.iter().any(|node| node.tenant == name);
    lab.tenants.iter().filter(|tenant| used(&tenant.name)).count() as u64
}

/// Who runs the daemon, by name if the machine knows one.
fn owner() -> String {
    let uid = std::os::unix::fs::MetadataExt::uid;
    let Ok(uid) = std::fs::metadata("/proc/self").map(|me| uid(&me).to_string()) else {
        return String::new();
    };
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(uid.as_str())).then(|| name.to_owned())
    });
    name.unwrap_or(uid)
}

/// All errors of a file, with their places.
fn invalid(errors: &Errors, wanted: &Wanted) -> ApiError {
    let count = errors.errors.len();
    let message = match count {
        1 => format!("{} has an error.", wanted.path),
        n => format!("{} has {n} errors.", wanted.path),
    };
    let findings = errors.errors.iter().map(|error| {
        let (line, column) = line_column(&wanted.source, error.span.start);
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Finding {
            message: error.message.clone(),
            hint: error.hint.clone(),
            place: Place {
                file: wanted.path.clone(),
                line: number(line),
                column: number(column),
                start: error.span.start,
                end: error.span.end,
            },
        }
    });
    ApiError::new(ErrorKind::InvalidFile, message).findings(findings.collect())
}

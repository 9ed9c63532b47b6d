//! The controllers of a lab: what the file says of them, as the OpenFlow service wants it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use netloom_api::{ControllerRow, HeldRow, Progress};
use netloom_flow::Nanos;
use netloom_lab::Lab;
use netloom_lab::lab::{Controller, ControllerPlace, FailMode, Switch};
use netloom_lab::target::Target;
use netloom_openflow::msg::Role;
use netloom_openflow::{Version, Versions};
use netloom_transport::Tls;

use super::core::Core;
use super::running::{Running, State};
use crate::openflow::{Control, Remote, Standing, State as What, Way};
use crate::{Sink, slowpath};

/// The first pause between two calls, as OVS has it.
const FIRST: Nanos = Nanos::from_secs(1);
/// The first pause where the controller is just being started.
const FIRST_OF_A_COMMAND: Nanos = Nanos::from_millis(100);
/// How often it is looked whether all are connected.
const LOOK: u64 = 20_000_000;

/// The ports that commands are told, by the controller's name.
#[derive(Debug, Default)]
pub(crate) struct Ports(Mutex<BTreeMap<String, u16>>);

impl Ports {
    /// The port of a controller, the same as long as the lab has it.
    ///
    /// # Errors
    /// No port is free.
    pub(super) fn of(&self, name: &str) -> std::io::Result<u16> {
        let mut ports = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(port) = ports.get(name) {
            return Ok(*port);
        }
        // Free now; that it is taken before the command takes it is told by the command.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        ports.insert(name.to_owned(), port);
        Ok(port)
    }
}

impl Running {
    /// Has every switch have the controllers that the lab says, or whoever changed that by hand.
    pub(super) fn control(&self, core: &Core, state: &State) {
        let lab = state.present_lab();
        for switch in &lab.switches {
            let remotes = netloom_lab::config::controllers(&lab, switch)
                .flat_map(|controller| self.remotes(state, controller))
                .collect();
            let standalone = switch.fail_mode == FailMode::Standalone;
            core.openflow()
                .control(&switch.name, Control { versions: versions(switch), standalone, remotes });
        }
    }

    fn remotes(&self, state: &State, controller: &Controller) -> Vec<Remote> {
        let first = match controller.place {
            ControllerPlace::Run(_) => FIRST_OF_A_COMMAND,
            _ => FIRST,
        };
        let remote = |target: &str, way: Way| Remote {
            name: controller.name.clone(),
            target: target.to_owned(),
            way,
            probe: Some(controller.probe).filter(|probe| *probe != Nanos::ZERO),
            pauses: (first, controller.backoff),
            auxiliary: controller.auxiliary,
        };
        let ways = match &controller.place {
            ControllerPlace::Targets(targets) => {
                let way = |text: &String| Some(remote(text, way_to(&state.lab, controller, text)?));
                return targets.iter().filter_map(way).collect();
            }
            ControllerPlace::Learn => Some(Way::Learn),
            ControllerPlace::Run(_) => self
                .ports
                .of(&controller.name)
                .ok()
                .map(|port| Way::Tcp(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))], None)),
            ControllerPlace::Node { node, port, addresses } => state.nodes.get(node).map(|made| {
                // Whatever it listens at: its own addresses, or only at home.
                let home = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)];
                let all = addresses.iter().copied().chain(home).map(|ip| SocketAddr::new(ip, *port));
                Way::Tcp(all.collect(), Some(Arc::clone(&made.netns)))
            }),
        };
        ways.into_iter().map(|way| remote(&controller.name, way)).collect()
    }

    /// Waits until the switches are connected or the lab's patience ends; says which are not.
    /// `others` are left out.
    pub(super) fn await_controllers(
        &self,
        core: &Core,
        (lab, others): (&Lab, &[String]),
        sink: &Sink,
    ) -> Vec<String> {
        let is_wanted = |it: &&Switch| !it.controllers.is_empty() && !others.contains(&it.name);
        let wanted: Vec<&Switch> = lab.switches.iter().filter(is_wanted).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        // Before, how they stand is how they stood.
        core.openflow().barrier();
        let phase = "connect controllers";
        sink.send(Progress::Phase { phase: phase.to_owned(), total: wanted.len() as u64 });
        let until = netloom_sys::clock::now() + lab.options.settle.0;
        let mut done = 0;
        loop {
            let missing: Vec<_> = wanted.iter().filter(|switch| !is_ready(core, lab, switch)).collect();
            if wanted.len() - missing.len() > done {
                done = wanted.len() - missing.len();
                sink.send(Progress::Item { phase: phase.to_owned(), done: done as u64, item: String::new() });
            }
            if missing.is_empty() {
                return Vec::new();
            }
            let is_hopeless = || missing.iter().any(|switch| self.has_lost(core, switch));
            if netloom_sys::clock::now() >= until || sink.is_cancelled() || is_hopeless() {
                return missing.iter().map(|switch| self.missing(core, switch)).collect();
            }
            pause();
        }
    }

    /// Whether a command that was to control a switch has ended: waiting would not help.
    fn has_lost(&self, core: &Core, switch: &Switch) -> bool {
        let rows = self.controller_rows(core, switch);
        rows.iter().any(|row| row.state != "connected" && self.programs.ending(&row.name).is_some())
    }

    fn missing(&self, core: &Core, switch: &Switch) -> String {
        let rows = self.controller_rows(core, switch);
        let away = rows.iter().filter(|row| row.state != "connected" && row.state != "listening");
        let words = away.map(|row| {
            let why = row.error.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
            let at = if row.target == row.name { String::new() } else { format!(" at {}", row.target) };
            format!("{}{at}{why}", row.name)
        });
        let mut text =
            format!("{} is not connected to {}", switch.name, words.collect::<Vec<_>>().join(", "));
        if let Some(lost) = rows.iter().find(|row| self.programs.ending(&row.name).is_some()) {
            text += &format!("; `netloom logs {}` has what it said", lost.name);
        }
        text
    }

    /// How the controllers of a switch stand.
    pub(super) fn controller_rows(&self, core: &Core, switch: &Switch) -> Vec<ControllerRow> {
        let now = slowpath::now();
        let mut rows: Vec<_> = core
            .openflow()
            .hub()
            .standings(&switch.name)
            .into_iter()
            .map(|standing| self.row(&standing, now))
            .collect();
        let place = |row: &ControllerRow| switch.controllers.iter().position(|name| *name == row.name);
        rows.sort_by_key(place);
        rows
    }

    fn row(&self, standing: &Standing, now: Nanos) -> ControllerRow {
        let ended = self.programs.ending(&standing.key.name);
        let connected = standing.version.is_some();
        ControllerRow {
            name: standing.key.name.clone(),
            target: standing.key.target.clone(),
            state: match standing.state {
                _ if connected => "connected",
                What::Calling | What::Connected => "calling",
                What::Waiting => "waiting",
                What::Listening => "listening",
            }
            .to_owned(),
            version: standing.version.map(|version| version.name().to_owned()),
            role: standing.role.map(role).map(str::to_owned),
            since_s: now.since(standing.since).as_secs_f64(),
            error: ended.or_else(|| standing.error.clone()).filter(|_| !connected),
            dropped: standing.dropped,
            peers: standing.peers as u64,
            held: held(standing),
        }
    }
}

/// What is kept for a controller, if anything is.
fn held(standing: &Standing) -> Option<HeldRow> {
    let (held, waiting) = (standing.held, standing.waiting);
    let row = HeldRow {
        bundled: held.bundled as u64,
        bundled_bytes: held.bundled_bytes as u64,
        monitors: held.monitors as u64,
        updates: held.updates as u64,
        waiting: waiting.messages as u64,
        waiting_bytes: waiting.bytes as u64,
    };
    (row != HeldRow::default()).then_some(row)
}

/// Connected to all that it calls, and ready for all that it waits for.
fn is_ready(core: &Core, lab: &Lab, switch: &Switch) -> bool {
    let wanted: usize = netloom_lab::config::controllers(lab, switch).map(|it| it.targets().len()).sum();
    let standings = core.openflow().hub().standings(&switch.name);
    standings.len() >= wanted
        && standings.iter().all(|it| it.version.is_some() || it.state == What::Listening)
}

fn way_to(lab: &Lab, controller: &Controller, text: &str) -> Option<Way> {
    // It was read before, so that it can be read again.
    let beside = |path: &Path| lab.dir().join(path);
    Some(match Target::parse(text).ok()? {
        Target::Call { ip, port, tls: false } => Way::Tcp(vec![SocketAddr::new(ip, port)], None),
        Target::Listen { ip, port, tls: false } => Way::Listen(SocketAddr::new(ip, port), None),
        Target::CallUnix(path) => Way::Unix(beside(&path)),
        Target::ListenUnix(path) => Way::ListenUnix(beside(&path)),
        Target::Call { ip, port, .. } => match certificates(lab, controller) {
            Ok(tls) => Way::Tls(SocketAddr::new(ip, port), tls),
            Err(why) => Way::Never(why),
        },
        Target::Listen { ip, port, .. } => match certificates(lab, controller) {
            Ok(tls) => Way::Listen(SocketAddr::new(ip, port), Some(tls)),
            Err(why) => Way::Never(why),
        },
    })
}

/// Who we are, and whom we trust; or why nobody can know.
fn certificates(lab: &Lab, controller: &Controller) -> Result<Tls, String> {
    let files = controller.tls.as_ref().ok_or("it has no certificates")?;
    let read = |name: &String| {
        let path = lab.dir().join(name);
        std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    Tls::new(read(&files.key)?, read(&files.certificate)?, read(&files.ca)?).map_err(|error| {
        match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        }
    })
}

fn versions(switch: &Switch) -> Versions {
    if switch.openflow.is_empty() {
        return Versions::ALL;
    }
    let named = |name: &String| Version::ALL.into_iter().find(|version| version.name() == name);
    Versions::of(&switch.openflow.iter().filter_map(named).collect::<Vec<_>>())
}

/// The words of OVS.
const fn role(role: Role) -> &'static str {
    match role {
        Role::Primary => "master",
        Role::Secondary => "slave",
        Role::NoChange | Role::Equal => "equal",
    }
}

#[expect(clippy::disallowed_methods, reason = "between two looks at connections that another thread makes")]
fn pause() {
    std::thread::sleep(std::time::Duration::from_nanos(LOOK));
}

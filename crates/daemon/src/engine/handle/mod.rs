//! What each command does: a file per noun.

mod capture;
mod connections;
mod copy;
mod exec;
mod flow;
mod group;
mod guest;
mod lab;
mod link;
mod logs;
mod measure;
mod migrate;
mod node;
mod ping;
mod plan;
mod queues;
mod resize;
mod rows;
mod snapshot;
mod test;
mod top;
mod trace;
pub(super) mod zone;

pub(super) use copy::agent as copy_agent;
pub use copy::copy_inside;
pub(super) use rows::directions;

use std::time::Duration;

pub use plan::plan_from_nothing;

use netloom_api::{ApiError, Command, ErrorKind, Listing, Reply};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Running;
use crate::{Conn, Engine, Sink};

impl Engine for Running {
    fn command(&self, command: Command, sink: &Sink) -> Result<Reply, ApiError> {
        match command {
            Command::Status => Ok(Reply::Labs(vec![self.lab_row(&self.state())])),
            Command::Apply { wanted, reset } => self.up(wanted, reset, sink).map(Reply::Applied),
            Command::Plan { wanted, reset } => self.plan(&wanted, reset).map(Reply::Plan),
            Command::Down { volumes } => Ok(Reply::Down(self.down(volumes))),
            Command::Ls { what } => Ok(match what {
                Listing::Nodes => Reply::Nodes(self.node_rows(&self.state())),
                Listing::Switches => Reply::Switches(self.switch_rows(&self.state())),
                Listing::Links => Reply::Links(self.link_rows(&self.state())),
                Listing::Tenants => Reply::Tenants(self.tenant_rows(&self.state())),
                Listing::Conntrack => Reply::Conntrack(self.connection_rows(&self.state())),
                Listing::Drops => Reply::Drops(self.drop_rows(&self.state())),
                Listing::Queues => Reply::Queues(self.queue_rows(&self.state())),
            }),
            Command::Show { name } => self.show(name.as_deref()).map(|shown| Reply::Shown(Box::new(shown))),
            Command::Graph => Ok(Reply::Graph(Box::new(self.graph()))),
            Command::Link { link, direction, settings, up } => {
                self.link(&link, direction, &settings, up).map(|row| Reply::Links(vec![row]))
            }
            Command::FlowLs { switch, filter, hidden } => {
                self.flow_ls(&switch, filter.as_deref(), hidden).map(Reply::Flows)
            }
            Command::FlowAdd { switch, flows } => self.flow_add(&switch, &flows).map(Reply::FlowsChanged),
            Command::FlowMod { switch, flows, strict } => {
                self.flow_mod(&switch, &flows, strict).map(Reply::FlowsChanged)
            }
            Command::FlowRm { switch, matches, strict } => {
                self.flow_rm(&switch, &matches, strict).map(Reply::FlowsChanged)
            }
            Command::GroupLs { switch } => self.group_ls(&switch).map(Reply::Groups),
            Command::Groups { switch, change, groups } => {
                self.change_groups(&switch, change, &groups).map(Reply::GroupsChanged)
            }
            Command::MeterLs { switch } => self.meter_ls(&switch).map(Reply::Meters),
            Command::Meters { switch, change, meters } => {
                self.change_meters(&switch, change, &meters).map(Reply::MetersChanged)
            }
            Command::ZoneLs { switch } => self.zone_ls(&switch).map(Reply::Zones),
            Command::ZoneSet { switch, zones } => self.zone_set(&switch, &zones).map(Reply::ZonesChanged),
            Command::CtFlush { switch, zone } => {
                self.ct_flush(&switch, zone).map(Reply::ConnectionsForgotten)
            }
            Command::Trace { path, live_ms } => {
                self.trace(&path, live_ms, sink).map(|trace| Reply::Trace(Box::new(trace)))
            }
            Command::Ping { .. } => self.ping(&command, sink).map(Reply::Pings),
            Command::Measure { from, to, what, seconds } => {
                self.measure(&from, &to, &what, seconds, sink).map(Reply::Measured)
            }
            Command::Test { sentences } => self.test(sentences.as_deref(), sink).map(Reply::Tested),
            Command::Play => self.play(sink).map(|()| Reply::Done {}),
            Command::Resize { node, limits } => {
                self.resize(&node, &limits).map(|row| Reply::Nodes(vec![row]))
            }
            Command::Snapshot { node, action, name } => {
                self.snapshot(&node, action, name.as_deref()).map(Reply::Snapshots)
            }
            Command::Migrate { node, host, socket, via, tls } => {
                self.migrate(&node, (&host, &socket), via, tls, sink).map(Reply::Migrated)
            }
            Command::Node { nodes, action } => self.nodes(&nodes, action).map(|()| Reply::Done {}),
            other => Err(not_yet(&other)),
        }
    }

    fn stream(&self, command: Command, conn: &mut Conn) -> Result<(), ApiError> {
        match command {
            Command::Receive { .. } => self.receive(command, conn),
            Command::Exec { .. } => self.exec(command, conn),
            Command::Console { node } => self.console(&node, conn),
            Command::Copy { node, path, name } => self.copy(&node, path, name, conn),
            Command::Logs { name, follow } => self.logs(name.as_deref(), follow, conn),
            Command::Capture { target, snap, packets } => self.capture(&target, snap, packets, conn),
            Command::Top { interval_ms } => self.top(interval_ms, conn),
            other => Err(not_yet(&other)),
        }
    }
}

fn not_yet(command: &Command) -> ApiError {
    ApiError::new(ErrorKind::Unsupported, format!("`{}` is not supported by this version.", command.word()))
}

/// Waits for `time`, or until the client has left or has enough. Whether it has.
fn left(conn: &mut Conn, time: Duration) -> bool {
    let until = netloom_sys::clock::now() + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    loop {
        // A client of such a stream says nothing but that it is to end.
        if !matches!(conn.poll(), Ok(None)) {
            return true;
        }
        let left = until.saturating_sub(netloom_sys::clock::now());
        if left == 0 {
            return false;
        }
        let timeout = Timespec::try_from(Duration::from_nanos(left)).ok();
        let mut fds = [PollFd::new(conn, PollFlags::IN)];
        let ready = poll(&mut fds, timeout.as_ref());
        if matches!(ready, Ok(1..)) && matches!(conn.fill(), Ok(Some(0)) | Err(_)) {
            return true;
        }
    }
}

/// A real interface was asked for what only those can do who are inside a node.
fn nobody_inside(node: &netloom_lab::lab::Node) -> ApiError {
    let error = node.nobody_inside();
    let said = ApiError::new(ErrorKind::Unsupported, format!("{}.", error.message.replace('`', "")));
    match error.hint {
        Some(hint) => said.hint(hint),
        None => said,
    }
}

/// There is no thing of this name.
fn not_found(kind: &str, name: &str, all: &[&str]) -> ApiError {
    let error = ApiError::new(ErrorKind::NotFound, format!("There is no {kind} {name} in this lab."));
    match netloom_lab::did_you_mean(name, all.iter().copied()) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

//! What each command does: a file per noun.

mod exec;
mod lab;
mod link;
mod ping;
mod plan;
mod flow;
mod rows;

use netloom_api::{ApiError, Command, ErrorKind, Listing, Reply};

use super::Running;
use crate::{Conn, Engine, Sink};

impl Engine for Running {
    fn command(&self, command: Command, sink: &Sink) -> Result<Reply, ApiError> {
        match command {
            Command::Status => Ok(Reply::Labs(vec![self.lab_row(&self.state())])),
            Command::Apply { wanted, reset } => self.up(wanted, reset, sink).map(Reply::Applied),
            Command::Plan { wanted, reset } => self.plan(&wanted, reset).map(Reply::Plan),
            Command::Down { volumes: _ } => Ok(Reply::Down(self.down())),
            Command::Ls { what } => Ok(match what {
                Listing::Nodes => Reply::Nodes(self.node_rows(&self.state())),
                Listing::Switches => Reply::Switches(self.switch_rows(&self.state())),
                Listing::Links => Reply::Links(self.link_rows(&self.state())),
                Listing::Tenants => Reply::Tenants(self.tenant_rows(&self.state())),
                Listing::Drops => Reply::Drops(self.drop_rows(&self.state())),
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
            Command::FlowMod { switch, flow, strict } => {
                self.flow_mod(&switch, &flow, strict).map(Reply::FlowsChanged)
            }
            Command::FlowRm { switch, matches, strict } => {
                self.flow_rm(&switch, matches.as_deref(), strict).map(Reply::FlowsChanged)
            }
            Command::Ping { .. } => self.ping(&command, sink).map(Reply::Pings),
            other => Err(not_yet(&other)),
        }
    }

    fn stream(&self, command: Command, conn: &mut Conn) -> Result<(), ApiError> {
        match command {
            Command::Exec { .. } => self.exec(command, conn),
            other => Err(not_yet(&other)),
        }
    }
}

fn not_yet(command: &Command) -> ApiError {
    ApiError::new(ErrorKind::Unsupported, format!("`{}` is not supported by this version.", command.word()))
}

/// There is no thing of this name.
fn not_found(kind: &str, name: &str, all: &[&str]) -> ApiError {
    let error = ApiError::new(ErrorKind::NotFound, format!("There is no {kind} {name} in this lab."));
    match netloom_lab::did_you_mean(name, all.iter().copied()) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

//! Starting, stopping, pausing and resuming nodes.

use netloom_api::{ApiError, ErrorKind, NodeAction};
use netloom_lab::expect::Subject;

use crate::engine::Running;

impl Running {
    /// Does something to every node that `subjects` mean.
    pub(super) fn nodes(&self, subjects: &[String], action: NodeAction) -> Result<(), ApiError> {
        let mut names: Vec<String> = Vec::new();
        let lab = self.state().lab.clone();
        for text in subjects {
            let subject = Subject { text: text.clone(), part: 0..text.len() };
            let nodes = subject.nodes(&lab).map_err(|error| {
                let wrong = ApiError::new(ErrorKind::NotFound, format!("{}.", error.message));
                match error.hint {
                    Some(hint) => wrong.hint(hint),
                    None => wrong,
                }
            })?;
            for node in nodes {
                if !names.contains(&node.name) {
                    names.push(node.name.clone());
                }
            }
        }
        names.iter().try_for_each(|name| self.node(name, action))
    }

    /// Does something to one node. What is so already stays so.
    ///
    /// # Errors
    /// There is no such node; it is stopped and cannot be paused; the spawner is gone.
    pub(in crate::engine) fn node(&self, name: &str, action: NodeAction) -> Result<(), ApiError> {
        let made = self.state().nodes.get(name).map(|node| (node.stopped, node.paused));
        let Some((stopped, paused)) = made else {
            let state = self.state();
            let all: Vec<&str> = state.nodes.keys().map(String::as_str).collect();
            return Err(super::not_found("node", name, &all));
        };
        match action {
            NodeAction::Start if stopped || self.machines.is_over(name) => self.start_node(name),
            NodeAction::Stop if !stopped => self.stop_node(name),
            NodeAction::Restart => {
                if !stopped {
                    self.stop_node(name);
                }
                self.start_node(name);
            }
            NodeAction::Pause | NodeAction::Resume if stopped => {
                return Err(ApiError::new(ErrorKind::Failed, format!("Node {name} is stopped."))
                    .hint(format!("netloom start {name}")));
            }
            NodeAction::Pause if !paused => self.pause_node(name, true)?,
            NodeAction::Resume if paused => self.pause_node(name, false)?,
            _ => {}
        }
        Ok(())
    }

    /// Programs first, so that they can take their leave over the network.
    fn stop_node(&self, name: &str) {
        self.machines.stop(name);
        self.programs.end(name);
        self.set_node(name, true);
    }

    fn start_node(&self, name: &str) {
        self.set_node(name, false);
        self.set_away(name, false);
        self.machines.power_on(name);
        self.programs.start(name);
    }

    /// The ports of a stopped node take and give nothing; its interfaces keep their addresses and routes.
    pub(in crate::engine) fn set_node(&self, name: &str, stopped: bool) {
        let mut state = self.state();
        let Some(node) = state.nodes.get_mut(name) else { return };
        node.stopped = stopped;
        node.paused = false;
        let Some(core) = self.core() else { return };
        let lab = state.lab.clone();
        for interface in lab.node(name).into_iter().flat_map(|node| &node.interfaces) {
            let port = state.ports.interface(name, &interface.name);
            if let Some(spec) = port.and_then(|port| state.specs.get_mut(&port)) {
                spec.up = !stopped;
                core.set_port(spec);
            }
        }
        core.settle();
    }

    fn pause_node(&self, name: &str, paused: bool) -> Result<(), ApiError> {
        if let Some(machine) = self.machines.of(name) {
            machine.pause(paused).map_err(|why| {
                let word = if paused { "pause" } else { "resume" };
                ApiError::new(ErrorKind::Failed, format!("Cannot {word} {name}: {why}."))
            })?;
        } else {
            self.programs.pause(name, paused).map_err(|e| {
                ApiError::caused(ErrorKind::Failed, format!("Cannot reach the programs of {name}."), &e)
            })?;
        }
        if let Some(node) = self.state().nodes.get_mut(name) {
            node.paused = paused;
        }
        Ok(())
    }
}

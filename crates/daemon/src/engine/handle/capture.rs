//! Captures, as a pcapng file on a stream.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use netloom_api::{ApiError, ErrorKind, TermSize};
use netloom_datapath::PortSpec;
use netloom_flow::PortId;
use netloom_lab::lab::End;
use netloom_netdev::{Capture, CaptureOptions};
use netloom_sys::{clock, eventfd::EventFd};

use crate::engine::Running;
use crate::engine::core::Core;
use crate::engine::running::State;
use crate::stream::{Conn, Program, Stdio, pump};

impl Running {
    /// A virtual function's frames do not pass here: said of a target that means one alone.
    pub(super) fn has_ports(&self, target: &str, what: &str) -> Result<(), ApiError> {
        let state = self.state();
        let (name, part) = target.rsplit_once(':').unwrap_or((target, ""));
        let Some(node) = state.lab.node(target).or_else(|| state.lab.node(name)) else { return Ok(()) };
        let function = state.nodes.get(&node.name).and_then(|made| made.net.function.as_ref());
        let alone = node.name == target && node.interfaces.len() == 1;
        let Some(function) = function.filter(|it| alone || (node.name == name && it.name == part)) else {
            return Ok(());
        };
        if self.interfaces.seen(PortId(function.port)).is_some() {
            // Its representor is at a switch of the lab.
            return Ok(());
        }
        let which = self.functions.words(&node.name).unwrap_or_default();
        let said = format!(
            "{what} sees nothing of {}:{}: it is {which}, whose frames the card's own switch carries, past the lab's.",
            node.name, function.name
        );
        let hint = format!(
            "`netloom exec {} -- tcpdump -i {}` hears them; of a card in switchdev mode `fallback: SWITCH` joins the representor, \
             which shows them; \
             without `vf` the node has an ordinary card",
            node.name, function.name
        );
        Err(ApiError::new(ErrorKind::Unsupported, said).hint(hint))
    }

    /// Sends what passes `target` until the client or `packets` ends it.
    pub(super) fn capture(
        &self,
        target: &str,
        snap: u32,
        packets: Option<u64>,
        conn: &mut Conn,
    ) -> Result<(), ApiError> {
        self.has_ports(target, "A capture")?;
        let ports = ports(&self.state(), target)?;
        let Some(core) = self.core() else {
            return Err(super::not_found("node, switch or link called", target, &[]));
        };
        let epoch_offset = clock::wall().saturating_sub(clock::now());
        let mut capture =
            Capture::new(CaptureOptions { limit: snap, packets, epoch_offset, ..CaptureOptions::default() });
        let taps = ports.into_iter().map(|(name, spec)| (spec, capture.tap(&name))).collect();
        let reader = capture.reader();
        let (output, input) = std::io::pipe().map_err(|e| broken(&e))?;
        let done = Arc::new(EventFd::new().map_err(|e| broken(&e))?);
        let end = Arc::clone(&done);
        let work = move || {
            let written = reader.write_all(input);
            end.signal();
            written
        };
        let writer =
            std::thread::Builder::new().name("capture".to_owned()).spawn(work).map_err(|e| broken(&e))?;
        let number = self.captures.begin(core, taps);
        let mut ends = Ends { running: self, core, number, done: &done };
        let stdio = Stdio { stdout: Some(output.into()), ..Stdio::default() };
        let pumped = pump(conn, stdio, &mut ends);
        ends.end();
        // Its sinks are gone and so is the far end of its pipe: it ends now. A client that left is no error.
        let _ = writer.join();
        pumped.map(drop).map_err(|e| ApiError::caused(ErrorKind::Failed, "The stream broke.", &e))
    }
}

/// The writer of a capture as the program at the far end of a stream.
struct Ends<'a> {
    running: &'a Running,
    core: &'a Core,
    number: u64,
    done: &'a EventFd,
}

impl Ends<'_> {
    fn end(&self) {
        let state = self.running.state();
        self.running.captures.end(self.core, self.number, |port| state.specs.get(&port).cloned());
    }
}

impl Program for Ends<'_> {
    fn ended(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    fn status(&mut self) -> i32 {
        0
    }

    fn resize(&mut self, _: TermSize) {}

    /// The client has enough: what is on its way is still written.
    fn signal(&mut self, _: u8) {
        self.end();
    }
}

/// The ports that a target means, with the names they have in the file.
fn ports(state: &State, target: &str) -> Result<Vec<(String, PortSpec)>, ApiError> {
    let lab = &state.lab;
    let spec = |(name, port): (String, Option<PortId>)| Some((name, state.specs.get(&port?)?.clone()));
    let of_node = |node: &netloom_lab::lab::Node, which: Option<&str>| -> Vec<_> {
        let wanted = node.interfaces.iter().filter(|i| which.is_none_or(|which| i.name == which));
        let port = |i: &netloom_lab::lab::Interface| {
            spec((format!("{}:{}", node.name, i.name), state.ports.interface(&node.name, &i.name)))
        };
        wanted.filter_map(port).collect()
    };
    let of_switch = |switch: &netloom_lab::lab::Switch, which: Option<&str>| -> Vec<_> {
        let is = |port: &netloom_lab::lab::SwitchPort, which: &str| {
            port.name == which || port.number.to_string() == which
        };
        let wanted = switch.ports.iter().filter(|port| which.is_none_or(|which| is(port, which)));
        let port = |port: &netloom_lab::lab::SwitchPort| {
            let ends = state.ports.link(&port.link);
            spec((port.name.clone(), ends.map(|[a, b]| if port.left { a } else { b })))
        };
        wanted.filter_map(port).collect()
    };
    // A name first, since a link's may hold a colon; then a part of a thing.
    let (thing, part) = match target.rsplit_once(':') {
        Some((thing, part)) if lab.links_named(target).is_empty() => (thing, Some(part)),
        _ => (target, None),
    };
    let found = match (lab.node(thing), lab.switch(thing), &lab.links_named(target)[..]) {
        (Some(node), ..) => of_node(node, part),
        (None, Some(switch), _) => of_switch(switch, part),
        (None, None, [link]) => {
            // One end sees both directions. At a switch's end, if there is one, packets pass in their order.
            let [a, b] = state.ports.link(&link.id).map_or([None; 2], |ports| ports.map(Some));
            let left = !matches!((&link.a, &link.b), (End::Node { .. }, End::Switch { .. }));
            spec((link.id.clone(), if left { a } else { b })).into_iter().collect()
        }
        (None, None, [_, _, ..]) => {
            return Err(ApiError::new(ErrorKind::Usage, format!("There are several links {target}."))
                .hint("name one of its ends, as NODE:INTERFACE or SWITCH:PORT"));
        }
        (None, None, []) => Vec::new(),
    };
    if found.is_empty() {
        let parts =
            lab.nodes.iter().flat_map(|n| n.interfaces.iter().map(move |i| format!("{}:{}", n.name, i.name)));
        let ports =
            lab.switches.iter().flat_map(|s| s.ports.iter().map(move |p| format!("{}:{}", s.name, p.name)));
        let names =
            lab.nodes.iter().map(|n| n.name.clone()).chain(lab.switches.iter().map(|s| s.name.clone()));
        let links = lab.links.iter().map(|l| l.id.clone());
        let all: Vec<String> =
            if part.is_some() { parts.chain(ports).collect() } else { names.chain(links).collect() };
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        return Err(super::not_found("node, interface, switch, port or link called", target, &all));
    }
    Ok(found)
}

fn broken(error: &(dyn std::error::Error + 'static)) -> ApiError {
    ApiError::caused(ErrorKind::Failed, "Cannot start the capture.", error)
}

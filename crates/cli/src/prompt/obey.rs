//! Doing what a line says.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command as Process;

use netloom_api::{Command, Direction, Family, LinkRow, Measurement, Reply, TermSize};

use super::parse::{COMMANDS, Line, parse};
use super::{Prompt, render};
use crate::client::{Patience, now};
use crate::exit::{Failure, TIMEOUT};
use crate::lifecycle::unexpected;
use crate::output::{self, Style, report};
use crate::terminal;

/// `help`, or `help COMMAND`.
fn help(about: &str) -> bool {
    let known = |word: &str| about.is_empty() || word == about;
    let lines = COMMANDS.iter().filter(|(word, _)| known(word));
    let mut text: String = lines.map(|(word, what)| format!("  {word:<14}{what}\n")).collect();
    if text.is_empty() {
        output::line(&format!("*** No help on {about}"));
        return false;
    }
    if about.is_empty() {
        text.push_str("  h1 CMD        run CMD in h1; names of nodes in CMD become their addresses\n");
    }
    output::put(&text);
    true
}

/// What `dpctl` does.
const DPCTL: &[&str] =
    &["dump-flows", "add-flow", "mod-flows", "del-flows", "show", "dump-ports", "dump-ports-desc"];

/// How deep `source` may nest.
const DEEPEST: u32 = 16;

impl Prompt {
    /// Does a line; false: it could not be done, or its answer is no. Errors are printed.
    pub(crate) fn obey(&mut self, line: &str) -> bool {
        let outcome = match parse(line, &self.graph) {
            Line::Empty => Ok(true),
            Line::Command(word, rest) => self.command(word, rest),
            Line::Node(node, text) => self.program(node, &text, terminal::is_both()),
            Line::Switch(name) => {
                Err(Failure::usage(format!("{name} is a switch, and part of netloom: nothing runs there."))
                    .hint("`dpctl`, `netloom show`, `netloom flow ls`"))
            }
            Line::Unknown(word) => {
                output::line(&format!("*** Unknown command: {word}"));
                return false;
            }
        };
        outcome.unwrap_or_else(|failure| {
            self.interrupted |= failure.error.kind == netloom_api::ErrorKind::Cancelled;
            output::note(report::render(&failure, Style::stderr()).trim_end());
            false
        })
    }

    fn command(&mut self, word: &str, rest: &str) -> Result<bool, Failure> {
        let shown = self.controller;
        match word {
            "nodes" | "net" | "links" | "ports" | "intfs" | "dump" => {
                self.refresh()?;
                output::put(&match word {
                    "nodes" => render::nodes(&self.graph, shown),
                    "net" => render::net(&self.graph, shown),
                    "links" => render::links(&self.graph),
                    "ports" => render::ports(&self.graph),
                    "intfs" => render::intfs(&self.graph, shown),
                    _ => render::dump(&self.graph, shown),
                });
                Ok(true)
            }
            "pingall" => self.ping(None, false),
            "pingallfull" => self.ping(None, true),
            "pingpair" => self.ping(Some(self.pair(1)?), false),
            "pingpairfull" => self.ping(Some(self.pair(1)?), true),
            "iperf" | "iperfudp" => self.iperf(word == "iperfudp", rest),
            "link" => self.link(rest),
            "switch" => self.switch(rest),
            "dpctl" => self.dpctl(rest),
            "xterm" | "gterm" | "x" => self.window(word, rest),
            "sh" => Ok(Process::new("sh").args(["-c", rest]).status().is_ok_and(|status| status.success())),
            "source" => self.source(rest),
            "time" => {
                let begun = now();
                let done = self.obey(rest);
                output::line(&format!(
                    "*** Elapsed time: {:.6} secs",
                    now().duration_since(begun).as_secs_f64()
                ));
                Ok(done)
            }
            "noecho" => match parse(rest, &self.graph.clone()) {
                Line::Node(node, text) => self.program(node, &text, false),
                _ => Err(Failure::usage("noecho: a node and a command are wanted.")),
            },
            "py" | "px" => {
                output::line(
                    "*** There is no Python here. Instead: `netloom ls -o json`, `netloom show NAME -o json` and\n\
                     *** `netloom exec NODE -- CMD` from any program; `expect:` and `events:` in a lab file.",
                );
                Ok(false)
            }
            // Switches are connected when the lab is up.
            "wait" => Ok(true),
            _ => Ok(help(rest)),
        }
    }

    /// Runs a program in a node, as a shell there would.
    fn program(&mut self, node: &str, text: &str, tty: bool) -> Result<bool, Failure> {
        if text.is_empty() {
            output::line(&format!("*** Enter a command for node: {node} <cmd>"));
            return Ok(false);
        }
        let mut words = text.split_whitespace();
        if words.next() == Some("cd") && words.clone().count() <= 1 {
            let place = words.next().unwrap_or("/").to_owned();
            self.places.insert(node.to_owned(), place);
            return Ok(true);
        }
        let size = tty.then(|| terminal::size().unwrap_or(TermSize { rows: 24, columns: 80 }));
        let command = Command::Exec {
            node: node.to_owned(),
            argv: vec!["sh".into(), "-c".into(), text.to_owned()],
            env: BTreeMap::new(),
            cwd: self.places.get(node).cloned(),
            user: None,
            tty: size,
        };
        let code = terminal::session(self.client.stream(&command)?, tty)?;
        Ok(code == 0)
    }

    fn ping(&mut self, pair: Option<(String, String)>, full: bool) -> Result<bool, Failure> {
        let nodes: Option<Vec<_>> = pair.as_ref().map(|(a, b)| vec![a.clone(), b.clone()]);
        let ask = |pair: Option<(String, String)>| {
            let every = full || pair.is_some();
            let command = Command::Ping { pair, family: Family::Ipv4, count: 1, every };
            match self.client.work(&command, &mut Patience::new(None), &mut |_| ())? {
                Reply::Pings(report) => Ok(report),
                other => Err(Failure::from(unexpected(&other))),
            }
        };
        let mut report = match pair {
            None => ask(None)?,
            Some((a, b)) => {
                // Mininet pings both ways.
                let mut there = ask(Some((a.clone(), b.clone())))?;
                let back = ask(Some((b, a)))?;
                there.rows.extend(back.rows);
                there.pairs += back.pairs;
                there.answered += back.answered;
                there.sent += back.sent;
                there.received += back.received;
                there
            }
        };
        let named = nodes.is_some();
        if let Some(nodes) = nodes {
            report.nodes = nodes;
        }
        output::put(&if full {
            render::pingfull(&report)
        } else {
            render::pingall(&report, &self.graph, named)
        });
        Ok(report.answered == report.pairs)
    }

    /// The first host and the second (`which` 1), or the last (`which` 0), of its tenant.
    fn pair(&self, which: usize) -> Result<(String, String), Failure> {
        let first = render::hosts(&self.graph).next();
        let mut others = render::hosts(&self.graph)
            .skip(1)
            .filter(|node| first.is_some_and(|first| first.tenant == node.tenant));
        let other = if which == 0 { others.next_back() } else { others.next() };
        match (first, other) {
            (Some(a), Some(b)) => Ok((a.name.clone(), b.name.clone())),
            _ => Err(Failure::usage("Two hosts of one tenant are wanted, and the lab has fewer.")),
        }
    }

    fn iperf(&mut self, udp: bool, rest: &str) -> Result<bool, Failure> {
        let mut words: Vec<_> = rest.split_whitespace().collect();
        let mut offered = udp.then_some("10M");
        if udp && words.len() % 2 == 1 {
            offered = Some(words.remove(0));
        }
        let (from, to) = match words.as_slice() {
            [] => self.pair(0)?,
            [a, b] => ((*a).to_owned(), (*b).to_owned()),
            _ => {
                output::line("invalid number of args: iperf [h1 h2], iperfudp [bw] [h1 h2]");
                return Ok(false);
            }
        };
        let protocol = if udp { "UDP" } else { "TCP" };
        output::line(&format!("*** Iperf: testing {protocol} bandwidth between {from} and {to} "));
        // iperf writes 10M where a lab file writes 10Mbit.
        let what = offered.map_or(Measurement::Tcp, |rate| {
            let digits = rate.trim_end_matches(['M', 'K', 'G', 'm', 'k', 'g']);
            let unit = match rate.get(digits.len()..).unwrap_or_default() {
                "K" | "k" => "kbit",
                "G" | "g" => "Gbit",
                "M" | "m" => "Mbit",
                _ => "bit",
            };
            Measurement::Udp(format!("{digits}{unit}"))
        });
        let command = Command::Measure { from, to, what, seconds: 5 };
        match self.client.work(&command, &mut Patience::new(None), &mut |_| ())? {
            Reply::Measured(row) => output::put(&render::iperf(&row, offered)),
            other => return Err(unexpected(&other).into()),
        }
        Ok(true)
    }

    fn link(&mut self, rest: &str) -> Result<bool, Failure> {
        let words: Vec<_> = rest.split_whitespace().collect();
        let [a, b, state @ ("up" | "down")] = words.as_slice() else {
            output::line("invalid number of args: link end1 end2 [up down]");
            return Ok(false);
        };
        let command = Command::Link {
            link: format!("{a}--{b}"),
            direction: Direction::Both,
            settings: BTreeMap::new(),
            up: Some(*state == "up"),
        };
        self.client.ask(&command)?;
        Ok(true)
    }

    /// A switch that stands still is one whose links are all down.
    fn switch(&mut self, rest: &str) -> Result<bool, Failure> {
        let words: Vec<_> = rest.split_whitespace().collect();
        let (name, up) = match words.as_slice() {
            [name, "start"] => (*name, true),
            [name, "stop"] => (*name, false),
            _ => {
                output::line("invalid number of args: switch <switch name> {start, stop}");
                return Ok(false);
            }
        };
        self.refresh()?;
        if !self.graph.switches.iter().any(|switch| switch.name == name) {
            output::line(&format!("invalid switch: {name}"));
            return Ok(false);
        }
        let ends = |link: &LinkRow| [&link.a, &link.b].iter().any(|end| end.switch && end.node == name);
        for link in self.graph.links.iter().filter(|link| ends(link)) {
            self.client.ask(&Command::Link {
                link: link.name.clone(),
                direction: Direction::Both,
                settings: BTreeMap::new(),
                up: Some(up),
            })?;
        }
        Ok(true)
    }

    fn dpctl(&mut self, rest: &str) -> Result<bool, Failure> {
        let (verb, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let argument = Some(argument.trim().to_owned()).filter(|argument| !argument.is_empty());
        if !DPCTL.contains(&verb) {
            return Err(Failure::usage(format!("dpctl {verb} is not done.")).hint(DPCTL.join(", ")));
        }
        self.refresh()?;
        for switch in self.graph.switches.clone() {
            let name = switch.name.clone();
            output::line(&format!("*** {name} {}", "-".repeat(72)));
            let flow =
                || argument.clone().ok_or_else(|| Failure::usage(format!("dpctl {verb}: a flow is wanted.")));
            let command = match verb {
                "dump-flows" => Command::FlowLs { switch: name, filter: argument.clone(), hidden: false },
                "add-flow" => Command::FlowAdd { switch: name, flows: vec![flow()?] },
                "mod-flows" => Command::FlowMod { switch: name, flows: vec![flow()?], strict: false },
                "del-flows" => Command::FlowRm {
                    switch: name,
                    matches: argument.iter().cloned().collect(),
                    strict: false,
                },
                _ => {
                    for port in &switch.ports {
                        output::line(&format!(
                            " {}({}): {}  rx pkts={}, bytes={}  tx pkts={}, bytes={}  drop={}",
                            port.number,
                            port.name,
                            port.state,
                            port.rx_packets,
                            port.rx_bytes,
                            port.tx_packets,
                            port.tx_bytes,
                            port.drops
                        ));
                    }
                    continue;
                }
            };
            let reply = self.client.ask(&command).map_err(|error| {
                let failure = Failure::from(error);
                argument.iter().fold(failure, |failure, text| failure.in_text("flow", text))
            })?;
            if let Reply::Flows(rows) = reply {
                for row in rows {
                    output::line(&format!(" {}", row.text));
                }
            }
        }
        Ok(true)
    }

    /// A window of its own per node.
    fn window(&mut self, word: &str, rest: &str) -> Result<bool, Failure> {
        let mut names: Vec<_> = rest.split_whitespace().map(str::to_owned).collect();
        let mut program = vec!["shell".to_owned()];
        if word == "x" {
            let command: Vec<_> = names.drain(names.len().min(1)..).collect();
            if command.is_empty() {
                return Err(Failure::usage("x: a node and a program are wanted."));
            }
            program = vec!["exec".to_owned()];
            let node = names.pop().unwrap_or_default();
            program.extend([node, "--".to_owned()]);
            program.extend(command);
        }
        if names.iter().any(|name| name == "*") {
            names = render::hosts(&self.graph).map(|node| node.name.clone()).collect();
        }
        if word == "x" {
            names = vec![String::new()];
        }
        let terminal = if word == "gterm" { "gnome-terminal" } else { "xterm" };
        let lab = self.client.home().lab();
        if ["DISPLAY", "WAYLAND_DISPLAY"].iter().all(|name| std::env::var_os(name).is_none()) {
            return Err(Failure::usage(format!("{word}: there is no display, and {terminal} needs one."))
                .hint(format!(
                    "`ssh -X` brings one along; without: `netloom -l {lab} shell NODE` in another window"
                )));
        }
        // Not /proc/self/exe: in the window that would be the window.
        let netloom =
            std::env::current_exe().map_err(|error| Failure::failed("Cannot find netloom.", &error))?;
        for name in names {
            let mut window = Process::new(terminal);
            window.args(match word {
                "gterm" => vec!["--".to_owned()],
                _ => vec!["-title".to_owned(), format!("node: {name}"), "-e".to_owned()],
            });
            window.arg(&netloom).args(["-l", lab]);
            window.args(&program);
            if word != "x" {
                window.arg(&name);
            }
            // Detached: it outlives the prompt, as there.
            if let Err(error) = window.spawn() {
                return Err(Failure::failed(format!("Cannot start {terminal}."), &error).hint(format!(
                    "`apt install {terminal}`; without: `netloom -l {lab} shell NODE` in another window"
                )));
            }
        }
        Ok(true)
    }

    fn source(&mut self, rest: &str) -> Result<bool, Failure> {
        if rest.is_empty() {
            output::line("usage: source <file>");
            return Ok(false);
        }
        if self.depth >= DEEPEST {
            return Err(Failure::usage("source: files name each other in a circle."));
        }
        self.depth += 1;
        let outcome = self.script(Path::new(rest));
        self.depth -= 1;
        Ok(outcome? < TIMEOUT)
    }
}

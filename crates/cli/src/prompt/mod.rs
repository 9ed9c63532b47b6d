//! Mininet's prompt.
//!
//! A line is a command of the prompt, or a node's name and a program: names of other nodes after it become their
//! addresses. [`parse`] reads a line, [`render`] writes what users know, the rest asks the lab.

mod history;
mod natural;
mod obey;
mod parse;
mod render;

use std::path::Path;

use netloom_api::{Command, Graph, Reply};

use crate::client::Client;
use crate::exit::{DONE, Failure, NO, Outcome};
use crate::lifecycle::unexpected;

pub(crate) use natural::natural;

/// The prompt on a lab.
#[derive(Debug)]
pub(crate) struct Prompt {
    client: Client,
    graph: Graph,
    /// Where `h1 cd DIR` went.
    places: std::collections::BTreeMap<String, String>,
    word: &'static str,
    /// Whether a controller `c0` is shown.
    controller: bool,
    interrupted: bool,
    /// How deep `source` is in `source`.
    depth: u32,
}

impl Prompt {
    /// Opens it.
    pub(crate) fn open(client: Client) -> Result<Self, Failure> {
        let graph = look(&client)?;
        Ok(Self {
            client,
            graph,
            places: std::collections::BTreeMap::new(),
            word: "netloom> ",
            controller: false,
            interrupted: false,
            depth: 0,
        })
    }

    /// Says `mininet>`, and shows its controller.
    pub(crate) const fn like_mininet(mut self, controller: bool) -> Self {
        self.word = "mininet> ";
        self.controller = controller;
        self
    }

    /// Whether Ctrl-C ended it.
    pub(crate) const fn was_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Runs the lines of a file. 1 if a line could not be done.
    pub(crate) fn script(&mut self, path: &Path) -> Outcome {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::failed(format!("Cannot read {}.", path.display()), &error))?;
        let mut code = DONE;
        for line in text.lines() {
            if parse::is_end(line) {
                break;
            }
            if !self.obey(line) {
                code = NO;
            }
        }
        Ok(code)
    }

    /// Asks for lines until the end.
    pub(crate) fn talk(&mut self) -> Outcome {
        let mut history = history::History::open(&self.words())
            .map_err(|error| Failure::failed("Cannot read from the terminal.", &error))?;
        loop {
            match history.ask(self.word) {
                Ok(Some(line)) if parse::is_end(&line) => break,
                Ok(Some(line)) => {
                    self.obey(&line);
                }
                Ok(None) => break,
                Err(error) => return Err(Failure::failed("Cannot read from the terminal.", &error)),
            }
        }
        Ok(DONE)
    }

    fn words(&self) -> Vec<String> {
        let nodes = self.graph.nodes.iter().map(|node| node.name.clone());
        let switches = self.graph.switches.iter().map(|switch| switch.name.clone());
        parse::COMMANDS.iter().map(|&(word, _)| word.to_owned()).chain(nodes).chain(switches).collect()
    }

    fn refresh(&mut self) -> Result<(), Failure> {
        self.graph = look(&self.client)?;
        Ok(())
    }
}

fn look(client: &Client) -> Result<Graph, Failure> {
    match client.ask(&Command::Graph)? {
        Reply::Graph(graph) => Ok(*graph),
        other => Err(unexpected(&other).into()),
    }
}

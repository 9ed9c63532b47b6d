//! A flow that is kept.

use netloom_flow::{FlowText, Nanos, RuleId, parse_flow};

use super::Unwritable;
use super::word::{Escaped, Words};
use crate::config::Origin;
use crate::model::{Carried, RuleState};

/// A flow with its counters and ages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFlow {
    /// Flows are in the order of these, which is that of their ages.
    pub(super) id: RuleId,
    /// Match, actions, and all that is written with them.
    pub flow: FlowText,
    /// Who asked for it.
    pub origin: Origin,
    /// What it has carried.
    pub carried: Carried,
    /// How long ago it was added.
    pub age: Nanos,
    /// How long ago its actions changed last: a hard timeout counts from there.
    pub changed: Nanos,
}

/// A flow of a lab file is one of a command to who reads this: only labs have files, and they do not keep flows.
const ORIGINS: [(&str, Origin); 3] =
    [("default", Origin::Default), ("command", Origin::Command), ("learned", Origin::Learned)];
/// In front of the target of a controller.
const CONTROLLER: &str = "controller=";

impl KeptFlow {
    pub(super) fn of(state: &RuleState, now: Nanos) -> Self {
        Self {
            id: state.rule.id,
            flow: state.rule.flow.clone(),
            origin: Origin::clone(&state.rule.origin),
            carried: Carried { packets: state.packets, bytes: state.bytes },
            age: now.since(state.created),
            changed: now.since(state.modified),
        }
    }

    /// Its line.
    ///
    /// # Errors
    /// It would be read as another flow.
    pub(super) fn line(&self) -> Result<String, Unwritable> {
        let text = self.flow.to_string();
        if parse_flow(&text).as_ref() != Ok(&self.flow) {
            return Err(Unwritable(format!("the flow {text}")));
        }
        let Carried { packets, bytes } = self.carried;
        let origin = match &self.origin {
            Origin::Controller { target } => format!("{CONTROLLER}{}", Escaped(target)),
            other => {
                let known = ORIGINS.iter().find(|(_, known)| known == other);
                known.map_or("command", |(word, _)| *word).to_owned()
            }
        };
        Ok(format!("flow {} {} {packets} {bytes} {origin} {text}", self.age.0, self.changed.0))
    }

    /// Reads what stands behind the first word of its line.
    pub(super) fn read(mut words: Words<'_>, place: u64) -> Result<Self, String> {
        let (age, changed) = (words.span("the age")?, words.span("the time of the last change")?);
        let carried = words.carried()?;
        let word = words.next("who asked for it")?;
        let origin = match word.strip_prefix(CONTROLLER) {
            Some(target) => Origin::Controller { target: Words::new(target).text("the controller")? },
            None => {
                let known = ORIGINS.iter().find(|(name, _)| *name == word);
                known.map(|(_, origin)| origin.clone()).ok_or("nobody known asked for it")?
            }
        };
        let flow = parse_flow(words.rest()).map_err(|error| error.message)?;
        Ok(Self { id: RuleId(place), flow, origin, carried, age, changed })
    }
}

//! Flows of a switch.

use netloom_api::{ApiError, ErrorKind, Finding, FlowRow, Place};
use netloom_flow::FlowTextError;
use netloom_switch::config::Origin;
use netloom_switch::{FlowCommand, FlowError, Switch};

use crate::engine::Running;
use crate::slowpath;

impl Running {
    pub(super) fn flow_ls(
        &self,
        switch: &str,
        filter: Option<&str>,
        hidden: bool,
    ) -> Result<Vec<FlowRow>, ApiError> {
        let Some(core) = self.core() else { return Ok(Vec::new()) };
        let filter = filter.unwrap_or("");
        let now = slowpath::now();
        let flows = core.fresh().flows(switch, filter).map_err(|e| self.flow_error(&e, switch, filter))?;
        let shown = flows.into_iter().filter(|flow| hidden || *flow.rule.origin != Origin::Default);
        let row = |flow: netloom_switch::FlowEntry| FlowRow {
            switch: switch.to_owned(),
            table: flow.rule.flow.table.0,
            priority: flow.rule.flow.priority,
            text: flow.line(now),
            packets: flow.packets,
            bytes: flow.bytes,
            origin: flow.rule.origin.to_string(),
        };
        Ok(shown.map(row).collect())
    }

    pub(super) fn flow_add(&self, switch: &str, flows: &[String]) -> Result<u64, ApiError> {
        self.change_flows(switch, FlowCommand::Add, flows)
    }

    pub(super) fn flow_mod(&self, switch: &str, flows: &[String], strict: bool) -> Result<u64, ApiError> {
        let command = if strict { FlowCommand::ModifyStrict } else { FlowCommand::Modify };
        self.change_flows(switch, command, flows)
    }

    pub(super) fn flow_rm(&self, switch: &str, matches: &[String], strict: bool) -> Result<u64, ApiError> {
        let command = if strict { FlowCommand::DeleteStrict } else { FlowCommand::Delete };
        let all = [String::new()];
        self.change_flows(switch, command, if matches.is_empty() { &all } else { matches })
    }

    fn change_flows(&self, switch: &str, command: FlowCommand, lines: &[String]) -> Result<u64, ApiError> {
        let now = slowpath::now();
        let done = self.model(|model| model.change_flow_lines(switch, command, lines, &Origin::Command, now));
        done.map(|changed| changed as u64).map_err(|(at, error)| {
            let text = lines.get(at).map_or("", String::as_str);
            in_line(self.flow_error(&error, switch, text), at, lines)
        })
    }

    /// Changes the model, after its counters were brought up to date.
    pub(super) fn model<T: Default, E>(
        &self,
        change: impl FnOnce(&mut Switch) -> Result<T, E>,
    ) -> Result<T, E> {
        let Some(core) = self.core() else { return Ok(T::default()) };
        drop(core.fresh());
        change(&mut slowpath::write_between(core.switch()))
    }

    pub(super) fn flow_error(&self, error: &FlowError, switch: &str, text: &str) -> ApiError {
        match error {
            FlowError::NoBridge(_) => {
                let state = self.state();
                let all: Vec<&str> = state.lab.switches.iter().map(|s| s.name.as_str()).collect();
                super::not_found("switch", switch, &all)
            }
            FlowError::Text(wrong) => bad_text("Not a flow", text, wrong),
            FlowError::Unsupported(_) => ApiError::new(ErrorKind::Unsupported, format!("{error}.")),
            _ => ApiError::new(ErrorKind::Failed, format!("{error}.")),
        }
    }
}

/// A text that means nothing, and where.
pub(super) fn bad_text(what: &str, text: &str, wrong: &FlowTextError) -> ApiError {
    let place = Place {
        file: "flow".to_owned(),
        line: 1,
        column: u32::try_from(wrong.span.start).unwrap_or(0) + 1,
        start: wrong.span.start,
        end: wrong.span.end,
    };
    let finding = Finding { message: wrong.message.clone(), hint: wrong.hint.clone(), place };
    ApiError::new(ErrorKind::InvalidFile, format!("{what}: {text}")).findings(vec![finding])
}

/// Says which of several lines is wrong. Nothing of what was asked was done.
pub(super) fn in_line(mut error: ApiError, at: usize, lines: &[String]) -> ApiError {
    if lines.len() > 1 {
        for finding in &mut error.detail.findings {
            finding.place.line = u32::try_from(at + 1).unwrap_or(u32::MAX);
        }
        error.message += &format!(" ({} of {}; none of them was carried out)", at + 1, lines.len());
    }
    error
}

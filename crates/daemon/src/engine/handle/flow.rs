//! Flows of a switch.

use netloom_api::{ApiError, ErrorKind, Finding, FlowRow, Place};
use netloom_switch::config::Origin;
use netloom_switch::{FlowError, Matching, Switch};

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
        let now = slowpath::now();
        for (done, flow) in flows.iter().enumerate() {
            self.model(|model| model.add_flow(switch, flow, Origin::Command, now))
                .map_err(|e| with_count(self.flow_error(&e, switch, flow), done))?;
        }
        Ok(flows.len() as u64)
    }

    pub(super) fn flow_mod(&self, switch: &str, flow: &str, strict: bool) -> Result<u64, ApiError> {
        let now = slowpath::now();
        self.model(|model| model.mod_flows(switch, flow, matching(strict), Origin::Command, now))
            .map(|changed| changed as u64)
            .map_err(|e| self.flow_error(&e, switch, flow))
    }

    pub(super) fn flow_rm(&self, switch: &str, matches: Option<&str>, strict: bool) -> Result<u64, ApiError> {
        let (text, now) = (matches.unwrap_or(""), slowpath::now());
        self.model(|model| model.del_flows(switch, text, matching(strict), now))
            .map(|removed| removed as u64)
            .map_err(|e| self.flow_error(&e, switch, text))
    }

    /// Changes the model, after its counters were brought up to date.
    fn model<T>(&self, change: impl FnOnce(&mut Switch) -> Result<T, FlowError>) -> Result<T, FlowError> {
        let Some(core) = self.core() else { return Err(FlowError::NoBridge("any".to_owned())) };
        drop(core.fresh());
        change(&mut slowpath::write_between(core.switch()))
    }

    fn flow_error(&self, error: &FlowError, switch: &str, text: &str) -> ApiError {
        match error {
            FlowError::NoBridge(_) => {
                let state = self.state();
                let all: Vec<&str> = state.lab.switches.iter().map(|s| s.name.as_str()).collect();
                super::not_found("switch", switch, &all)
            }
            FlowError::Text(wrong) => {
                let place = Place {
                    file: "flow".to_owned(),
                    line: 1,
                    column: u32::try_from(wrong.span.start).unwrap_or(0) + 1,
                    start: wrong.span.start,
                    end: wrong.span.end,
                };
                let finding = Finding { message: wrong.message.clone(), hint: wrong.hint.clone(), place };
                ApiError::new(ErrorKind::InvalidFile, format!("Not a flow: {text}")).findings(vec![finding])
            }
            FlowError::Unsupported(_) => ApiError::new(ErrorKind::Unsupported, format!("{error}.")),
            _ => ApiError::new(ErrorKind::Failed, format!("{error}.")),
        }
    }
}

fn matching(strict: bool) -> Matching {
    if strict { Matching::Strict } else { Matching::Loose }
}

fn with_count(mut error: ApiError, done: usize) -> ApiError {
    if done > 0 {
        error.message += &format!(" The {done} before it were added.");
    }
    error
}

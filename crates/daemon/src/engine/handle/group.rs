//! Groups and meters of a switch.

use netloom_api::{ApiError, ErrorKind, GroupRow, MeterRow, TableChange};
use netloom_flow::text::{GroupText, MeterText};
use netloom_switch::{FlowError, Group, GroupCommand, GroupError, MeterTextError, MeterVerb};

use super::flow::{bad_text, in_line};
use crate::engine::Running;
use crate::slowpath;

/// All meters, where one is to be named.
const ALL_METERS: u32 = u32::MAX;

impl Running {
    pub(super) fn group_ls(&self, switch: &str) -> Result<Vec<GroupRow>, ApiError> {
        let Some(core) = self.core() else { return Ok(Vec::new()) };
        let model = core.fresh();
        let id = model.bridge_id(switch).ok_or_else(|| self.no_switch(switch))?;
        let row = |group: &Group| GroupRow {
            switch: switch.to_owned(),
            group: group.id,
            text: GroupText::from(group).to_string(),
            packets: group.carried.packets,
            bytes: group.carried.bytes,
            buckets: group.bucket_carried.iter().map(|carried| carried.packets).collect(),
            flows: model.group_references(id, group.id) as u64,
        };
        Ok(model.groups(id, Group::ALL).into_iter().map(row).collect())
    }

    pub(super) fn change_groups(
        &self,
        switch: &str,
        change: TableChange,
        groups: &[String],
    ) -> Result<u64, ApiError> {
        let command = match change {
            TableChange::Add => GroupCommand::Add,
            TableChange::Mod => GroupCommand::Modify,
            TableChange::Rm => GroupCommand::Delete,
        };
        let (all, now) = (["group_id=all".to_owned()], slowpath::now());
        let lines = if groups.is_empty() { &all } else { groups };
        let done = self.model(|model| model.change_groups(switch, command, lines, now));
        done.map(|changed| changed as u64).map_err(|(at, error)| {
            let text = lines.get(at).map_or("", String::as_str);
            let error = match error {
                GroupError::Actions(FlowError::Text(wrong)) => bad_text("Not a group", text, &wrong),
                GroupError::Actions(error) => self.flow_error(&error, switch, text),
                error => ApiError::new(ErrorKind::Failed, format!("{error}.")),
            };
            in_line(error, at, lines)
        })
    }

    pub(super) fn meter_ls(&self, switch: &str) -> Result<Vec<MeterRow>, ApiError> {
        let Some(core) = self.core() else { return Ok(Vec::new()) };
        let model = core.fresh();
        let id = model.bridge_id(switch).ok_or_else(|| self.no_switch(switch))?;
        let row = |meter: &netloom_switch::MeterRow| MeterRow {
            switch: switch.to_owned(),
            meter: meter.id,
            text: MeterText::from(meter).to_string(),
            packets: meter.read.input.0,
            bytes: meter.read.input.1,
            bands: meter.read.bands.iter().map(|(packets, _)| *packets).collect(),
            flows: meter.flows as u64,
        };
        Ok(model.meters(id, ALL_METERS).iter().map(row).collect())
    }

    pub(super) fn change_meters(
        &self,
        switch: &str,
        change: TableChange,
        meters: &[String],
    ) -> Result<u64, ApiError> {
        let verb = match change {
            TableChange::Add => MeterVerb::Add,
            TableChange::Mod => MeterVerb::Modify,
            TableChange::Rm => MeterVerb::Delete,
        };
        let (all, now) = (["meter=all".to_owned()], slowpath::now());
        let lines = if meters.is_empty() { &all } else { meters };
        let done = self.model(|model| model.change_meters(switch, verb, lines, now));
        done.map(|changed| changed as u64).map_err(|(at, error)| {
            let text = lines.get(at).map_or("", String::as_str);
            let error = match error {
                MeterTextError::NoBridge(_) => self.no_switch(switch),
                MeterTextError::Text(wrong) => bad_text("Not a meter", text, &wrong),
                MeterTextError::Meter(error) => ApiError::new(ErrorKind::Failed, format!("{error}.")),
            };
            in_line(error, at, lines)
        })
    }

    fn no_switch(&self, switch: &str) -> ApiError {
        self.flow_error(&FlowError::NoBridge(switch.to_owned()), switch, "")
    }
}

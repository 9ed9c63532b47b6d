//! Many changes of flows as one.

use netloom_flow::Nanos;

use super::{FlowCommand, FlowError, Matching};
use crate::config::Origin;
use crate::switch::Switch;

impl Switch {
    /// Carries out changes of flows, one a line, each in the syntax of `ovs-ofctl`: all of them or none. Returns how many
    /// flows were added, changed or removed.
    ///
    /// A line may begin with a command of its own, as in a file for `ovs-ofctl add-flows`: `add`, `modify`,
    /// `modify_strict`, `delete`, `delete_strict`.
    ///
    /// # Errors
    /// Nothing was changed: which line is wrong, from 0, and why.
    pub fn change_flow_lines(
        &mut self,
        bridge: &str,
        command: FlowCommand,
        lines: &[String],
        origin: &Origin,
        now: Nanos,
    ) -> Result<usize, (usize, FlowError)> {
        self.all_or_none(now, |model| {
            let mut count = 0;
            for (at, line) in lines.iter().enumerate() {
                let (command, text) = command_of(line).unwrap_or((command, line));
                count += model
                    .change_flow(bridge, command, text, origin, now)
                    .map_err(|error| (at, shifted(error, line.len().saturating_sub(text.len()))))?;
            }
            Ok(count)
        })
    }

    fn change_flow(
        &mut self,
        bridge: &str,
        command: FlowCommand,
        text: &str,
        origin: &Origin,
        now: Nanos,
    ) -> Result<usize, FlowError> {
        match command {
            FlowCommand::Add => self.add_flow(bridge, text, origin.clone(), now).map(|()| 1),
            FlowCommand::Modify => self.mod_flows(bridge, text, Matching::Loose, origin.clone(), now),
            FlowCommand::ModifyStrict => self.mod_flows(bridge, text, Matching::Strict, origin.clone(), now),
            FlowCommand::Delete => self.del_flows(bridge, text, Matching::Loose, now),
            FlowCommand::DeleteStrict => self.del_flows(bridge, text, Matching::Strict, now),
        }
    }
}

/// Errors point into the line as it was written.
fn shifted(error: FlowError, by: usize) -> FlowError {
    match error {
        FlowError::Text(mut wrong) => {
            wrong.span = wrong.span.start + by..wrong.span.end + by;
            FlowError::Text(wrong)
        }
        other => other,
    }
}

/// The command in front of a line, and the rest.
fn command_of(line: &str) -> Option<(FlowCommand, &str)> {
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let command = match word {
        "add" => FlowCommand::Add,
        "modify" => FlowCommand::Modify,
        "modify_strict" => FlowCommand::ModifyStrict,
        "delete" => FlowCommand::Delete,
        "delete_strict" => FlowCommand::DeleteStrict,
        _ => return None,
    };
    Some((command, rest.trim_start()))
}

//! Instructions of 1.1 and later, which stand among the actions here.
//!
//! ```text
//! type:16 length:16 ...
//! ```
//!
//! The order in the list is the order in which OpenFlow carries them out, whatever their order on the wire: meter,
//! apply-actions, statistics trigger, clear-actions, write-actions, write-metadata, goto-table.
//!
//! Source: OpenFlow 1.3.5 §7.2.4.

use netloom_flow::action::StatTrigger;
use netloom_flow::{Action, TableId};

use super::action::{self, Context};
use super::counts::{put_thresholds, read_thresholds};
use super::reader::Reader;
use super::writer::{Out, Put, with_len};
use crate::error::Result;
use crate::{OfError, Version};

/// Flags of a statistics trigger (`OFPSTF_*`).
const PERIODIC: u32 = 1 << 0;
const ONLY_FIRST: u32 = 1 << 1;

/// The number of apply-actions, of which the upper byte is 0.
const APPLY: u8 = 4;

/// Each instruction at most once.
#[derive(Default)]
struct Found {
    goto: Option<Action>,
    metadata: Option<Action>,
    write: Option<Action>,
    apply: Option<Vec<Action>>,
    clear: Option<Action>,
    trigger: Option<Action>,
    meter: Option<Action>,
}

impl Found {
    /// In the order in which they are carried out.
    fn list(self) -> Vec<Action> {
        let mut list = self.apply.unwrap_or_default();
        if let Some(meter) = self.meter {
            list.insert(0, meter);
        }
        list.extend([self.trigger, self.clear, self.write, self.metadata, self.goto].into_iter().flatten());
        list
    }
}

/// Reads instructions until the end.
///
/// # Errors
/// `BicUnknownInst`, `BicBadExperimenter`, `BicDupInst`, `BicBadLen`; and those of actions.
pub(crate) fn read_list(version: Version, r: &mut Reader<'_>) -> Result<Vec<Action>> {
    let mut r = r.part(r.len())?.or(OfError::BicBadLen);
    if let [0, APPLY, a, b, ..] = *r.rest()
        && usize::from(u16::from_be_bytes([a, b])) == r.len()
        && r.len().is_multiple_of(8)
    {
        // Most flows have nothing but this.
        r.skip(4)?;
        return actions(version, &mut r);
    }
    let mut found = Found::default();
    while !r.is_empty() {
        let (kind, len) = (r.u16()?, usize::from(r.u16()?));
        if len % 8 != 0 {
            return Err(OfError::BicBadLen);
        }
        let mut body = r.part(len.checked_sub(4).ok_or(OfError::BicBadLen)?)?;
        read(version, kind, &mut body, &mut found)?;
        body.end()?;
    }
    Ok(found.list())
}

fn read(version: Version, kind: u16, r: &mut Reader<'_>, found: &mut Found) -> Result<()> {
    let repeated = match kind {
        1 => {
            let table = TableId(r.u8()?);
            r.skip(3)?;
            found.goto.replace(Action::GotoTable(table)).is_some()
        }
        2 => {
            r.skip(4)?;
            let (value, mask) = (r.u64()?, r.u64()?);
            let action = Action::WriteMetadata { value: value & mask, mask };
            found.metadata.replace(action).is_some()
        }
        3 => found.write.replace(Action::WriteActions(actions(version, r)?.into())).is_some(),
        4 => found.apply.replace(actions(version, r)?).is_some(),
        5 => {
            r.skip(4)?;
            found.clear.replace(Action::ClearActions).is_some()
        }
        6 if (Version::V13..=Version::V14).contains(&version) => {
            found.meter.replace(Action::Meter(r.u32()?)).is_some()
        }
        7 if version >= Version::V15 => {
            let flags = r.u32()?;
            let thresholds = read_thresholds(r)?;
            let (periodic, only_first) = (flags & PERIODIC != 0, flags & ONLY_FIRST != 0);
            let trigger = StatTrigger { periodic, only_first, thresholds };
            found.trigger.replace(Action::StatTrigger(Box::new(trigger))).is_some()
        }
        0xffff => return Err(OfError::BicBadExperimenter),
        _ => return Err(OfError::BicUnknownInst),
    };
    if repeated { Err(OfError::BicDupInst) } else { Ok(()) }
}

fn actions(version: Version, r: &mut Reader<'_>) -> Result<Vec<Action>> {
    r.skip(4)?;
    let list = action::read_list(version, r)?;
    r.take_rest();
    Ok(list)
}

/// Whether an action is an instruction of its own in this version.
fn is_instruction(version: Version, action: &Action) -> bool {
    match action {
        Action::Meter(_) => version < Version::V15,
        Action::StatTrigger(_)
        | Action::ClearActions
        | Action::WriteActions(_)
        | Action::WriteMetadata { .. }
        | Action::GotoTable(_) => true,
        _ => false,
    }
}

/// Whether a list has an instruction of its own in this version.
pub(crate) fn has_any(version: Version, list: &[Action]) -> bool {
    list.iter().any(|action| is_instruction(version, action))
}

/// Writes a flow's actions as instructions.
pub(crate) fn put_list(out: &mut Out, context: Context, list: &[Action]) {
    let mut rest = list;
    while let [first, others @ ..] = rest {
        if is_instruction(context.version, first) {
            put(out, context, first);
            rest = others;
            continue;
        }
        let apply = rest.iter().take_while(|action| !is_instruction(context.version, action)).count();
        let (actions, others) = rest.split_at(apply);
        instruction(out, 4, |out| {
            out.zeros(4);
            action::put_list(out, context, actions);
        });
        rest = others;
    }
}

fn put(out: &mut Out, context: Context, action: &Action) {
    match action {
        Action::GotoTable(table) => instruction(out, 1, |out| out.u8(table.0)),
        Action::WriteMetadata { value, mask } => instruction(out, 2, |out| {
            out.zeros(4);
            out.u64(*value);
            out.u64(*mask);
        }),
        Action::WriteActions(list) => instruction(out, 3, |out| {
            out.zeros(4);
            action::put_list(out, context, list);
        }),
        Action::ClearActions => instruction(out, 5, |_| {}),
        Action::StatTrigger(trigger) if context.version >= Version::V15 => instruction(out, 7, |out| {
            let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
            out.u32(flag(trigger.periodic, PERIODIC) | flag(trigger.only_first, ONLY_FIRST));
            put_thresholds(out, &trigger.thresholds);
        }),
        Action::Meter(meter) if context.version >= Version::V13 => instruction(out, 6, |out| out.u32(*meter)),
        _ => {}
    }
}

fn instruction(out: &mut Out, kind: u16, body: impl FnOnce(&mut Out)) {
    with_len(out, 2, |out| {
        out.u16(kind);
        out.u16(0);
        body(out);
    });
}

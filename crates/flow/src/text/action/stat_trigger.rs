//! `stat_trigger(periodic,only_first,packets=1000,bytes=1000000,duration=60)`

use std::fmt;

use super::super::error::FlowTextError;
use super::super::piece::{Items, Piece};
use super::super::value;
use super::show::separated;
use crate::Nanos;
use crate::action::StatTrigger;

const SECOND: u64 = 1_000_000_000;

pub(super) fn parse(text: Piece<'_>) -> Result<StatTrigger, FlowTextError> {
    let mut trigger = StatTrigger::default();
    let thresholds = &mut trigger.thresholds;
    for item in Items::new(text.in_parentheses().unwrap_or(text)) {
        match (item.key.text, item.value) {
            ("periodic", None) => trigger.periodic = true,
            ("only_first", None) => trigger.only_first = true,
            ("packets", Some(value)) => thresholds.packets = number(value)?,
            ("bytes", Some(value)) => thresholds.bytes = number(value)?,
            ("duration", Some(value)) => thresholds.duration = duration(value)?,
            _ => {
                return Err(FlowTextError::new(
                    item.whole,
                    "'stat_trigger' takes packets, bytes and duration, periodic and only_first",
                ));
            }
        }
    }
    if trigger.thresholds == crate::action::Tally::default() {
        return Err(FlowTextError::new(text, "'stat_trigger' needs a threshold")
            .hint("as in stat_trigger(packets=1000)"));
    }
    Ok(trigger)
}

fn number(text: Piece<'_>) -> Result<u64, FlowTextError> {
    Ok(u64::try_from(value::number(text, u64::MAX.into())?).unwrap_or(u64::MAX))
}

/// Seconds, with up to nine digits behind a point.
fn duration(text: Piece<'_>) -> Result<Nanos, FlowTextError> {
    let (whole, part) = text.split_once(".").unwrap_or((text, text.slice(text.text.len(), text.text.len())));
    let seconds = u64::try_from(value::number(whole, u32::MAX.into())?).unwrap_or(u64::MAX);
    let digits = part.text.trim();
    if digits.len() > 9 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(FlowTextError::new(part, "Seconds have up to nine digits behind the point"));
    }
    let nanos: u64 = format!("{digits:0<9}").parse().unwrap_or(0);
    Ok(Nanos(seconds * SECOND + nanos))
}

impl fmt::Display for StatTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thresholds = &self.thresholds;
        let mut items = Vec::new();
        items.extend(self.periodic.then(|| "periodic".to_owned()));
        items.extend(self.only_first.then(|| "only_first".to_owned()));
        for (name, value) in [("packets", thresholds.packets), ("bytes", thresholds.bytes)] {
            items.extend((value != 0).then(|| format!("{name}={value}")));
        }
        let (seconds, nanos) = (thresholds.duration.0 / SECOND, thresholds.duration.0 % SECOND);
        match (seconds, nanos) {
            (0, 0) => {}
            (_, 0) => items.push(format!("duration={seconds}")),
            _ => items.push(format!("duration={seconds}.{}", format!("{nanos:09}").trim_end_matches('0'))),
        }
        f.write_str("stat_trigger(")?;
        separated(f, items)?;
        f.write_str(")")
    }
}

//! `learn(table=1,hard_timeout=60,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])`

use std::fmt;

use super::super::error::FlowTextError;
use super::super::flow::{DEFAULT_PRIORITY, table_id};
use super::super::piece::{Item, Items, Piece};
use super::super::value::{self, hex};
use super::place::{Place, arrow, equally_wide, field, fitting, subfield};
use crate::action::{Learn, LearnSpec};
use crate::{Action, FlowMatch, Operand, Subfield};

/// Reads what stands behind the name.
pub(super) fn parse(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let mut learn = Learn::default();
    let mut specs = Vec::new();
    // What is known of the packets of the flow that is learned.
    let mut learned = Place { seen: FlowMatch::any(), ..*place };
    for item in Items::new(text.in_parentheses().unwrap_or(text)) {
        if !option(&mut learn, item, place)? {
            specs.push(spec(item, place, &mut learned)?);
        }
    }
    learn.specs = specs.into();
    Ok(Action::Learn(Box::new(learn)))
}

/// Reads what is no part of match or actions.
fn option(learn: &mut Learn, item: Item<'_>, place: &Place<'_>) -> Result<bool, FlowTextError> {
    match (item.key.text, item.value) {
        ("table", Some(value)) => learn.table = table_id(value)?,
        ("idle_timeout", Some(value)) => learn.idle_timeout = value::small(value)?,
        ("hard_timeout", Some(value)) => learn.hard_timeout = value::small(value)?,
        ("fin_idle_timeout", Some(value)) => learn.fin_idle_timeout = value::small(value)?,
        ("fin_hard_timeout", Some(value)) => learn.fin_hard_timeout = value::small(value)?,
        ("priority", Some(value)) => learn.priority = value::small(value)?,
        ("cookie", Some(value)) => learn.cookie = value::small(value)?,
        ("limit", Some(value)) => learn.limit = value::small(value)?,
        ("send_flow_rem", None) => learn.send_flow_rem = true,
        ("delete_learned", None) => learn.delete_learned = true,
        ("result_dst", Some(value)) => {
            let part = place.target(value)?;
            if part.bits != 1 {
                return Err(
                    FlowTextError::new(value, "The result is one bit").hint("as in result_dst=reg0[0]")
                );
            }
            learn.result = Some(part);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Reads what the flow matches or does.
fn spec(item: Item<'_>, place: &Place<'_>, learned: &mut Place<'_>) -> Result<LearnSpec, FlowTextError> {
    match (item.key.text, item.value) {
        ("output", Some(value)) => Ok(LearnSpec::Output(place.source(value)?)),
        ("load", Some(value)) => {
            let (from, to) = arrow(value, "load:VALUE->FIELD[BITS]")?;
            let target = learned.target(to)?;
            let source = if from.text.starts_with(|c: char| c.is_ascii_digit()) {
                Operand::Value(fitting(from, target)?)
            } else {
                Operand::Field(source(from, target, place)?)
            };
            Ok(LearnSpec::Load { target, source })
        }
        (_, value) => {
            let target = subfield(item.key)?;
            let source = match value {
                None => Operand::Field(source(item.key, target, place)?),
                Some(value) => operand(value, target, place)?,
            };
            demand(item.whole, target, source, learned)?;
            Ok(LearnSpec::Match { target, source })
        }
    }
}

/// A part of a field, as wide as the target.
fn source(text: Piece<'_>, target: Subfield, place: &Place<'_>) -> Result<Subfield, FlowTextError> {
    let part = place.source(text)?;
    equally_wide(text, part, target)?;
    Ok(part)
}

/// A value as a match has it, a number for a part of a field, or else a part of a field.
fn operand(text: Piece<'_>, target: Subfield, place: &Place<'_>) -> Result<Operand<u128>, FlowTextError> {
    let name = text.split_once("[").map_or(text, |(name, _)| name);
    let is_value = text.text.starts_with(|c: char| c.is_ascii_digit()) || field(name.trim()).is_err();
    Ok(match (target.is_whole(), is_value) {
        (_, false) => Operand::Field(source(text, target, place)?),
        (false, true) => Operand::Value(fitting(text, target)?),
        (true, true) => {
            let (value, mask) = value::masked(target.field.field(), text, place.ports)?;
            if mask != target.field.field().max() {
                return Err(FlowTextError::new(text, "A learned flow matches whole values here"));
            }
            Operand::Value(value)
        }
    })
}

/// Adds to what is known of the packets of the learned flow.
fn demand(
    at: Piece<'_>,
    target: Subfield,
    source: Operand<u128>,
    learned: &mut Place<'_>,
) -> Result<(), FlowTextError> {
    learned.exists(at, target)?;
    if let Operand::Value(value) = source {
        match target.is_whole() {
            true => learned.seen.set(target.field, value),
            false => learned.seen.set_masked(target.field, value << target.offset.min(127), target.mask()),
        }
    }
    Ok(())
}

impl fmt::Display for Learn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "learn(table={}", self.table)?;
        for (name, seconds) in [
            ("idle_timeout", self.idle_timeout),
            ("hard_timeout", self.hard_timeout),
            ("fin_idle_timeout", self.fin_idle_timeout),
            ("fin_hard_timeout", self.fin_hard_timeout),
        ] {
            if seconds != 0 {
                write!(f, ",{name}={seconds}")?;
            }
        }
        if self.priority != DEFAULT_PRIORITY {
            write!(f, ",priority={}", self.priority)?;
        }
        for (name, is_set) in [("send_flow_rem", self.send_flow_rem), ("delete_learned", self.delete_learned)]
        {
            if is_set {
                write!(f, ",{name}")?;
            }
        }
        if self.cookie != 0 {
            write!(f, ",cookie={:#x}", self.cookie)?;
        }
        if self.limit != 0 {
            write!(f, ",limit={}", self.limit)?;
        }
        if let Some(result) = self.result {
            write!(f, ",result_dst={result}")?;
        }
        self.specs.iter().try_for_each(|spec| write!(f, ",{spec}"))?;
        f.write_str(")")
    }
}

impl fmt::Display for LearnSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match { target, source: Operand::Value(value) } if target.is_whole() => {
                whole(f, *target, *value)
            }
            Self::Match { target, source: Operand::Value(value) } => write!(f, "{target}={}", hex(*value)),
            Self::Match { target, source: Operand::Field(source) } if target == source => target.fmt(f),
            Self::Match { target, source: Operand::Field(source) } => write!(f, "{target}={source}"),
            Self::Load { target, source: Operand::Value(value) } => {
                write!(f, "load:{}->{target}", hex(*value))
            }
            Self::Load { target, source: Operand::Field(source) } => write!(f, "load:{source}->{target}"),
            Self::Output(source) => write!(f, "output:{source}"),
        }
    }
}

/// `eth_type=0x800`: a whole field as a flow matches it.
fn whole(f: &mut fmt::Formatter<'_>, target: Subfield, value: u128) -> fmt::Result {
    let field = target.field.field();
    write!(f, "{}={}", field.name, value::Shown { field, value, mask: field.max() })
}

//! `learn(table=1,hard_timeout=60,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])`

use std::fmt;

use super::super::flow::DEFAULT_PRIORITY;
use super::super::value::{self, hex};
use crate::action::{Learn, LearnSpec};
use crate::{Operand, Subfield};

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

//! Printing an action, and a list of them.

use std::fmt;

use super::super::matches::masked_hex;
use super::super::port;
use super::super::value::hex;
use super::field::set_field;
use crate::{Action, OfPort};

/// A list of actions as it is printed.
#[derive(Debug, Clone, Copy)]
pub(in crate::text) struct Shown<'a>(pub(in crate::text) &'a [Action]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("drop");
        }
        separated(f, self.0)
    }
}

/// Values with commas between them.
pub(super) fn separated<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    values: impl IntoIterator<Item = T>,
) -> fmt::Result {
    for (i, value) in values.into_iter().enumerate() {
        write!(f, "{}{value}", if i == 0 { "" } else { "," })?;
    }
    Ok(())
}

/// Bytes as pairs of hexadecimal digits with dots between them.
pub(super) fn dotted(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(".")
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Output(port) | Self::OutputMax { port, .. } if *port >= OfPort::MAX => {
                port::Shown(*port).fmt(f)
            }
            Self::Output(port) | Self::OutputMax { port, .. } => write!(f, "output:{port}"),
            Self::OutputReg { source, .. } => write!(f, "output:{source}"),
            Self::OutputTrunc { port, max_len } => {
                write!(f, "output(port={},max_len={max_len})", port::Shown(*port))
            }
            Self::Enqueue { port, queue } => write!(f, "enqueue:{}:{queue}", port::Shown(*port)),
            Self::Controller(controller) => controller.fmt(f),
            Self::Bundle(bundle) => bundle.fmt(f),
            Self::SetField { field, value, mask, spelling } => set_field(f, *field, *value, *mask, *spelling),
            Self::SetVlanVid(vid) => write!(f, "{name}:{vid}"),
            Self::SetVlanPcp(pcp) => write!(f, "{name}:{pcp}"),
            Self::Load { value, target } => write!(f, "{name}:{}->{target}", hex(*value)),
            Self::Move { source, target } => write!(f, "{name}:{source}->{target}"),
            Self::StackPush(part) | Self::StackPop(part) => write!(f, "{name}:{part}"),
            Self::DeleteField(field) => write!(f, "{name}:{}", field.field().name),
            Self::PushVlan { tpid: ethertype }
            | Self::PushMpls { ethertype }
            | Self::PopMpls { ethertype } => write!(f, "{name}:0x{ethertype:04x}"),
            Self::PushPbb => write!(f, "{name}:0x88e7"),
            Self::Encap(encap) => encap.fmt(f),
            Self::Decap { packet_type: None } => write!(f, "{name}()"),
            Self::Decap { packet_type: Some(kind) } => {
                write!(f, "{name}(packet_type(ns={},type=0x{:x}))", kind >> 16, kind & 0xffff)
            }
            Self::DecTtl { controllers } if !controllers.is_empty() => {
                write!(f, "{name}(")?;
                separated(f, controllers)?;
                f.write_str(")")
            }
            Self::CheckPktLarger { len, target } => write!(f, "{name}({len})->{target}"),
            Self::Multipath(multipath) => multipath.fmt(f),
            Self::Resubmit { port, table, ct } => resubmit(f, *port, *table, *ct),
            Self::Learn(learn) => learn.fmt(f),
            Self::Conjunction { id, clause, n_clauses } => {
                write!(f, "{name}({id},{}/{n_clauses})", u16::from(*clause) + 1)
            }
            Self::FinTimeout { idle, hard } => fin_timeout(f, *idle, *hard),
            Self::Ct(ct) => ct.fmt(f),
            Self::Clone(list) | Self::WriteActions(list) => write!(f, "{name}({})", Shown(list)),
            Self::Sample(sample) => sample.fmt(f),
            Self::StatTrigger(trigger) => trigger.fmt(f),
            Self::Note(bytes) => write!(f, "{name}:{}", dotted(bytes)),
            Self::WriteMetadata { value, mask } => masked_hex(f, name, *value, *mask),
            Self::Group(number) | Self::SetQueue(number) | Self::Meter(number) => {
                write!(f, "{name}:{number}")
            }
            Self::GotoTable(table) => write!(f, "{name}:{table}"),
            Self::PopVlan
            | Self::PopPbb
            | Self::DecTtl { .. }
            | Self::DecMplsTtl
            | Self::DecNshTtl
            | Self::CopyTtlOut
            | Self::CopyTtlIn
            | Self::PopQueue
            | Self::CtClear
            | Self::Exit
            | Self::ClearActions => f.write_str(name),
        }
    }
}

fn resubmit(
    f: &mut fmt::Formatter<'_>,
    port: Option<OfPort>,
    table: Option<crate::TableId>,
    ct: bool,
) -> fmt::Result {
    let text = port.map(|port| port::Shown(port).to_string()).unwrap_or_default();
    if table.is_none() && port.is_some() && !ct {
        return write!(f, "resubmit:{text}");
    }
    let table = table.map(|table| table.to_string()).unwrap_or_default();
    write!(f, "resubmit({text},{table}{})", if ct { ",ct" } else { "" })
}

fn fin_timeout(f: &mut fmt::Formatter<'_>, idle: u16, hard: u16) -> fmt::Result {
    let items = [("idle_timeout", idle), ("hard_timeout", hard)];
    let given = items.iter().filter(|(_, seconds)| *seconds != 0);
    f.write_str("fin_timeout(")?;
    separated(f, given.map(|(name, seconds)| format!("{name}={seconds}")))?;
    f.write_str(")")
}

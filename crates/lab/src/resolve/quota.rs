//! Quotas of tenants, and whether what the file has fits in.

use crate::error::Span;
use crate::file::{LabFile, Reader, TenantEntry};
use crate::lab::Lab;
use crate::limits::Quota;
use crate::quota::{Part, overdrafts};

/// Gives tenants their quotas; what overdraws them is an error at the quota.
pub(super) fn resolve(reader: &mut Reader, file: &LabFile, lab: &mut Lab) {
    for entry in &file.tenants {
        let quota = quota(entry);
        if let Some(tenant) = lab.tenants.iter_mut().find(|tenant| tenant.name == entry.name.value) {
            tenant.quota = quota;
        }
    }
    for entry in &file.tenants {
        for found in overdrafts(lab, &entry.name.value) {
            reader.error(span(entry, found.part), found.message, found.hint.as_deref());
        }
    }
}

fn quota(entry: &TenantEntry) -> Quota {
    Quota {
        cpu: entry.cpu.as_ref().map(|it| it.value),
        memory: entry.memory.as_ref().map(|it| it.value),
        nodes: entry.nodes.as_ref().map(|it| it.value),
        bandwidth: entry.bandwidth.as_ref().map(|it| it.value),
        best_effort: entry.best_effort,
    }
}

fn span(entry: &TenantEntry, part: Part) -> Span {
    let written = match part {
        Part::Cpu => &entry.cpu,
        Part::Memory => &entry.memory,
        Part::Nodes => &entry.nodes,
        Part::Bandwidth => &entry.bandwidth,
    };
    written.as_ref().map_or(entry.name.span, |it| it.span)
}

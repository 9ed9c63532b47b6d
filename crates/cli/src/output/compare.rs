//! A node as several kinds of machine, side by side.

use netloom_api::CompareRow;

use super::words::{memory, rate, time};

pub(super) const HEADERS: [&str; 9] =
    ["AS", "BOOT>", "MEMORY>", "DISK>", "TCP OUT>", "TCP IN>", "ROUND TRIP>", "CPU S/GB>", "PROCESSOR"];

pub(super) fn row(row: &CompareRow) -> Vec<String> {
    let told = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let processor =
        row.reason.as_ref().map_or_else(|| row.processor.clone(), |why| format!("not here: {why}"));
    vec![
        row.kind.clone(),
        told(row.boot_ms.map(time)),
        told(row.memory.map(memory)),
        told(row.disk.map(memory)),
        told(row.out_bps.map(rate)),
        told(row.in_bps.map(rate)),
        told(row.rtt_ms.map(time)),
        told(row.cpu_s_per_gb.map(|seconds| format!("{seconds:.2}"))),
        processor,
    ]
}

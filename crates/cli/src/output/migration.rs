//! How the move of a virtual machine went.

use netloom_api::MigrationRow;

use super::words::{many, memory, time};

/// `vm1 goes on at east: network still 61 ms (QEMU 55 ms), 1.8 s in all, 3 rounds, 92.0MiB sent, 4 packets kept`
pub(super) fn words(row: &MigrationRow) -> String {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a pause")]
    let downtime = time(row.downtime_ms as f64);
    let again = match row.repaired {
        0 => String::new(),
        count => format!(" and {} again", many(count, "page")),
    };
    let lost = if row.lost > 0 { format!(", {} lost", row.lost) } else { String::new() };
    format!(
        "{} goes on at {}: network still {} (QEMU {downtime}), {} in all, {}, {} sent{}{again}, {} kept{lost}",
        row.node,
        row.host,
        time(row.pause_ms),
        time(row.total_ms),
        many(row.rounds, "round"),
        memory(row.transferred),
        if row.encrypted { " encrypted" } else { "" },
        many(row.kept, "packet"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_it_went_in_a_line() {
        let row = MigrationRow {
            node: "vm1".to_owned(),
            host: "east".to_owned(),
            total_ms: 1_800.0,
            pause_ms: 61.2,
            downtime_ms: 55,
            rounds: 3,
            memory: 256 << 20,
            transferred: 92 << 20,
            kept: 1,
            ..MigrationRow::default()
        };
        let expected = "vm1 goes on at east: network still 61 ms (QEMU 55 ms), 1.8 s in all, 3 rounds, 92.0MiB sent, 1 packet kept";
        assert_eq!(words(&row), expected);
        let row = MigrationRow { lost: 2, repaired: 3, encrypted: true, ..row };
        assert!(words(&row).ends_with("92.0MiB sent encrypted and 3 pages again, 1 packet kept, 2 lost"));
    }
}

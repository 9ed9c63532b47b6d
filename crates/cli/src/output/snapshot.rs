//! Snapshots in a table.

use netloom_api::SnapshotRow;

use super::words::memory;

pub(super) const HEADERS: [&str; 5] = ["NAME", "NODE", "TAKEN", "MEMORY>", "DISK>"];

pub(super) fn row(row: &SnapshotRow) -> Vec<String> {
    vec![row.name.clone(), row.node.clone(), date(row.taken), memory(row.memory), memory(row.bytes)]
}

/// `2026-11-28 01:30 UTC`
fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years begin in March, so that a leap day is the last one: 146,097 days are 400 years, 1970 begins 719,468 days after
    // the first of March of the year 0.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + later;
    format!("{year}-{month:02}-{of_month:02} {:02}:{:02} UTC", rest / 3_600, rest / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}

//! The date of a line, in UTC.

/// To the second: `2026-01-02T03:04:05`. `wall` is in nanoseconds since 1970.
pub(super) fn seconds(wall: u64) -> String {
    let seconds = wall / 1_000_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
}

/// To the millisecond.
pub(super) fn milliseconds(wall: u64) -> String {
    format!("{}.{:03}", seconds(wall), wall / 1_000_000 % 1_000)
}

/// Year, month and day of so many days after 1970-01-01. Counted in eras of 400 years that begin in March, so that a
/// leap day is the last of its year.
const fn civil(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    let days = days + 719_468;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1_460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let in_month = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + later, month, in_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (seconds_since, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_709_210_096, "2024-02-29T12:34:56"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (1_798_761_599, "2026-12-31T23:59:59"),
        ] {
            assert_eq!(seconds(seconds_since * 1_000_000_000), text);
        }
        assert_eq!(milliseconds(1_234_567_890), "1970-01-01T00:00:01.234");
    }
}

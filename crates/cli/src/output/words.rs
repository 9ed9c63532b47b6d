//! Numbers as people read them.

/// `31 ms`, `2.4 s`, `3 min 5 s`.
pub(crate) fn time(ms: f64) -> String {
    if ms < 1.0 {
        format!("{ms:.2} ms")
    } else if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else if ms < 60_000.0 {
        format!("{:.1} s", ms / 1e3)
    } else {
        let (minutes, rest) = ((ms / 60_000.0).floor(), ms % 60_000.0);
        format!("{minutes:.0} min {:.0} s", rest / 1e3)
    }
}

/// `95.6 Mbit/s`.
pub(crate) fn rate(bps: f64) -> String {
    let (number, unit) = scaled(bps, 1e3, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]);
    format!("{number} {unit}")
}

/// `95.6 MB`: files, counted in thousands as disks are.
pub(crate) fn bytes(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let (number, unit) = scaled(n as f64, 1e3, &["B", "kB", "MB", "GB", "TB"]);
    format!("{number} {unit}")
}

/// `120MiB`, `1.5GiB`: memory, in the units of a lab file.
pub(crate) fn memory(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let (number, unit) = scaled(n as f64, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB"]);
    format!("{number}{unit}")
}

/// `12.3k`, `4.5M`; whole numbers below 10,000 stay as they are.
pub(crate) fn count(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let value = n as f64;
    if n < 10_000 {
        return n.to_string();
    }
    let (number, unit) = scaled(value, 1e3, &["", "k", "M", "G", "T", "P", "E"]);
    format!("{number}{unit}")
}

fn scaled<'a>(mut value: f64, step: f64, units: &[&'a str]) -> (String, &'a str) {
    let mut left = units;
    // 999.95 would print as 1000.0.
    while value >= step - 0.05 && left.len() > 1 {
        value /= step;
        left = left.get(1..).unwrap_or_default();
    }
    let number = if value >= 100.0 || left.len() == units.len() {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    };
    (number, left.first().copied().unwrap_or_default())
}

/// `1 host`, `6 hosts`, `2 switches`.
pub(crate) fn many(n: u64, one: &str) -> String {
    let ending = match one {
        _ if n == 1 => "",
        word if word.ends_with("ch") || word.ends_with('s') => "es",
        _ => "s",
    };
    format!("{n} {one}{ending}")
}

/// `5 s`, `3 min`, `2 h`, `4 d`.
pub(crate) fn age(seconds: f64) -> String {
    let whole = |value: f64, unit| format!("{:.0} {unit}", value.floor());
    match seconds {
        s if s < 120.0 => whole(s, "s"),
        s if s < 7_200.0 => whole(s / 60.0, "min"),
        s if s < 172_800.0 => whole(s / 3_600.0, "h"),
        s => whole(s / 86_400.0, "d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_enough() {
        assert_eq!(
            [0.04, 3.25, 31.4, 999.4, 2_400.0, 185_000.0].map(time),
            ["0.04 ms", "3.2 ms", "31 ms", "999 ms", "2.4 s", "3 min 5 s"]
        );
        assert_eq!(
            [950.0, 95_600_000.0, 9.9995e8, 1e9].map(rate),
            ["950 bit/s", "95.6 Mbit/s", "1.0 Gbit/s", "1.0 Gbit/s"]
        );
        assert_eq!([0, 999, 3_401_613].map(bytes), ["0 B", "999 B", "3.4 MB"]);
        assert_eq!([7, 9_999, 12_345, 4_500_000].map(count), ["7", "9999", "12.3k", "4.5M"]);
        assert_eq!(
            [(1, "host"), (6, "host"), (2, "switch"), (1, "switch")].map(|(n, w)| many(n, w)),
            ["1 host", "6 hosts", "2 switches", "1 switch"]
        );
        assert_eq!([5.9, 130.0, 8_000.0, 400_000.0].map(age), ["5 s", "2 min", "2 h", "4 d"]);
    }
}

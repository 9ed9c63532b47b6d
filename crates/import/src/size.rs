//! Amounts as Docker writes them, in the lab file's units.

/// Bytes of `64m`, `1.5g`, `65536k`, `1024`, `10MB`: powers of 1,024, letter case ignored (docker-run(1)).
pub(crate) fn bytes(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at_checked(end)?;
    let factor: u64 = match unit.trim().trim_end_matches('b').trim_end_matches('i') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let mut bytes = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    if !part.is_empty() {
        let digits = part.get(..part.len().min(6))?;
        let scale = 10_u64.pow(u32::try_from(digits.len()).ok()?);
        bytes = bytes.checked_add(digits.parse::<u64>().ok()?.checked_mul(factor)? / scale)?;
    }
    Some(bytes)
}

/// The same with a unit that divides it: `64MiB`.
pub(crate) fn written(bytes: u64) -> String {
    for (unit, factor) in [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

/// `1m30s`, `500ms`, `1h`: as the lab file has it (the Compose specification, durations).
pub(crate) fn duration(text: &str) -> Option<String> {
    let mut nanos: u64 = 0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).filter(|at| *at > 0)?;
        let (number, behind) = rest.split_at_checked(digits)?;
        let letters = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(letters)?;
        let factor: u64 = match unit {
            "us" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        nanos = nanos.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = behind;
    }
    let (unit, factor) = [("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)]
        .into_iter()
        .find(|(_, factor)| nanos.is_multiple_of(*factor))?;
    Some(format!("{}{unit}", nanos / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_powers_of_1024() {
        for (text, bytes_, as_written) in [
            ("64m", 64 << 20, "64MiB"),
            ("1.5g", 3 << 29, "1536MiB"),
            ("65536k", 64 << 20, "64MiB"),
            ("1000", 1000, "1000B"),
            ("10MB", 10 << 20, "10MiB"),
            ("2gib", 2 << 30, "2GiB"),
        ] {
            assert_eq!(bytes(text), Some(bytes_), "{text}");
            assert_eq!(written(bytes_), as_written);
        }
        for text in ["", "m", "1x", "-1", "99999999999g", "1..2g", "1.2.3"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn durations_add_up() {
        for (text, wanted) in
            [("1m30s", "90s"), ("500ms", "500ms"), ("1h", "3600s"), ("1s5us", "1000005us"), ("0s", "0s")]
        {
            assert_eq!(duration(text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["", "10", "s", "1x", "1m 30s", "-1s", "99999999999h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}

//! Quantities with their units: `10ms`, `100Mbit`, `512MiB`, `1%`. Exact decimal arithmetic, no floats.
//!
//! A quantity that has a unit must carry it; only 0 may stand bare. Letter case is ignored where no two units
//! differ by it.

use netloom_flow::{Nanos, Probability, QueueLimit};

use crate::error::TextError;

/// The lowest rate a link can have, in bits per second.
pub const MIN_RATE: u64 = 1_000;

/// The highest rate a link can be limited to, in bits per second: no machine reaches it, so that more is a slip.
pub const MAX_RATE: u64 = 1_000_000_000_000;

/// The least memory a node can have, in bytes.
pub const MIN_MEMORY: u64 = 1 << 20;

/// The least processor time, in thousandths: Linux deals out no less than 1 ms of each 100 ms.
pub const MIN_PROCESSORS: u64 = 10;

/// More than any machine has, in thousandths.
pub const MAX_PROCESSORS: u64 = 8_192_000;

const DURATIONS: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
];
const RATES: &[(&str, u128)] =
    &[("bit", 1), ("kbit", 1_000), ("mbit", 1_000_000), ("gbit", 1_000_000_000), ("tbit", 1_000_000_000_000)];
const SIZES: &[(&str, u128)] = &[
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];
const SHARES: &[(&str, u128)] = &[("%", 10_000_000)];

/// A span of time.
///
/// # Errors
/// Says what is wrong with the text, and what to write.
pub fn duration(text: &str) -> Result<Nanos, TextError> {
    quantity(text, DURATIONS, "a duration", "10ms, 1.5s or 200us").map(Nanos)
}

/// Bits per second.
///
/// # Errors
/// As [`duration`]; also under [`MIN_RATE`] or above [`MAX_RATE`].
pub fn rate(text: &str) -> Result<u64, TextError> {
    let rate = quantity(text, RATES, "a rate", "100Mbit, 1Gbit or 64kbit")?;
    if rate < MIN_RATE {
        return Err(TextError::new(format!("a link cannot have a rate of {text}"))
            .hint("the least is 1kbit; to stop all traffic use `state: down`"));
    }
    if rate > MAX_RATE {
        return Err(TextError::new(format!("a link cannot have a rate of {text}"))
            .hint("the most is 1Tbit; without `rate`, or with `rate: none`, nothing limits it"));
    }
    Ok(rate)
}

/// Bytes.
///
/// # Errors
/// As [`duration`].
pub fn size(text: &str) -> Result<u64, TextError> {
    quantity(text, SIZES, "a size", "512MiB, 100KiB or 1500B")
}

/// Memory of a node, in bytes.
///
/// # Errors
/// As [`duration`]; also under [`MIN_MEMORY`].
pub fn memory(text: &str) -> Result<u64, TextError> {
    let bytes = size(text)?;
    if bytes < MIN_MEMORY {
        return Err(TextError::new(format!("nothing runs in {text} of memory")).hint("the least is 1MiB"));
    }
    Ok(bytes)
}

/// Processors, a bare number with at most three decimals, in thousandths.
///
/// # Errors
/// Says what is wrong with the text; also under [`MIN_PROCESSORS`] and above [`MAX_PROCESSORS`].
pub fn processors(text: &str) -> Result<u64, TextError> {
    let bad = || {
        TextError::new(format!("`{text}` is no number of processors"))
            .hint("a bare number such as 0.5, 1.25 or 4")
    };
    let (mantissa, scale) = decimal(text.trim()).ok_or_else(bad)?;
    if (mantissa * 1_000) % scale != 0 {
        return Err(TextError::new(format!("`{text}` has more than three decimals")));
    }
    let thousandths = u64::try_from(mantissa * 1_000 / scale).map_err(|_| bad())?;
    if !(MIN_PROCESSORS..=MAX_PROCESSORS).contains(&thousandths) {
        return Err(TextError::new(format!("{text} processors are not possible")).hint("from 0.01 to 8192"));
    }
    Ok(thousandths)
}

/// A share of 100 %.
///
/// # Errors
/// As [`duration`]; also above 100 %.
pub fn percent(text: &str) -> Result<Probability, TextError> {
    let parts = quantity(text, SHARES, "a share", "1% or 0.05%")?;
    match u32::try_from(parts) {
        Ok(parts) if parts <= Probability::ONE.0 => Ok(Probability(parts)),
        _ => Err(TextError::new(format!("{text} is more than 100%"))),
    }
}

/// The limit of a queue: a bare count of packets, or a size.
///
/// # Errors
/// As [`duration`]; also 0.
pub fn queue(text: &str) -> Result<QueueLimit, TextError> {
    let none = || {
        TextError::new("a queue of nothing lets nothing pass").hint("to stop all traffic use `state: down`")
    };
    if let Ok(packets) = text.parse::<u32>() {
        return if packets == 0 { Err(none()) } else { Ok(QueueLimit::Packets(packets)) };
    }
    let bytes = quantity(text, SIZES, "the limit of a queue", "100 (packets) or 100KiB")?;
    if bytes == 0 { Err(none()) } else { Ok(QueueLimit::Bytes(bytes)) }
}

fn quantity(text: &str, units: &[(&str, u128)], what: &str, example: &str) -> Result<u64, TextError> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let bad = || TextError::new(format!("`{text}` is not {what}")).hint(format!("write it as {example}"));
    let (mantissa, scale) = decimal(number).ok_or_else(bad)?;
    let unit = unit.trim();
    if unit.is_empty() {
        if mantissa == 0 {
            return Ok(0);
        }
        return Err(
            TextError::new(format!("`{text}` lacks its unit")).hint(format!("write {what} as {example}"))
        );
    }
    let lower = unit.to_lowercase();
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == lower) else {
        let hint = unit_hint(number, &lower, units, example);
        return Err(TextError::new(format!(
            "`{unit}` is not a unit of {}",
            what.split(' ').next_back().unwrap_or(what)
        ))
        .hint(hint)
        .at(digits..text.len()));
    };
    let value = mantissa.checked_mul(*factor).map(|v| v / scale).and_then(|v| u64::try_from(v).ok());
    value.ok_or_else(|| TextError::new(format!("{text} is too large")))
}

/// What was probably meant: bits spelled as elsewhere, or the unit of another kind of quantity.
fn unit_hint(number: &str, lower: &str, units: &[(&str, u128)], example: &str) -> String {
    let rate = units.first().is_some_and(|(name, _)| *name == "bit");
    let stem = lower.trim_end_matches("/s").trim_end_matches("ps");
    if rate {
        let prefix = match stem {
            "b" | "bit" => Some(""),
            "k" | "kb" | "kbit" => Some("k"),
            "m" | "mb" | "mbit" => Some("M"),
            "g" | "gb" | "gbit" => Some("G"),
            _ => None,
        };
        if let Some(prefix) = prefix {
            return format!("rates are in bits per second: did you mean `{number}{prefix}bit`?");
        }
    }
    format!("write it as {example}")
}

/// `12.5` as (125, 10). At most 18 digits, so that no product with a unit overflows.
fn decimal(text: &str) -> Option<(u128, u128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || whole.len() + fraction.len() > 18 || (text.contains('.') && fraction.is_empty()) {
        return None;
    }
    let mut mantissa = 0u128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        mantissa = mantissa * 10 + u128::from(char::from(byte).to_digit(10)?);
    }
    let scale = fraction.bytes().fold(1u128, |s, _| s * 10);
    Some((mantissa, scale))
}

/// Prints with the largest unit that leaves no fraction, or three digits of one.
fn print(value: u64, units: &[(&str, u64)]) -> String {
    for (name, factor) in units {
        if value >= *factor && value.is_multiple_of(*factor) {
            return format!("{}{name}", value / factor);
        }
        if value >= factor.saturating_mul(10) && value.is_multiple_of((factor / 100).max(1)) && *factor >= 100
        {
            let hundredths = value / (factor / 100);
            let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            return format!("{}{name}", text.trim_end_matches('0').trim_end_matches('.'));
        }
    }
    let (name, factor) = units.last().copied().unwrap_or(("", 1));
    format!("{}{name}", value / factor.max(1))
}

/// `20ms`, as a lab file would have it.
#[must_use]
pub fn show_duration(time: Nanos) -> String {
    if time == Nanos::ZERO {
        return "0ms".into();
    }
    print(time.0, &[("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)])
}

/// `100Mbit`.
#[must_use]
pub fn show_rate(rate: u64) -> String {
    print(rate, &[("Gbit", 1_000_000_000), ("Mbit", 1_000_000), ("kbit", 1_000), ("bit", 1)])
}

/// `100KiB`.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    print(bytes, &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)])
}

/// `0.5`, of thousandths.
#[must_use]
pub fn show_processors(thousandths: u64) -> String {
    let text = format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `0.1%`.
#[must_use]
pub fn show_percent(share: Probability) -> String {
    let (whole, rest) = (share.0 / 10_000_000, share.0 % 10_000_000);
    let text = format!("{whole}.{rest:07}");
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `100 packets` or `100KiB`.
#[must_use]
pub fn show_queue(limit: QueueLimit) -> String {
    match limit {
        QueueLimit::Packets(n) => n.to_string(),
        QueueLimit::Bytes(n) => show_size(n),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_exact() {
        assert_eq!(duration("10ms"), Ok(Nanos::from_millis(10)));
        assert_eq!(duration("1.5s"), Ok(Nanos::from_millis(1500)));
        assert_eq!(duration("0"), Ok(Nanos::ZERO));
        assert_eq!(duration("2 us"), Ok(Nanos::from_micros(2)));
        assert_eq!(rate("100Mbit"), Ok(100_000_000));
        assert_eq!(rate("1.544mbit"), Ok(1_544_000));
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(percent("0.1%"), Ok(Probability(1_000_000)));
        assert_eq!(percent("100%"), Ok(Probability::ONE));
        assert_eq!(queue("100KiB"), Ok(QueueLimit::Bytes(102_400)));
        assert_eq!(queue("50"), Ok(QueueLimit::Packets(50)));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let hint = |r: Result<u64, TextError>| r.err().and_then(|e| e.hint).unwrap_or_default();
        assert!(duration("10").is_err_and(|e| e.message == "`10` lacks its unit"));
        assert!(hint(rate("10Mbps")).contains("`10Mbit`"));
        assert!(hint(rate("10MB/s")).contains("`10Mbit`"));
        assert!(rate("500bit").is_err_and(|e| e.message.contains("cannot have a rate")));
        assert!(percent("101%").is_err());
        assert!(percent("1").is_err());
        for junk in ["", "ms", ".5ms", "5.ms", "-1ms", "1e3ms", "99999999999999999999s", "1.2.3ms", "٣ms"] {
            assert!(duration(junk).is_err(), "{junk}");
        }
        assert!(duration("999999999999999999h").is_err_and(|e| e.message.contains("too large")));
        assert!(queue("0").is_err());
    }

    #[test]
    fn processors_have_three_decimals() {
        for (text, thousandths, shown) in
            [("0.5", 500, "0.5"), ("4", 4_000, "4"), ("1.250", 1_250, "1.25"), ("0.01", 10, "0.01")]
        {
            assert_eq!(processors(text), Ok(thousandths));
            assert_eq!(show_processors(thousandths), shown);
        }
        for text in ["", "0", "0.001", "1.0005", "-1", "1 cpu", "9000", "1e3"] {
            assert!(processors(text).is_err(), "{text}");
        }
        assert!(memory("1000KiB").is_err_and(|e| e.hint.is_some_and(|hint| hint.contains("1MiB"))));
    }

    #[test]
    fn printing_is_read_back() {
        for text in ["20ms", "1s", "1500us", "37ns", "2.5s"] {
            let parsed = duration(text).expect("valid");
            assert_eq!(duration(&show_duration(parsed)), Ok(parsed));
        }
        for text in ["50Mbit", "1Gbit", "1.544Mbit", "64kbit", "2.5Gbit", "12.5Gbit"] {
            let parsed = rate(text).expect("valid");
            assert_eq!(rate(&show_rate(parsed)), Ok(parsed));
        }
        assert_eq!(show_percent(Probability(1_000_000)), "0.1%");
        assert_eq!(show_percent(Probability::ONE), "100%");
        assert_eq!(show_size(102_400), "100KiB");
    }
}

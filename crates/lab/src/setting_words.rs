//! Link settings as words of a command line and of tables: each key as a lab file spells it, each value as text.

use std::collections::BTreeMap;

use netloom_flow::{Distribution, Loss};

use crate::error::{TextError, did_you_mean};
use crate::quantity;
use crate::settings::SettingsPatch;

/// The keys, in the order of the documentation.
const KEYS: [&str; 11] = [
    "rate",
    "delay",
    "jitter",
    "distribution",
    "loss",
    "duplicate",
    "reorder",
    "corrupt",
    "queue",
    "mtu",
    "state",
];

/// Reads settings such as `delay` to `20ms`. `none` takes a rate away.
///
/// # Errors
/// The first key that does not exist, or value that has not its form.
pub fn parse(words: &BTreeMap<String, String>) -> Result<SettingsPatch, TextError> {
    let mut patch = SettingsPatch::default();
    for (key, value) in words {
        // Without a file there is no place that shows which of the values is meant.
        set(&mut patch, key, value)
            .map_err(|e| TextError { message: format!("{key}: {}", e.message), ..e })?;
    }
    Ok(patch)
}

fn set(patch: &mut SettingsPatch, key: &str, value: &str) -> Result<(), TextError> {
    match key {
        "rate" if value == "none" => patch.rate = Some(None),
        "rate" => patch.rate = Some(Some(quantity::rate(value)?)),
        "delay" => patch.delay = Some(quantity::duration(value)?),
        "jitter" => patch.jitter = Some(quantity::duration(value)?),
        "distribution" => patch.distribution = Some(distribution(value)?),
        "loss" => patch.loss = Some(Loss::Random(quantity::percent(value)?)),
        "duplicate" => patch.duplicate = Some(quantity::percent(value)?),
        "reorder" => patch.reorder = Some(quantity::percent(value)?),
        "corrupt" => patch.corrupt = Some(quantity::percent(value)?),
        "queue" => patch.queue = Some(quantity::queue(value)?),
        "mtu" => patch.mtu = Some(mtu(value)?),
        "state" => patch.up = Some(state(value)?),
        _ => {
            let error = TextError::new("a link has no such setting");
            return Err(match did_you_mean(key, KEYS) {
                Some(hint) => error.hint(hint),
                None => error.hint(format!("there are {}", KEYS.join(", "))),
            });
        }
    }
    Ok(())
}

fn distribution(value: &str) -> Result<Distribution, TextError> {
    match value {
        "uniform" => Ok(Distribution::Uniform),
        "normal" => Ok(Distribution::Normal),
        "pareto" => Ok(Distribution::Pareto),
        _ => Err(TextError::new(format!("`{value}` is no distribution")).hint("uniform, normal or pareto")),
    }
}

fn mtu(value: &str) -> Result<u32, TextError> {
    let bytes = value.parse().ok().filter(|mtu| (68..=65_535).contains(mtu));
    bytes.ok_or_else(|| {
        TextError::new(format!("`{value}` is no MTU")).hint("bytes without a unit, 68 to 65535")
    })
}

fn state(value: &str) -> Result<bool, TextError> {
    match value {
        "up" => Ok(true),
        "down" => Ok(false),
        _ => Err(TextError::new(format!("`{value}` is no state of a link")).hint("up or down")),
    }
}

/// Settings as key and value, in the words that [`parse`] reads.
#[must_use]
pub fn words(patch: &SettingsPatch) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            out.insert(key.to_owned(), value);
        }
    };
    put("rate", patch.rate.map(|rate| rate.map_or_else(|| "none".to_owned(), quantity::show_rate)));
    put("delay", patch.delay.map(quantity::show_duration));
    put("jitter", patch.jitter.map(quantity::show_duration));
    put("distribution", patch.distribution.map(|d| format!("{d:?}").to_lowercase()));
    put("loss", patch.loss.map(loss));
    put("duplicate", patch.duplicate.map(quantity::show_percent));
    put("reorder", patch.reorder.map(quantity::show_percent));
    put("corrupt", patch.corrupt.map(quantity::show_percent));
    put("queue", patch.queue.map(quantity::show_queue));
    put("mtu", patch.mtu.map(|mtu| mtu.to_string()));
    put("state", patch.up.map(|up| if up { "up" } else { "down" }.to_owned()));
    out
}

fn loss(loss: Loss) -> String {
    match loss {
        Loss::Random(share) => quantity::show_percent(share),
        Loss::GilbertElliott { p, r, bad, good } => {
            let [p, r, bad, good] = [p, r, bad, good].map(quantity::show_percent);
            format!("gilbert-elliott p {p} r {r} bad {bad} good {good}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn words_come_back_as_they_went_in() {
        let all = map(&[
            ("rate", "10Mbit"),
            ("delay", "20ms"),
            ("jitter", "2ms"),
            ("distribution", "normal"),
            ("loss", "0.1%"),
            ("queue", "100KiB"),
            ("mtu", "1400"),
            ("state", "down"),
        ]);
        assert_eq!(words(&parse(&all).unwrap()), all);
        assert_eq!(parse(&map(&[("rate", "none")])).unwrap().rate, Some(None));
    }

    #[test]
    fn what_is_wrong_is_named_with_a_hint() {
        let wrong = parse(&map(&[("dely", "20ms")])).unwrap_err();
        assert_eq!(wrong.hint.as_deref(), Some("did you mean `delay`?"));
        for (key, value) in [("delay", "20"), ("loss", "1"), ("mtu", "3"), ("state", "on"), ("rate", "fast")]
        {
            assert!(parse(&map(&[(key, value)])).is_err(), "{key} {value}");
        }
    }
}

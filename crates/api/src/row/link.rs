//! A link in a list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A link in a list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LinkRow {
    /// Its name, or `A--B`.
    pub name: String,
    /// First end.
    pub a: EndRow,
    /// Second end.
    pub b: EndRow,
    /// Whether packets pass at all.
    pub up: bool,
    /// Whether the spanning tree keeps it idle.
    #[serde(default)]
    pub blocked: bool,
    /// Whether it was changed by hand and differs from the file.
    #[serde(default)]
    pub drift: bool,
    /// From `a` to `b`.
    #[serde(default)]
    pub forth: DirectionRow,
    /// From `b` to `a`.
    #[serde(default)]
    pub back: DirectionRow,
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EndRow {
    /// Node or switch.
    pub node: String,
    /// Interface or port.
    pub interface: String,
    /// Whether it is a switch.
    #[serde(default)]
    pub switch: bool,
}

/// One direction of a link.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DirectionRow {
    /// Settings that differ from an ideal link, spelled as in a lab file.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Packets that reached the other end, as they were on the wire.
    #[serde(default)]
    pub packets: u64,
    /// Bytes that reached the other end, L2 without FCS.
    #[serde(default)]
    pub bytes: u64,
    /// Packets lost on purpose.
    #[serde(default)]
    pub lost: u64,
    /// Packets that found the queue full.
    #[serde(default)]
    pub overflowed: u64,
    /// Packets waiting now.
    #[serde(default)]
    pub queued: u64,
    /// 99th percentile of the lateness, in milliseconds; `None`: nothing passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_p99_ms: Option<f64>,
}

impl DirectionRow {
    /// The settings in one line, in the order of the documentation: `delay 20ms  loss 1%`; empty for an ideal link.
    /// Whether it is up or down is for others to say.
    #[must_use]
    pub fn words(&self) -> String {
        words(self.settings.iter().filter(|(key, _)| *key != "state"))
    }

    /// What both directions have, what only `self` has, and what only `back` has, each in the form of
    /// [`Self::words`]. A setting with different values is in both of the latter.
    #[must_use]
    pub fn words_with(&self, back: &Self) -> [String; 3] {
        let missing = |from: &Self, key: &String, value: &String| from.settings.get(key) != Some(value);
        [
            words(self.settings.iter().filter(|(key, value)| !missing(back, key, value) && *key != "state")),
            words(self.settings.iter().filter(|(key, value)| missing(back, key, value))),
            words(back.settings.iter().filter(|(key, value)| missing(self, key, value))),
        ]
    }
}

fn words<'a>(settings: impl Iterator<Item = (&'a String, &'a String)>) -> String {
    let place = |key: &str| ORDER.iter().position(|known| *known == key).unwrap_or(ORDER.len());
    let mut settings: Vec<_> = settings.collect();
    settings.sort_by_key(|(key, _)| place(key));
    settings.iter().map(|(key, value)| format!("{key} {value}")).collect::<Vec<_>>().join("  ")
}

/// Settings in the order in which they are shown.
const ORDER: &[&str] = &[
    "state",
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
];

impl std::fmt::Display for EndRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.node, self.interface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direction(settings: &[(&str, &str)]) -> DirectionRow {
        let settings = settings.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        DirectionRow { settings, ..DirectionRow::default() }
    }

    #[test]
    fn directions_say_what_they_share_once() {
        let forth = direction(&[("delay", "3ms"), ("rate", "200Mbit"), ("queue", "100")]);
        let back = direction(&[("delay", "3ms"), ("rate", "50Mbit")]);
        assert_eq!(forth.words(), "rate 200Mbit  delay 3ms  queue 100");
        assert_eq!(forth.words_with(&back), ["delay 3ms", "rate 200Mbit  queue 100", "rate 50Mbit"]);
        assert_eq!(forth.words_with(&forth), ["rate 200Mbit  delay 3ms  queue 100", "", ""]);
    }
}

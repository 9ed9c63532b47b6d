//! Settings of a link: some of them, as a file, an event or a command names them, and how they are written down.

use netloom_flow::{Distribution, LinkSettings, Loss, Nanos, Probability, QueueLimit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::quantity;

/// Some settings of one direction of a link; what is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Plain", into = "Plain")]
pub struct SettingsPatch {
    /// Bits per second; `Some(None)` lifts the limit.
    pub rate: Option<Option<u64>>,
    /// One-way delay.
    pub delay: Option<Nanos>,
    /// Spread of the delay.
    pub jitter: Option<Nanos>,
    /// Shape of the spread.
    pub distribution: Option<Distribution>,
    /// Loss.
    pub loss: Option<Loss>,
    /// Chance to arrive twice.
    pub duplicate: Option<Probability>,
    /// Chance to overtake.
    pub reorder: Option<Probability>,
    /// Chance of a flipped bit.
    pub corrupt: Option<Probability>,
    /// Limit of the queue.
    pub queue: Option<QueueLimit>,
    /// Longest payload.
    pub mtu: Option<u32>,
    /// Whether packets pass.
    pub up: Option<bool>,
}

impl SettingsPatch {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Changes `settings` by what is given here.
    pub fn apply(&self, settings: &mut LinkSettings) {
        fn set<T: Copy>(to: &mut T, from: Option<T>) {
            if let Some(value) = from {
                *to = value;
            }
        }
        set(&mut settings.rate, self.rate);
        set(&mut settings.delay, self.delay);
        set(&mut settings.jitter, self.jitter);
        set(&mut settings.distribution, self.distribution);
        set(&mut settings.loss, self.loss);
        set(&mut settings.duplicate, self.duplicate);
        set(&mut settings.reorder, self.reorder);
        set(&mut settings.corrupt, self.corrupt);
        set(&mut settings.queue, self.queue.map(Some));
        set(&mut settings.mtu, self.mtu.map(Some));
        set(&mut settings.up, self.up);
    }

    /// These settings where given, else those of `other`.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            rate: self.rate.or(other.rate),
            delay: self.delay.or(other.delay),
            jitter: self.jitter.or(other.jitter),
            distribution: self.distribution.or(other.distribution),
            loss: self.loss.or(other.loss),
            duplicate: self.duplicate.or(other.duplicate),
            reorder: self.reorder.or(other.reorder),
            corrupt: self.corrupt.or(other.corrupt),
            queue: self.queue.or(other.queue),
            mtu: self.mtu.or(other.mtu),
            up: self.up.or(other.up),
        }
    }
}

impl From<&LinkSettings> for SettingsPatch {
    /// All settings that are not the default.
    fn from(s: &LinkSettings) -> Self {
        let d = LinkSettings::default();
        fn unless<T: PartialEq>(value: T, default: &T) -> Option<T> {
            (value != *default).then_some(value)
        }
        Self {
            rate: s.rate.map(Some),
            delay: unless(s.delay, &d.delay),
            jitter: unless(s.jitter, &d.jitter),
            distribution: unless(s.distribution, &d.distribution),
            loss: unless(s.loss, &d.loss),
            duplicate: unless(s.duplicate, &d.duplicate),
            reorder: unless(s.reorder, &d.reorder),
            corrupt: unless(s.corrupt, &d.corrupt),
            queue: s.queue,
            mtu: s.mtu,
            up: unless(s.up, &d.up),
        }
    }
}

/// Settings in the words of a lab file: `rate 50Mbit, delay 20ms, down`; empty for those of a plain link.
#[must_use]
pub fn describe(patch: &SettingsPatch) -> String {
    let mut words = Vec::new();
    if let Some(rate) = patch.rate {
        words.push(rate.map_or("no rate limit".to_owned(), |r| format!("rate {}", quantity::show_rate(r))));
    }
    let mut time = |name: &str, value: Option<Nanos>| {
        words.extend(value.map(|v| format!("{name} {}", quantity::show_duration(v))));
    };
    time("delay", patch.delay);
    time("jitter", patch.jitter);
    words.extend(patch.distribution.map(|d| distribution_word(d).to_owned()));
    words.extend(patch.loss.map(|loss| match loss {
        Loss::Random(share) => format!("loss {}", quantity::show_percent(share)),
        Loss::GilbertElliott { p, r, bad, good } => {
            let [p, r, bad, good] = [p, r, bad, good].map(quantity::show_percent);
            format!("loss gilbert-elliott p {p} r {r} bad {bad} good {good}")
        }
    }));
    let mut share = |name: &str, value: Option<Probability>| {
        words.extend(value.map(|v| format!("{name} {}", quantity::show_percent(v))));
    };
    share("duplicate", patch.duplicate);
    share("reorder", patch.reorder);
    share("corrupt", patch.corrupt);
    words.extend(patch.queue.map(|q| format!("queue {}", quantity::show_queue(q))));
    words.extend(patch.mtu.map(|m| format!("mtu {m}")));
    words.extend(patch.up.map(|up| if up { "up" } else { "down" }.to_owned()));
    words.join(", ")
}

fn distribution_word(d: Distribution) -> &'static str {
    match d {
        Distribution::Uniform => "uniform",
        Distribution::Normal => "normal",
        Distribution::Pareto => "pareto",
    }
}

/// How settings are written down: the units are nanoseconds, bits per second, bytes and parts per billion.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Plain {
    /// 0: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jitter: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    distribution: Option<PlainDistribution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loss: Option<PlainLoss>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reorder: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrupt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_packets: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    up: Option<bool>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PlainDistribution {
    Uniform,
    Normal,
    Pareto,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
enum PlainLoss {
    Random(u32),
    Gilbert { p: u32, r: u32, bad: u32, good: u32 },
}

impl From<SettingsPatch> for Plain {
    fn from(s: SettingsPatch) -> Self {
        Self {
            rate: s.rate.map(|r| r.unwrap_or(0)),
            delay: s.delay.map(|d| d.0),
            jitter: s.jitter.map(|d| d.0),
            distribution: s.distribution.map(|d| match d {
                Distribution::Uniform => PlainDistribution::Uniform,
                Distribution::Normal => PlainDistribution::Normal,
                Distribution::Pareto => PlainDistribution::Pareto,
            }),
            loss: s.loss.map(|l| match l {
                Loss::Random(p) => PlainLoss::Random(p.0),
                Loss::GilbertElliott { p, r, bad, good } => {
                    PlainLoss::Gilbert { p: p.0, r: r.0, bad: bad.0, good: good.0 }
                }
            }),
            duplicate: s.duplicate.map(|p| p.0),
            reorder: s.reorder.map(|p| p.0),
            corrupt: s.corrupt.map(|p| p.0),
            queue_packets: s.queue.and_then(|q| if let QueueLimit::Packets(n) = q { Some(n) } else { None }),
            queue_bytes: s.queue.and_then(|q| if let QueueLimit::Bytes(n) = q { Some(n) } else { None }),
            mtu: s.mtu,
            up: s.up,
        }
    }
}

impl From<Plain> for SettingsPatch {
    fn from(s: Plain) -> Self {
        let share = |p: u32| Probability(p.min(Probability::ONE.0));
        Self {
            rate: s.rate.map(|r| (r != 0).then_some(r)),
            delay: s.delay.map(Nanos),
            jitter: s.jitter.map(Nanos),
            distribution: s.distribution.map(|d| match d {
                PlainDistribution::Uniform => Distribution::Uniform,
                PlainDistribution::Normal => Distribution::Normal,
                PlainDistribution::Pareto => Distribution::Pareto,
            }),
            loss: s.loss.map(|l| match l {
                PlainLoss::Random(p) => Loss::Random(share(p)),
                PlainLoss::Gilbert { p, r, bad, good } => {
                    Loss::GilbertElliott { p: share(p), r: share(r), bad: share(bad), good: share(good) }
                }
            }),
            duplicate: s.duplicate.map(share),
            reorder: s.reorder.map(share),
            corrupt: s.corrupt.map(share),
            queue: s.queue_bytes.map(QueueLimit::Bytes).or(s.queue_packets.map(QueueLimit::Packets)),
            mtu: s.mtu,
            up: s.up,
        }
    }
}

/// For `#[serde(with = "settings::written")]` on [`LinkSettings`]: only what differs from a plain link.
pub mod written {
    use super::{Deserialize, Deserializer, LinkSettings, Serialize, Serializer, SettingsPatch};

    /// Writes the settings.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(settings: &LinkSettings, to: S) -> Result<S::Ok, S::Error> {
        SettingsPatch::from(settings).serialize(to)
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// The deserializer's.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<LinkSettings, D::Error> {
        let mut settings = LinkSettings::default();
        SettingsPatch::deserialize(from)?.apply(&mut settings);
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_being_written_down() {
        let patch = SettingsPatch {
            rate: Some(Some(1_000_000)),
            delay: Some(Nanos::from_millis(5)),
            distribution: Some(Distribution::Normal),
            loss: Some(Loss::GilbertElliott {
                p: Probability(1),
                r: Probability(2),
                bad: Probability::ONE,
                good: Probability(0),
            }),
            queue: Some(QueueLimit::Bytes(9)),
            up: Some(false),
            ..SettingsPatch::default()
        };
        let text = serde_json::to_string(&patch).expect("plain data");
        assert_eq!(serde_json::from_str::<SettingsPatch>(&text).expect("read back"), patch);
        let mut settings = LinkSettings::default();
        patch.apply(&mut settings);
        assert_eq!(SettingsPatch::from(&settings), patch);
        assert!(SettingsPatch::from(&LinkSettings::default()).is_empty());
    }

    #[test]
    fn a_later_patch_lifts_a_limit() {
        let mut settings = LinkSettings { rate: Some(5_000), ..LinkSettings::default() };
        SettingsPatch { rate: Some(None), ..SettingsPatch::default() }.apply(&mut settings);
        assert!(settings.is_plain());
    }

    #[test]
    fn settings_are_described_in_the_words_of_the_file() {
        let patch = SettingsPatch {
            rate: Some(Some(50_000_000)),
            delay: Some(Nanos::from_millis(20)),
            loss: Some(Loss::Random(Probability(1_000_000))),
            up: Some(false),
            ..SettingsPatch::default()
        };
        assert_eq!(describe(&patch), "rate 50Mbit, delay 20ms, loss 0.1%, down");
    }
}

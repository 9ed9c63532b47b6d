//! What a node may use of the machine, and all nodes of a tenant together: values, their words, sums.
//!
//! Whether a machine can keep them is not known here, only what is wanted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{TextError, did_you_mean};
use crate::quantity::{self, show_processors, show_size};

/// An amount to begin with, and perhaps the most it can be set to while the node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// What it is at first.
    pub start: u64,
    /// The most; `None`: nothing but the tenant's quota bounds it.
    pub most: Option<u64>,
}

impl Amount {
    /// An amount without a maximum.
    #[must_use]
    pub const fn of(start: u64) -> Self {
        Self { start, most: None }
    }

    /// What has to be there for it at the worst.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.most.unwrap_or(self.start).max(self.start)
    }
}

/// How much may go to disks and come from them, each second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Io {
    /// Bytes read.
    pub read: Option<u64>,
    /// Bytes written.
    pub write: Option<u64>,
    /// Reads.
    pub reads: Option<u64>,
    /// Writes.
    pub writes: Option<u64>,
}

impl Io {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

/// What a node may use of the machine. What is `None` is not limited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Processor time, in thousandths of a processor.
    pub cpu: Option<Amount>,
    /// Memory, in bytes.
    pub memory: Option<Amount>,
    /// What of its memory may be swapped out besides, in bytes. Where `memory` is limited, none by default.
    pub swap: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Disks.
    pub io: Io,
    /// The processors it runs on, in the kernel's words: `0-2,5`.
    pub cpuset: Option<String>,
    /// What the machine cannot keep is told and not refused.
    pub best_effort: bool,
}

impl Limits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self { best_effort: self.best_effort, ..Self::default() }
    }

    /// Each limit in the words of a lab file: `cpu 0.5..2`, `memory 128MiB`.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let amount = |amount: &Amount, show: fn(u64) -> String| match amount.most {
            Some(most) => format!("{}..{}", show(amount.start), show(most)),
            None => show(amount.start),
        };
        let io = [
            ("read", self.io.read.map(show_size)),
            ("write", self.io.write.map(show_size)),
            ("reads", self.io.reads.map(|n| n.to_string())),
            ("writes", self.io.writes.map(|n| n.to_string())),
        ];
        let io = io.into_iter().filter_map(|(key, value)| Some(format!("{key} {}", value?)));
        let io: Vec<String> = io.collect();
        let all = [
            ("cpu", self.cpu.as_ref().map(|cpu| amount(cpu, show_processors))),
            ("memory", self.memory.as_ref().map(|memory| amount(memory, show_size))),
            ("swap", self.swap.map(show_size)),
            ("pids", self.pids.map(|pids| pids.to_string())),
            ("io", (!io.is_empty()).then(|| io.join(" "))),
            ("cpuset", self.cpuset.clone()),
        ];
        all.into_iter().filter_map(|(key, value)| Some(format!("{key} {}", value?))).collect()
    }

    /// All of it in one line; `none` where nothing is limited.
    #[must_use]
    pub fn words(&self) -> String {
        let mut list = self.list();
        if list.is_empty() {
            return "none".to_owned();
        }
        list.extend(self.best_effort.then(|| "best effort".to_owned()));
        list.join(", ")
    }

    /// `now`, which others may have changed since `old` was applied, with what differs between `old` and `new` as in `new`.
    #[must_use]
    pub fn merge(old: &Self, new: &Self, now: &Self) -> Self {
        fn pick<T: PartialEq + Clone>(old: &T, new: &T, now: &T) -> T {
            if old == new { now.clone() } else { new.clone() }
        }
        Self {
            cpu: pick(&old.cpu, &new.cpu, &now.cpu),
            memory: pick(&old.memory, &new.memory, &now.memory),
            swap: pick(&old.swap, &new.swap, &now.swap),
            pids: pick(&old.pids, &new.pids, &now.pids),
            io: pick(&old.io, &new.io, &now.io),
            cpuset: pick(&old.cpuset, &new.cpuset, &now.cpuset),
            best_effort: pick(&old.best_effort, &new.best_effort, &now.best_effort),
        }
    }
}

/// What all nodes of a tenant may use together. What is `None` is not limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Quota {
    /// Processor time, in thousandths of a processor.
    pub cpu: Option<u64>,
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// How many nodes.
    pub nodes: Option<u64>,
    /// Bits a second that they may send.
    pub bandwidth: Option<u64>,
    /// What the machine cannot keep is told and not refused.
    pub best_effort: bool,
}

impl Quota {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self { best_effort: self.best_effort, ..Self::default() }
    }

    /// The part of it that a control group keeps.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            cpu: self.cpu.map(Amount::of),
            memory: self.memory.map(Amount::of),
            best_effort: self.best_effort,
            ..Limits::default()
        }
    }

    /// In the words of a lab file; `none` where nothing is limited.
    #[must_use]
    pub fn words(&self) -> String {
        let all = [
            ("cpu", self.cpu.map(show_processors)),
            ("memory", self.memory.map(show_size)),
            ("nodes", self.nodes.map(|nodes| nodes.to_string())),
            ("bandwidth", self.bandwidth.map(quantity::show_rate)),
        ];
        let all = all.into_iter().filter_map(|(key, value)| Some(format!("{key} {}", value?)));
        let all: Vec<String> = all.collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    }
}

/// A change of limits by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resize {
    /// Thousandths of a processor; `Some(None)`: no limit.
    pub cpu: Option<Option<u64>>,
    /// Bytes of memory.
    pub memory: Option<Option<u64>>,
    /// Bytes of swap.
    pub swap: Option<Option<u64>>,
    /// Processes.
    pub pids: Option<Option<u64>>,
}

/// What [`Resize`] can change.
const RESIZABLE: [&str; 4] = ["cpu", "memory", "swap", "pids"];

impl Resize {
    /// Reads words such as `cpu` to `1.5`; `none` takes a limit away.
    ///
    /// # Errors
    /// The first key that does not exist, or value that has not its form.
    pub fn parse(words: &BTreeMap<String, String>) -> Result<Self, TextError> {
        let mut change = Self::default();
        for (key, value) in words {
            let value = |parse: fn(&str) -> Result<u64, TextError>| {
                if value == "none" { Ok(None) } else { parse(value).map(Some) }
            };
            let set = match key.as_str() {
                "cpu" => value(quantity::processors).map(|cpu| change.cpu = Some(cpu)),
                "memory" => value(quantity::memory).map(|memory| change.memory = Some(memory)),
                "swap" => value(quantity::size).map(|swap| change.swap = Some(swap)),
                "pids" => value(count).map(|pids| change.pids = Some(pids)),
                _ => Err(unknown(key)),
            };
            set.map_err(|e| TextError { message: format!("{key}: {}", e.message), ..e })?;
        }
        Ok(change)
    }

    /// What limits become. `file` says how far they may go up.
    ///
    /// # Errors
    /// More than the maximum of the file, with that maximum.
    pub fn apply(&self, now: &Limits, file: &Limits) -> Result<Limits, TextError> {
        let mut limits = now.clone();
        let amount = |key: &str, file: Option<Amount>, wanted: Option<u64>, show: fn(u64) -> String| {
            let most = file.and_then(|file| file.most);
            match (wanted, most) {
                (Some(wanted), Some(most)) if wanted > most => Err(TextError::new(format!(
                    "{key} {} is more than the {} that the lab file allows",
                    show(wanted),
                    show(most)
                ))
                .hint(format!("the file says the most: `{key}: START..MOST`"))),
                (None, Some(most)) => Err(TextError::new(format!(
                    "the lab file bounds {key} at {}, so that it cannot be without a limit",
                    show(most)
                ))),
                (wanted, most) => Ok(wanted.map(|start| Amount { start, most })),
            }
        };
        if let Some(cpu) = self.cpu {
            limits.cpu = amount("cpu", file.cpu, cpu, show_processors)?;
        }
        if let Some(memory) = self.memory {
            limits.memory = amount("memory", file.memory, memory, show_size)?;
        }
        limits.swap = self.swap.unwrap_or(limits.swap);
        limits.pids = self.pids.unwrap_or(limits.pids);
        Ok(limits)
    }
}

fn unknown(key: &str) -> TextError {
    let error = TextError::new("this is no limit that can be changed while the node runs");
    match did_you_mean(key, RESIZABLE) {
        Some(hint) => error.hint(hint),
        None => error.hint(format!("there are {}", RESIZABLE.join(", "))),
    }
}

/// A count of processes.
fn count(text: &str) -> Result<u64, TextError> {
    let number = text.parse::<u64>().ok().filter(|number| (1..=MOST_PIDS).contains(number));
    number.ok_or_else(|| {
        TextError::new(format!("`{text}` is no count of processes"))
            .hint(format!("a bare number from 1 to {MOST_PIDS}"))
    })
}

/// The most processes a machine can have (`PID_MAX_LIMIT` of a 64-bit Linux).
pub const MOST_PIDS: u64 = 4_194_304;

/// Processors as a list of numbers and ranges, `0..2`, `0-2` and `5`, in the kernel's words: sorted, ranges joined.
///
/// # Errors
/// Says which part is no processor, or that there is none.
pub fn cpuset(text: &str) -> Result<String, TextError> {
    let mut all = std::collections::BTreeSet::new();
    for part in text.split([',', ' ']).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once("..").or_else(|| part.split_once('-')).unwrap_or((part, part));
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number < MOST_PROCESSORS);
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => all.extend(first..=last),
            _ => {
                return Err(TextError::new(format!("`{part}` names no processors"))
                    .hint("numbers and ranges from 0, such as 0..3 or 0,2"));
            }
        }
    }
    if all.is_empty() {
        return Err(TextError::new("the list of processors is empty").hint("such as 0..3 or 0,2"));
    }
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in all {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let words = ranges.iter().map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
    Ok(words.collect::<Vec<_>>().join(","))
}

/// Linux knows no more (`NR_CPUS`).
const MOST_PROCESSORS: u32 = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_put_as_the_kernel_puts_them() {
        for (text, wanted) in
            [("0", "0"), ("0..3", "0-3"), ("3,0-1", "0-1,3"), ("0 1 2", "0-2"), ("5..5,4", "4-5")]
        {
            assert_eq!(cpuset(text).as_deref(), Ok(wanted), "{text}");
        }
        for text in ["", ",", "a", "3..1", "-1", "0..", "99999", "0-1-2"] {
            assert!(cpuset(text).is_err(), "{text}");
        }
    }

    #[test]
    fn words_are_those_of_a_lab_file() {
        let limits = Limits {
            cpu: Some(Amount { start: 500, most: Some(2_000) }),
            memory: Some(Amount::of(128 << 20)),
            pids: Some(64),
            io: Io { read: Some(1 << 20), writes: Some(100), ..Io::default() },
            cpuset: Some("0-1".into()),
            ..Limits::default()
        };
        assert_eq!(limits.words(), "cpu 0.5..2, memory 128MiB, pids 64, io read 1MiB writes 100, cpuset 0-1");
        assert_eq!(Limits { best_effort: true, ..Limits::default() }.words(), "none");
        let quota = Quota { cpu: Some(1_250), nodes: Some(3), ..Quota::default() };
        assert_eq!(quota.words(), "cpu 1.25, nodes 3");
    }

    #[test]
    fn a_change_by_hand_stays_below_the_maximum_of_the_file() {
        let file = Limits {
            cpu: Some(Amount { start: 500, most: Some(2_000) }),
            memory: Some(Amount::of(64 << 20)),
            ..Limits::default()
        };
        let resize = |words: &[(&str, &str)]| {
            let words = words.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            Resize::parse(&words).and_then(|change| change.apply(&file, &file))
        };
        let more = resize(&[("cpu", "1.5"), ("memory", "1GiB")]).expect("allowed");
        assert_eq!(more.cpu, Some(Amount { start: 1_500, most: Some(2_000) }));
        assert_eq!(more.memory, Some(Amount::of(1 << 30)), "without a maximum nothing bounds it");
        assert!(resize(&[("cpu", "2.001")]).is_err_and(|e| e.message.contains("more than the 2 ")));
        assert!(resize(&[("cpu", "none")]).is_err());
        assert_eq!(resize(&[("memory", "none")]).expect("allowed").memory, None);
        assert!(resize(&[("memory", "12")]).is_err_and(|e| e.message.contains("unit")));
        assert!(resize(&[("cpus", "1")]).is_err_and(|e| e.hint.is_some_and(|hint| hint.contains("cpu"))));
        assert!(resize(&[("pids", "0")]).is_err());
    }

    #[test]
    fn what_the_file_did_not_change_stays_as_it_was_set_by_hand() {
        let old = Limits { cpu: Some(Amount::of(500)), pids: Some(10), ..Limits::default() };
        let now = Limits { cpu: Some(Amount::of(1_500)), ..old.clone() };
        let new = Limits { pids: Some(20), ..old.clone() };
        let merged = Limits::merge(&old, &new, &now);
        assert_eq!((merged.cpu, merged.pids), (Some(Amount::of(1_500)), Some(20)));
    }
}

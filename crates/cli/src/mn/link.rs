//! `--link tc,bw=10,delay=5ms`: settings of every link.

use super::spec::Spec;
use crate::exit::Failure;

/// Settings of every link, each as a lab file writes it and as Mininet prints it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Settings {
    /// `("rate", "10Mbit")`.
    pub(super) keys: Vec<(&'static str, String)>,
    /// `10.00Mbit 5ms delay`, as Mininet prints each end.
    pub(super) shown: String,
}

impl Settings {
    /// What `--link` says.
    pub(super) fn of(text: &str) -> Result<Self, Failure> {
        let mut spec = Spec::parse(text)?;
        let mut settings = Self::default();
        let known = match spec.name {
            "default" | "ovs" => "none; --link tc takes bw, delay, jitter, loss, max_queue_size",
            "tc" | "tcu" => {
                settings.tc(&mut spec)?;
                "bw, delay, jitter, loss, max_queue_size"
            }
            name => {
                return Err(
                    Failure::usage(format!("--link {name} is not known.")).hint("default, ovs, tc or tcu")
                );
            }
        };
        spec.end(known)?;
        Ok(settings)
    }

    fn tc(&mut self, spec: &mut Spec<'_>) -> Result<(), Failure> {
        let mut shown = Vec::new();
        if let Some(bw) = spec.take_or_next("bw") {
            let (mbit, rate) = rate(bw)?;
            self.keys.push(("rate", rate));
            shown.push(format!("{mbit:.2}Mbit"));
        }
        if let Some(delay) = spec.take("delay") {
            self.keys.push(("delay", time("delay", delay)?));
            shown.push(format!("{delay} delay"));
        }
        if let Some(jitter) = spec.take("jitter") {
            self.keys.push(("jitter", time("jitter", jitter)?));
            shown.push(format!("{jitter} jitter"));
        }
        if let Some(loss) = spec.take("loss") {
            let percent = loss.trim_end_matches('%');
            match percent.parse::<f64>() {
                Ok(value) if (0.0..=100.0).contains(&value) => {
                    self.keys.push(("loss", format!("{percent}%")))
                }
                _ => return Err(no("loss", loss, "a percentage")),
            }
            shown.push(format!("{value:.5}% loss", value = percent.parse::<f64>().unwrap_or_default()));
        }
        if let Some(queue) = spec.take("max_queue_size") {
            if queue.parse::<u32>().map_or(true, |packets| packets == 0) {
                return Err(no("max_queue_size", queue, "a count of packets"));
            }
            self.keys.push(("queue", queue.to_owned()));
        }
        self.shown = shown.join(" ");
        Ok(())
    }
}

/// Mininet's `bw` is in Mbit/s.
fn rate(text: &str) -> Result<(f64, String), Failure> {
    let mbit = text
        .parse::<f64>()
        .ok()
        .filter(|mbit| (0.001..=1_000_000.0).contains(mbit))
        .ok_or_else(|| no("bw", text, "Mbit/s from 0.001 to 1000000"))?;
    let kbit = (mbit * 1_000.0).round();
    let rate =
        if kbit % 1_000.0 == 0.0 { format!("{:.0}Mbit", kbit / 1_000.0) } else { format!("{kbit:.0}kbit") };
    Ok((mbit, rate))
}

/// As tc reads it: a bare number is microseconds.
fn time(key: &str, text: &str) -> Result<String, Failure> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(number.len()..).unwrap_or_default() {
        "" | "us" | "usec" | "usecs" => "us",
        "ms" | "msec" | "msecs" => "ms",
        "s" | "sec" | "secs" => "s",
        _ => return Err(no(key, text, "a time such as 5ms")),
    };
    match number.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(format!("{number}{unit}")),
        _ => Err(no(key, text, "a time such as 5ms")),
    }
}

fn no(key: &str, value: &str, wanted: &str) -> Failure {
    Failure::usage(format!("--link tc,{key}={value}: {wanted} is wanted."))
}

//! A virtual machine of the same kind: how long until a program runs in it, and what it costs.

use crate::bench::peer::{Lab, program};
use crate::bench::{now, report, scale, wait};
use crate::packages;
use crate::run::Failed;

/// What one machine takes.
pub(super) struct Machine {
    /// Seconds from the request to a program that has run in it.
    pub(super) start: f64,
    /// KiB of the machine around it.
    pub(super) memory: f64,
    /// How its processor is made.
    pub(super) by: &'static str,
    /// What goes from one to another on the same switch, in Gbit/s of a connection's bytes.
    pub(super) rate: f64,
    /// Microseconds of an echo request and its answer between them, by the clock of the one that asks; the mean.
    pub(super) trip: f64,
}

/// How often one is booted.
const BOOTS: usize = 3;
const TEXT: &str =
    "netloom: 1\nname: guest\nswitches: { s1: {} }\nnodes: { vm1: { vm: {} } }\nlinks: [vm1 -- s1]\n";

const PAIR: &str = "netloom: 1\nname: guests\nswitches: { s1: {} }\nnodes:\n  vm1: { vm: {}, ip: 10.0.0.1/24 }\n  \
    vm2: { vm: {}, ip: 10.0.0.2/24 }\nlinks: [vm1..2 -- s1]\n";
/// Echo requests that are timed.
const PINGS: u32 = 200;

/// Boots machines one after the other; `None`, said aloud, where QEMU or a kernel is missing.
///
/// # Errors
/// [`Failed`] if one that should boot does not.
pub(super) fn measure(seconds: f64) -> Result<Option<Machine>, Failed> {
    let needed = [
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("/boot/vmlinuz-*-cloud-amd64", "linux-image-cloud-amd64"),
    ];
    if let Some((_, package)) = needed.into_iter().find(|(program, _)| !packages::has(program)) {
        eprintln!("virtual machines: not measured, {package} is missing");
        return Ok(None);
    }
    let (mut starts, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..BOOTS {
        let before = scale::settled();
        let start = now();
        let lab = Lab::up("guest", TEXT)?;
        // It waits until the guest is there.
        lab.verb(&["exec", "-T", "vm1", "--", "true"])?;
        starts.push(start.elapsed().as_secs_f64());
        wait(scale::CLEARED);
        memory.push(before - scale::available());
    }
    let middle = |values: &[f64]| report::median(values).unwrap_or_default();
    let by = if check()?.contains("virtual machines are emulated") { "emulated" } else { "by KVM" };
    let (rate, trip) = pair(seconds)?;
    Ok(Some(Machine { start: middle(&starts), memory: middle(&memory), by, rate, trip }))
}

/// Two machines on a switch: what netloom inside of them sends each other.
fn pair(seconds: f64) -> Result<(f64, f64), Failed> {
    let lab = Lab::up("guests", PAIR)?;
    for guest in ["vm1", "vm2"] {
        lab.verb(&["exec", "-T", guest, "--", "true"])?;
    }
    let number = |value: &serde_json::Value| value.as_f64().filter(|number| *number > 0.0);
    let nothing = |what: &str| Failed::Check(format!("Nothing was measured: {what}"));
    let count = format!("{PINGS}");
    let pings = lab.json(&["ping", "vm1", "vm2", "--ipv4", "--count", &count])?;
    let trip = number(&pings["pings"]["rows"][0]["avg_ms"]).ok_or_else(|| nothing(&pings.to_string()))?;
    let sentence = format!("throughput vm1 -> vm2 >= 1kbit for {seconds}s");
    let tested = lab.json(&["test", &sentence])?;
    let said = tested["tested"]["items"][0]["measured"].as_str().unwrap_or_default().to_owned();
    let rate = gigabits(&said).ok_or_else(|| nothing(&said))?;
    Ok((rate, trip * 1e3))
}

/// `574 Mbit/s for 2 s` in Gbit/s.
fn gigabits(said: &str) -> Option<f64> {
    let mut words = said.split_whitespace();
    let number: f64 = words.next()?.parse().ok()?;
    let unit = match words.next()? {
        "bit/s" => 1e-9,
        "kbit/s" => 1e-6,
        "Mbit/s" => 1e-3,
        "Gbit/s" => 1.0,
        _ => return None,
    };
    Some(number * unit)
}

/// What netloom says of this machine; that something is lacking is no failure.
fn check() -> Result<String, Failed> {
    let done = std::process::Command::new(program()).arg("check").output();
    let done = done.map_err(|source| Failed::Start { program: "netloom".to_owned(), source })?;
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_they_are_told() {
        for (said, rate) in [("574 Mbit/s for 2 s", 0.574), ("1.2 Gbit/s", 1.2), ("80 kbit/s", 8e-5)] {
            assert!(gigabits(said).is_some_and(|found| (found - rate).abs() < 1e-9), "{said}");
        }
        assert_eq!(gigabits("impossible to tell"), None);
    }
}

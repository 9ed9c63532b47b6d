//! Guests' rings against TAPs: from ring to ring and from TAP to TAP, through the same worker, in the same process.
//!
//! The guests are synthetic: rings in shared memory, and one thread that serves them as fast as it can. So it is the switch
//! that is measured, with one processor for it and one for the guests.

use serde_json::Value;

use super::report::{self, Asked};
use crate::run::{self, Failed};

/// What is measured: its title, its unit, what it is called in the results, and what is asked of rings at most.
const KINDS: [(&str, &str, &str, f64); 2] =
    [("64-byte packets", "packets/s", "packets", 3e6), ("64 KiB super-packets", "Gbit/s", "gbit", 40.0)];
/// Or so many times what TAPs do, if that is less.
const TIMES: f64 = 5.0;

/// Runs all rounds.
///
/// # Errors
/// [`Failed`] if it cannot be built or run, or if bytes were copied twice.
pub(super) fn run(rounds: usize, seconds: f64) -> Result<(), Failed> {
    let mut all = Vec::new();
    for round in 1..=rounds {
        eprintln!("vhost: round {round} of {rounds}");
        all.push(measure(seconds)?);
    }
    let columns = ["from ring to ring", "median", "min .. max", "TAP to TAP", "ring / TAP", "asked"];
    report::table("Cards of virtual machines, one worker", &columns);
    for (title, unit, name, most) in KINDS {
        let of = |side: &str| all.iter().map(|round| number(round, &format!("{side}_{name}"))).collect();
        let (rings, taps): (Vec<f64>, Vec<f64>) = (of("guest"), of("tap"));
        let ratios: Vec<f64> = rings.iter().zip(&taps).map(|(ring, tap)| ring / tap).collect();
        let [ring, tap, ratio] = [&rings, &taps, &ratios].map(|values| report::median(values).unwrap_or(0.0));
        let asked = most.min(TIMES * tap);
        report::row(&[
            &format!("{title}, {unit}"),
            &report::short(ring),
            &report::spread(&rings),
            &report::short(tap),
            &format!("{ratio:.2}x"),
            &Asked::AtLeast(asked, asked).verdict(ring),
        ]);
    }
    let copies: Vec<f64> = all.iter().map(|round| number(round, "guest_copies")).collect();
    report::line(&format!(
        "\nA byte of a super-packet was copied {:.4} times: once behind the first 256 bytes of a frame, which the switch reads.",
        report::median(&copies).unwrap_or(0.0)
    ));
    Ok(())
}

fn measure(seconds: f64) -> Result<Value, Failed> {
    let seconds = seconds.to_string();
    let words = ["bench", "--quiet", "--locked", "--package", "netloom-daemon", "--bench", "vhost", "--"];
    let mut command = run::cargo(&words);
    let out = run::output("the bench of vhost", command.args(["--seconds", &seconds]))?;
    serde_json::from_slice(&out).map_err(|error| Failed::Check(format!("The bench of vhost: {error}")))
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(0.0)
}

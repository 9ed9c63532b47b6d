//! How fast the processor's time stamp counter counts, measured against the clock.
//!
//! QEMU's translator lets guests read it. A guest that has no timer of a known rate to hold it against must be told how fast it is.
//!
//! Source: Intel SDM, volume 3, section 18.17.

use crate::clock;

/// Thousands of ticks a second; `None`: this processor has no such counter, or it stands still. Takes 20 ms.
#[must_use]
pub fn kilohertz() -> Option<u64> {
    let first = sample()?;
    clock::sleep(SPAN_NS);
    rate(first, sample()?)
}

/// A moment, in nanoseconds of the clock and in ticks. Of several the one that took least, since one may be interrupted in between.
fn sample() -> Option<(u64, u64)> {
    let one = |_| {
        let before = clock::steady();
        let ticks = ticks()?;
        let took = clock::steady().saturating_sub(before);
        Some((took, before + took / 2, ticks))
    };
    (0..TRIES).filter_map(one).min().map(|(_, at, ticks)| (at, ticks))
}

fn rate(first: (u64, u64), second: (u64, u64)) -> Option<u64> {
    let (took, ticks) = (second.0.checked_sub(first.0)?, second.1.checked_sub(first.1)?);
    let kilohertz = u128::from(ticks) * 1_000_000 / u128::from(took).max(1);
    u64::try_from(kilohertz).ok().filter(|rate| *rate > 0)
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the instruction has no safe form")]
fn ticks() -> Option<u64> {
    // SAFETY: the instruction has no operands and touches no memory. All processors of this architecture have it; a process that has
    // been forbidden to use it (PR_SET_TSC), which this one has not, would get a signal.
    Some(unsafe { std::arch::x86_64::_rdtsc() })
}

#[cfg(not(target_arch = "x86_64"))]
const fn ticks() -> Option<u64> {
    None
}

/// How long it is watched: the clock is read within a microsecond, which is 50 millionths of this.
const SPAN_NS: u64 = 20_000_000;
const TRIES: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_ticks_by_time() {
        assert_eq!(rate((1_000, 50), (20_001_000, 52_000_050)), Some(2_600_000));
        assert_eq!(rate((0, 7), (1_000_000, 7)), None, "it stands still");
        assert_eq!(rate((0, 7), (1_000_000, 6)), None, "it runs backwards");
        assert_eq!(rate((5, 0), (4, 9)), None);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn it_is_the_same_each_time() {
        let all: Vec<u64> = (0..3).filter_map(|_| kilohertz()).collect();
        let [least, most] = [all.iter().min(), all.iter().max()].map(|rate| *rate.unwrap());
        assert!(all.len() == 3 && least > 100_000 && most - least < least / 1_000, "{all:?}");
    }
}

//! Differences between the delays of neighbouring datagrams.

/// Fed with datagrams in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct Jitter {
    before: Option<i128>,
    /// Sixteenths of nanoseconds.
    smoothed: u64,
    sum: u128,
    count: u64,
}

impl Jitter {
    /// Notes a datagram: both times in nanoseconds. Their clocks need not agree, only run alike.
    pub(super) fn note(&mut self, sent: u64, received: u64) {
        let transit = i128::from(received) - i128::from(sent);
        if let Some(before) = self.before.replace(transit) {
            let difference = u64::try_from(transit.abs_diff(before)).unwrap_or(u64::MAX);
            // J += (|D| - J) / 16, kept in sixteenths so that nothing is lost (RFC 3550 appendix A.8).
            self.smoothed = (self.smoothed + difference).saturating_sub((self.smoothed + 8) >> 4);
            self.sum += u128::from(difference);
            self.count += 1;
        }
    }

    /// The smoothed value, in nanoseconds.
    pub(super) fn smoothed(&self) -> u64 {
        self.smoothed >> 4
    }

    /// The mean, in nanoseconds.
    pub(super) fn mean(&self) -> u64 {
        u64::try_from(self.sum / u128::from(self.count.max(1))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_delays_have_none() {
        let mut jitter = Jitter::default();
        (0..100).for_each(|n| jitter.note(n * 1_000, n * 1_000 + 5_000_000));
        assert_eq!((jitter.smoothed(), jitter.mean()), (0, 0));
    }

    #[test]
    fn alternating_delays_have_their_difference() {
        let mut jitter = Jitter::default();
        (0..1_000).for_each(|n| jitter.note(n * 20_000_000, n * 20_000_000 + (n % 2) * 3_000_000));
        assert_eq!(jitter.mean(), 3_000_000);
        assert!(jitter.smoothed().abs_diff(3_000_000) < 1_000, "{}", jitter.smoothed());
    }
}

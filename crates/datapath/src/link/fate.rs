//! What chance does to a packet on a link, reproducibly.
//!
//! There is no generator that moves on: the nth packet of a direction gets its numbers from a hash of the lab's
//! seed, the link and n. So a packet's fate does not depend on what was drawn for others, on timing or on
//! settings that were different for a while. Only the state of the Gilbert-Elliott model is carried from packet
//! to packet, as the model wants it.

use netloom_flow::{Distribution, LinkSettings, Loss, Nanos, Probability};

use crate::cache::fold;

/// The random stream of one link direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream(u64);

/// What a number is drawn for: each has its own, so that one setting does not shift another's draws.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lane {
    Loss = 1,
    State,
    Duplicate,
    Corrupt,
    CorruptBit,
    Reorder,
    Jitter,
}

impl Stream {
    pub(crate) fn new(seed: u64, link: u64, direction: u64) -> Self {
        Self(mix(mix(mix(seed) ^ link) ^ direction))
    }

    /// The number of the nth packet for a lane.
    #[inline]
    pub(crate) fn draw(self, n: u64, lane: Lane) -> u64 {
        self.lane(n, lane as u64)
    }

    fn lane(self, n: u64, lane: u64) -> u64 {
        mix(self.0 ^ fold(n ^ 0x2545_f491_4f6c_dd1d, lane.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Whether what has probability `p` happens to the nth packet.
    #[inline]
    pub(crate) fn happens(self, n: u64, lane: Lane, p: Probability) -> bool {
        // A number below 2^64 * p / 10^9, rounded: p of 1 always happens, 0 never.
        !p.is_zero() && u128::from(self.draw(n, lane)) * 1_000_000_000 < u128::from(p.0) << 64
    }

    /// The nth packet's delay: settled by the link's delay, jitter and the shape of it.
    pub(crate) fn delay(self, n: u64, settings: &LinkSettings) -> Nanos {
        if settings.jitter == Nanos::ZERO {
            return settings.delay;
        }
        let jitter = i128::from(settings.jitter.0);
        let offset = match settings.distribution {
            // Between -jitter and +jitter: 2^63 is one jitter.
            Distribution::Uniform => (jitter * (i128::from(self.draw(n, Lane::Jitter)) - (1 << 63))) >> 63,
            Distribution::Normal => (jitter * self.normal(n)) >> 16,
            Distribution::Pareto => (jitter * self.pareto(n)) >> 16,
        };
        let delay = (i128::from(settings.delay.0) + offset).max(0);
        Nanos(u64::try_from(delay).unwrap_or(u64::MAX))
    }

    /// Mean 0, standard deviation 2^16: the sum of twelve even 16-bit numbers. Its tails end at six deviations.
    fn normal(self, n: u64) -> i128 {
        let sum: u64 = (0..3)
            .map(|part| self.lane(n, Lane::Jitter as u64 + part * 256))
            .map(|r| (r & 0xffff) + (r >> 16 & 0xffff) + (r >> 32 & 0xffff) + (r >> 48))
            .sum();
        i128::from(sum) - 12 * 0xffff / 2
    }

    /// Mean 0, standard deviation 2^16: Pareto of shape 3, as netem's table, cut off at eight deviations.
    fn pareto(self, n: u64) -> i128 {
        // u in (0, 1]; x = u^(-1/3) has mean 1.5 and deviation sqrt(0.75).
        #[expect(clippy::cast_precision_loss, reason = "53 random bits are plenty")]
        let u = ((self.draw(n, Lane::Jitter) >> 11) + 1) as f64 / (1u64 << 53) as f64;
        let deviations = ((u.cbrt().recip() - 1.5) / 0.75f64.sqrt()).min(8.0);
        #[expect(clippy::cast_possible_truncation, reason = "between -1 and 8 times 2^16")]
        let fixed = (deviations * 65_536.0) as i64;
        i128::from(fixed)
    }
}

/// The state of the loss model.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LossState {
    bad: bool,
}

impl LossState {
    /// Whether the nth packet is lost; moves the model on by one packet.
    #[inline]
    pub(crate) fn loses(&mut self, loss: &Loss, stream: Stream, n: u64) -> bool {
        match *loss {
            Loss::Random(p) => stream.happens(n, Lane::Loss, p),
            Loss::GilbertElliott { p, r, bad, good } => {
                let lost = stream.happens(n, Lane::Loss, if self.bad { bad } else { good });
                if stream.happens(n, Lane::State, if self.bad { r } else { p }) {
                    self.bad = !self.bad;
                }
                lost
            }
        }
    }
}

/// The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection that passes statistical tests on counters.
const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: u64 = 200_000;

    fn rate(stream: Stream, p: u32) -> f64 {
        let hits = (0..N).filter(|n| stream.happens(*n, Lane::Loss, Probability(p))).count();
        hits as f64 / N as f64
    }

    #[test]
    fn probabilities_are_met() {
        let stream = Stream::new(1, 2, 0);
        assert_eq!(rate(stream, 0), 0.0);
        assert_eq!(rate(stream, 1_000_000_000), 1.0);
        for p in [1_000_000, 10_000_000, 500_000_000, 999_000_000] {
            let wanted = f64::from(p) / 1e9;
            let sigma = (wanted * (1.0 - wanted) / N as f64).sqrt();
            assert!((rate(stream, p) - wanted).abs() < 5.0 * sigma, "{p}");
        }
    }

    #[test]
    fn streams_and_lanes_are_independent() {
        let (a, b) = (Stream::new(1, 2, 0), Stream::new(1, 2, 1));
        let half = Probability(500_000_000);
        let both =
            (0..N).filter(|n| a.happens(*n, Lane::Loss, half) && b.happens(*n, Lane::Loss, half)).count();
        assert!((both as f64 / N as f64 - 0.25).abs() < 0.01);
        let lanes =
            (0..N).filter(|n| a.happens(*n, Lane::Loss, half) && a.happens(*n, Lane::Corrupt, half)).count();
        assert!((lanes as f64 / N as f64 - 0.25).abs() < 0.01);
        assert_eq!(a.draw(7, Lane::Loss), Stream::new(1, 2, 0).draw(7, Lane::Loss));
    }

    #[test]
    fn jitter_has_its_shape() {
        let delay = Nanos::from_millis(100);
        for (distribution, deviation) in [
            (Distribution::Uniform, 1.0 / 3f64.sqrt()),
            (Distribution::Normal, 1.0),
            (Distribution::Pareto, 0.9),
        ] {
            let settings = LinkSettings {
                delay,
                jitter: Nanos::from_millis(2),
                distribution,
                ..LinkSettings::default()
            };
            let stream = Stream::new(9, 9, 9);
            let samples: Vec<f64> =
                (0..N).map(|n| stream.delay(n, &settings).0 as f64 / 1e6 - 100.0).collect();
            let mean = samples.iter().sum::<f64>() / N as f64;
            let sigma = (samples.iter().map(|s| (s - mean).powi(2)).sum::<f64>() / N as f64).sqrt();
            assert!(mean.abs() < 0.05, "{distribution:?} mean {mean}");
            assert!((sigma / 2.0 - deviation).abs() < 0.1, "{distribution:?} deviation {sigma}");
        }
    }

    #[test]
    fn bursts_of_the_gilbert_elliott_model_last_one_over_r() {
        let model = Loss::GilbertElliott {
            p: Probability(10_000_000),
            r: Probability(250_000_000),
            bad: Probability::ONE,
            good: Probability(0),
        };
        let (mut state, stream) = (LossState::default(), Stream::new(4, 4, 4));
        let lost: Vec<bool> = (0..N).map(|n| state.loses(&model, stream, n)).collect();
        let losses = lost.iter().filter(|l| **l).count() as f64;
        let bursts = lost.windows(2).filter(|w| !w[0] && w[1]).count() as f64;
        // Share of the bad state p / (p + r); mean burst 1 / r.
        assert!((losses / N as f64 - 0.01 / 0.26).abs() < 0.005);
        assert!((losses / bursts - 4.0).abs() < 0.3);
    }
}

//! A policer: what is too much is dropped, nothing waits.

use netloom_flow::Nanos;
use netloom_packet::Wire;

use super::bucket::Bucket;

/// A policer's limits: OVS's `ingress_policing_rate` and `_burst`, `_kpkts_rate` and `_kpkts_burst`, or a meter's band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PolicerSettings {
    /// Bits per second; `None`: not limited.
    pub bits: Option<u64>,
    /// Bits that may come at once after a pause; `None`: half a second at the rate, and at least 64 KiB, so that TCP reaches it.
    pub burst_bits: Option<u64>,
    /// Packets per second; `None`: not limited.
    pub packets: Option<u64>,
    /// Packets that may come at once after a pause; `None`: as many as in half a second.
    pub burst_packets: Option<u64>,
}

/// Bits of the least burst by default: a super-packet.
const LEAST_BURST: u64 = 8 << 16;

/// A policer: at most a bucket of bits and one of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policer {
    bits: Option<Bucket>,
    packets: Option<Bucket>,
}

impl Policer {
    /// A policer after a long pause: its bursts are saved up.
    #[must_use]
    pub fn new(settings: &PolicerSettings, now: Nanos) -> Self {
        let bucket = |rate: Option<u64>, burst: Option<u64>, least: u64| {
            rate.map(|rate| Bucket::new(rate, burst.unwrap_or((rate / 2).max(least)), now))
        };
        Self {
            bits: bucket(settings.bits, settings.burst_bits, LEAST_BURST),
            packets: bucket(settings.packets, settings.burst_packets, 1),
        }
    }

    /// How many of the wire packets of `wire` pass at `now`: the first ones. All of them: `wire.packets`.
    ///
    /// The packets of a super-packet are judged as if each came alone; the last may be shorter than the others.
    pub fn admit(&mut self, wire: Wire, now: Nanos) -> u32 {
        let count = u64::from(wire.packets.max(1));
        let each = wire.bytes.div_ceil(count);
        for bucket in [&mut self.bits, &mut self.packets].into_iter().flatten() {
            bucket.refill(now);
        }
        let mut left = wire.bytes;
        for passed in 0..wire.packets {
            let open = |bucket: &Option<Bucket>| bucket.is_none_or(|bucket| bucket.is_open());
            if !open(&self.bits) || !open(&self.packets) {
                return passed;
            }
            let bytes = each.min(left);
            left -= bytes;
            if let Some(bits) = &mut self.bits {
                bits.charge(bytes * 8);
            }
            if let Some(packets) = &mut self.packets {
                packets.charge(1);
            }
        }
        wire.packets
    }
}

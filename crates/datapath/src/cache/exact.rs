//! The exact-match cache: from a packet's signature straight to its cached flow.
//!
//! It stores no keys: a signature leads to a flow, and the flow's own mask says whether it fits. A wrong or stale
//! guess costs one comparison, never a wrong answer, so nothing needs to be removed when a flow goes. TCP flags
//! are left out of the signature: a connection's packets share one entry.

use netloom_flow::{PacketKey, word};

use crate::cache::hash;

/// Entries that share a cache line.
const WAYS: usize = 8;
/// Lines: 8,192 entries, 64 KiB.
const LINES: usize = 1_024;

/// One line: signatures, and flow numbers plus one (0: free).
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Line {
    signatures: [u32; WAYS],
    flows: [u32; WAYS],
}

/// What stands for a packet in the exact-match cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signature(u64);

/// See the module.
#[derive(Debug)]
pub(crate) struct Exact {
    lines: Box<[Line]>,
    seed: u64,
    /// Which way of a full line is replaced next.
    turn: usize,
}

impl Exact {
    pub(crate) fn new(seed: u64) -> Self {
        Self { lines: vec![Line::default(); LINES].into_boxed_slice(), seed, turn: 0 }
    }

    /// The signature of a key: of the words that tell packets apart in practice. Packets that differ in others only
    /// share a signature and take turns, at the price of a megaflow lookup.
    #[inline]
    pub(crate) fn signature(&self, key: &PacketKey) -> Signature {
        let w = &key.0;
        Signature(hash::pairs(
            self.seed,
            [
                [w[word::IN_PORT], w[word::TENANT]],
                [w[word::ETH_DST], w[word::ETH_SRC]],
                [w[word::VLAN] ^ w[word::MPLS], w[word::IPV4]],
                [w[word::IPV6_SRC], w[word::IPV6_SRC + 1]],
                [w[word::IPV6_DST], w[word::IPV6_DST + 1]],
                [w[word::IP] ^ w[word::TUN_ID] ^ w[word::CT], w[word::L4] & !TCP_FLAGS],
            ],
        ))
    }

    /// The flow that last had this signature and fits, by `fits`.
    #[inline]
    pub(crate) fn find(&self, signature: Signature, mut fits: impl FnMut(u32) -> bool) -> Option<u32> {
        let (line, tag) = (self.lines.get(line(signature))?, tag(signature));
        for (stored, flow) in line.signatures.iter().zip(&line.flows) {
            if *stored == tag && *flow != 0 && fits(*flow - 1) {
                return Some(*flow - 1);
            }
        }
        None
    }

    /// Remembers that packets of this signature belong to `flow`. A full line gives up one entry in turn.
    pub(crate) fn insert(&mut self, signature: Signature, flow: u32) {
        let Some(line) = self.lines.get_mut(line(signature)) else { return };
        let free = line.flows.iter().position(|stored| *stored == 0 || *stored == flow + 1);
        let same = line.signatures.iter().position(|stored| *stored == tag(signature));
        let way = same.or(free).unwrap_or_else(|| {
            self.turn = (self.turn + 1) % WAYS;
            self.turn
        });
        line.signatures[way] = tag(signature);
        line.flows[way] = flow + 1;
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.lines.fill(Line::default());
    }
}

/// `tcp_flags` in [`word::L4`].
const TCP_FLAGS: u64 = 0xffff << 16;

#[expect(clippy::cast_possible_truncation, reason = "the lower bits choose the line")]
const fn line(signature: Signature) -> usize {
    signature.0 as usize % LINES
}

const fn tag(signature: Signature) -> u32 {
    (signature.0 >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> PacketKey {
        let mut key = PacketKey::default();
        key.0[word::ETH_DST] = n << 16 | 0x0800;
        key
    }

    #[test]
    fn four_thousand_flows_do_not_thrash() {
        let mut exact = Exact::new(3);
        for n in 0..4_096 {
            exact.insert(exact.signature(&key(n)), u32::try_from(n).unwrap());
        }
        let kept = (0..4_096u64)
            .filter(|n| exact.find(exact.signature(&key(*n)), |flow| u64::from(flow) == *n).is_some())
            .count();
        assert!(kept > 3_950, "{kept} of 4096");
    }

    #[test]
    fn a_guess_is_verified() {
        let mut exact = Exact::new(3);
        let signature = exact.signature(&key(1));
        exact.insert(signature, 9);
        assert_eq!(exact.find(signature, |flow| flow == 9), Some(9));
        assert_eq!(exact.find(signature, |_| false), None);
        exact.clear();
        assert_eq!(exact.find(signature, |_| true), None);
    }

    #[test]
    fn tcp_flags_do_not_matter() {
        let exact = Exact::new(3);
        let mut syn = key(1);
        syn.0[word::L4] = 0x1234_0050_0002_0000;
        let mut ack = syn;
        ack.0[word::L4] = 0x1234_0050_0010_0000;
        assert_eq!(exact.signature(&syn), exact.signature(&ack));
        ack.0[word::L4] = 0x1235_0050_0010_0000;
        assert_ne!(exact.signature(&syn), exact.signature(&ack));
    }
}

//! What tracking has said of a packet: it travels beside it until it leaves the switch.

use netloom_flow::{PacketKey, ct_state, word};

use super::tuple::{MAPPED, Scope, Tuple};

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tracked {
    pub(crate) scope: Scope,
    /// Bits of [`ct_state`].
    pub(crate) state: u32,
    pub(crate) mark: u32,
    pub(crate) label: u128,
    /// The first packet of the connection, or of the one that is the reason for it.
    pub(crate) original: Option<Tuple>,
}

impl Tracked {
    /// A packet that fits nothing.
    pub(crate) const fn invalid(scope: Scope) -> Self {
        Self { scope, state: ct_state::TRK | ct_state::INV, mark: 0, label: 0, original: None }
    }

    /// Writes the `ct_*` fields of a packet's key, which are 0.
    pub(crate) fn write(&self, key: &mut PacketKey) {
        let words = &mut key.0;
        words[word::TENANT] |= u64::from(self.scope.zone) << 32;
        words[word::CT] = u64::from(self.state) << 32 | u64::from(self.mark);
        [words[word::CT_LABEL], words[word::CT_LABEL + 1]] = halves(self.label);
        let Some(tuple) = &self.original else { return };
        [words[word::CT_SRC], words[word::CT_SRC + 1]] = halves(tuple.src);
        [words[word::CT_DST], words[word::CT_DST + 1]] = halves(tuple.dst);
        let (src_port, dst_port) =
            if tuple.is_icmp() { (u16::from(tuple.kinds[0]), 0) } else { (tuple.src_port, tuple.dst_port) };
        words[word::CT_L4] =
            u64::from(src_port) << 48 | u64::from(dst_port) << 32 | u64::from(tuple.proto) << 24;
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
const fn halves(wide: u128) -> [u64; 2] {
    [(wide >> 64) as u64, wide as u64]
}

const _: () = assert!(MAPPED == 0xffff_0000_0000, "as the key has IPv4 addresses");

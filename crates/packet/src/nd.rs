//! Neighbour discovery: solicitations and advertisements.
//!
//! ```text
//! l4 + 0 | type | code | checksum | flags, reserved 4 | target 16 | options: type 1, length 1 (times 8), ...
//! ```
//!
//! Source: RFC 4861 §4.3, §4.4, §4.6.1.

use crate::bytes::array;
use crate::parse::ip_proto;
use crate::{Headers, Mac};

/// Neighbour solicitation, the type of ICMPv6.
pub const SOLICIT: u8 = 135;
/// Neighbour advertisement, the type of ICMPv6.
pub const ADVERT: u8 = 136;
/// Option: source link-layer address.
pub const SOURCE_LLA: u8 = 1;
/// Option: target link-layer address.
pub const TARGET_LLA: u8 = 2;

/// A solicitation or advertisement, and where in the frame its fields are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nd {
    /// [`SOLICIT`] or [`ADVERT`].
    pub kind: u8,
    /// The address asked for or answered.
    pub target: [u8; 16],
    /// The source link-layer address option's address.
    pub sll: Option<Mac>,
    /// The target link-layer address option's address.
    pub tll: Option<Mac>,
    pub(crate) target_at: usize,
    pub(crate) sll_at: Option<usize>,
    pub(crate) tll_at: Option<usize>,
}

impl Nd {
    /// Reads the frame's solicitation or advertisement. `None` if it is neither, or an option is malformed or an
    /// address given twice (as OVS decides).
    #[must_use]
    pub fn of(frame: &[u8], headers: &Headers) -> Option<Self> {
        if headers.ip_proto != ip_proto::ICMPV6 || headers.l4 == 0 || !headers.is_ipv6() {
            return None;
        }
        let l4 = usize::from(headers.l4);
        let packet = frame.get(..headers.end as usize)?;
        let [kind, code] = *array(packet, l4)?;
        if !matches!(kind, SOLICIT | ADVERT) || code != 0 {
            return None;
        }
        let target_at = l4 + 8;
        let target = *array(packet, target_at)?;
        let mut nd = Self { kind, target, sll: None, tll: None, target_at, sll_at: None, tll_at: None };
        let mut at = target_at + 16;
        while let Some([option, units, mac @ ..]) = array::<8>(packet, at) {
            if *units == 0 || packet.len() - at < usize::from(*units) * 8 {
                return None;
            }
            let (slot, place) = match *option {
                SOURCE_LLA => (&mut nd.sll, &mut nd.sll_at),
                TARGET_LLA => (&mut nd.tll, &mut nd.tll_at),
                _ => (&mut None, &mut None),
            };
            if *units == 1 && slot.replace(Mac(*mac)).is_some() {
                return None;
            }
            *place = (*units == 1).then_some(at + 2).or(*place);
            at += usize::from(*units) * 8;
        }
        Some(nd)
    }
}

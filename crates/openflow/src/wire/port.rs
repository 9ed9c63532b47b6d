//! Port numbers: 16 bits in 1.0, 32 bits later. The reserved ones are the highest of either.

use netloom_flow::OfPort;

use crate::OfError;
use crate::error::Result;

/// The lowest reserved number of 1.0.
const RESERVED_16: u16 = 0xff00;

/// A number of 1.0.
pub(crate) fn from_16(port: u16) -> OfPort {
    if port >= RESERVED_16 { OfPort(u32::from(port) | 0xffff_0000) } else { OfPort(port.into()) }
}

/// A number as 1.0 has it; that of no port for one that 1.0 cannot say.
pub(crate) fn to_16(port: OfPort) -> u16 {
    let [_, _, high, low] = port.0.to_be_bytes();
    let short = u16::from_be_bytes([high, low]);
    match port.0 {
        0xffff_ff00.. => short,
        0..0xff00 => short,
        _ => u16::MAX,
    }
}

/// A number of 1.1 and later.
///
/// # Errors
/// `error` between the ordinary ports OVS can have and the reserved ones.
pub(crate) fn from_32(port: u32, error: OfError) -> Result<OfPort> {
    if (u32::from(RESERVED_16)..0xffff_ff00).contains(&port) { Err(error) } else { Ok(OfPort(port)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_numbers_move() {
        for (short, long) in [(1, 1), (0xfeff, 0xfeff), (0xfff8, 0xffff_fff8), (0xffff, 0xffff_ffff)] {
            assert_eq!((from_16(short), to_16(OfPort(long))), (OfPort(long), short));
        }
        assert_eq!(to_16(OfPort(0x1_0000)), 0xffff);
        assert_eq!(from_32(0x1_0000, OfError::BacBadOutPort), Err(OfError::BacBadOutPort));
    }
}

//! UUIDs: names of rows, of versions of rows, and of transactions.
//!
//! Source: RFC 4122 for the text; version 4 for new ones.

use std::fmt;
use std::str::FromStr;

/// A UUID, ordered as its text is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid {
    high: u64,
    low: u64,
}

/// Not `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` in hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Not a UUID")]
pub struct NotUuid;

const LENGTH: usize = 36;

impl Uuid {
    /// All bits zero: the default of a column of UUIDs, and "no transaction yet".
    pub const ZERO: Self = Self { high: 0, low: 0 };

    /// The UUID with these 128 bits, the first of the text the most significant.
    pub const fn from_bits(high: u64, low: u64) -> Self {
        Self { high, low }
    }

    /// The 128 bits.
    pub(crate) const fn bits(self) -> [u64; 2] {
        [self.high, self.low]
    }

    /// Writes the 36 characters of the text at the end of `out`.
    pub fn emit(self, out: &mut String) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bits = u128::from(self.high) << 64 | u128::from(self.low);
        for nibble in 0..32_u32 {
            if matches!(nibble, 8 | 12 | 16 | 20) {
                out.push('-');
            }
            let digit = usize::try_from((bits >> (124 - 4 * nibble)) & 0xf).unwrap_or(0);
            out.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'0')));
        }
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(LENGTH);
        self.emit(&mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = NotUuid;

    fn from_str(text: &str) -> Result<Self, NotUuid> {
        if text.len() != LENGTH {
            return Err(NotUuid);
        }
        let mut halves = [0_u64; 2];
        let mut digits = 0;
        for (at, byte) in text.bytes().enumerate() {
            if matches!(at, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return Err(NotUuid);
                }
                continue;
            }
            let digit = match byte {
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                b'A'..=b'F' => byte - b'A' + 10,
                _ => return Err(NotUuid),
            };
            let [high, low] = &mut halves;
            let half = if digits < 16 { high } else { low };
            *half = *half << 4 | u64::from(digit);
            digits += 1;
        }
        let [high, low] = halves;
        Ok(Self { high, low })
    }
}

/// A source of new UUIDs: the same seed, the same row of UUIDs.
///
/// Two counters stepped by an odd constant and mixed (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", 2014). Nobody's secret depends on them; they must not meet, for which a seed of 128 bits of entropy
/// does.
#[derive(Debug, Clone)]
pub struct UuidSource {
    high: u64,
    low: u64,
}

impl UuidSource {
    /// A source that begins at `seed`.
    pub const fn new(seed: [u64; 2]) -> Self {
        let [high, low] = seed;
        Self { high, low }
    }

    /// The next UUID, of version 4.
    pub fn generate(&mut self) -> Uuid {
        let high = step(&mut self.high, 0x9e37_79b9_7f4a_7c15);
        let low = step(&mut self.low, 0xd1b5_4a32_d192_ed03);
        Uuid {
            high: high & 0xffff_ffff_ffff_0fff | 0x4000,
            low: low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000,
        }
    }
}

fn step(state: &mut u64, gamma: u64) -> u64 {
    *state = state.wrapping_add(gamma);
    let mut z = *state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_uuid_is_read_and_printed() {
        let text = "0123abcd-4567-89ef-0123-456789abcdef";
        assert_eq!(text.parse::<Uuid>().unwrap().to_string(), text);
        assert_eq!(text.to_uppercase().parse::<Uuid>().unwrap().to_string(), text);
        assert_eq!(Uuid::ZERO.to_string(), "00000000-0000-0000-0000-000000000000");
        for wrong in ["", "0123", &text[1..], "0123abcd-4567-89ef-0123_456789abcdef", &text.replace('d', "g")]
        {
            assert_eq!(wrong.parse::<Uuid>(), Err(NotUuid), "{wrong}");
        }
    }

    #[test]
    fn order_is_that_of_the_text() {
        let mut source = UuidSource::new([1, 2]);
        let uuids: Vec<Uuid> = (0..100).map(|_| source.generate()).collect();
        for pair in uuids.windows(2) {
            assert_eq!(pair[0].cmp(&pair[1]), pair[0].to_string().cmp(&pair[1].to_string()));
        }
    }

    #[test]
    fn a_source_repeats_itself_only_from_its_seed() {
        let (mut a, mut b) = (UuidSource::new([7, 8]), UuidSource::new([7, 8]));
        let first: Vec<Uuid> = (0..1000).map(|_| a.generate()).collect();
        let second: Vec<Uuid> = (0..1000).map(|_| b.generate()).collect();
        assert_eq!(first, second);
        assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 1000);
        assert!(first.iter().all(|uuid| uuid.to_string().as_bytes()[14] == b'4'));
    }
}

//! Identities that survive a change of name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A UUID, as in every row of an OVS database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uuid(pub u128);

/// A text that is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Not a UUID of the form xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")]
pub struct BadUuid;

impl Uuid {
    /// The same UUID for the same words, a different one for different words (RFC 9562 version 8).
    #[must_use]
    pub fn named(words: &[&str]) -> Self {
        // Two FNV-1a runs with different offsets: no security is asked for, only stability.
        let run = |offset: u64| {
            let bytes = words.iter().flat_map(|word| word.bytes().chain([0xff]));
            bytes.fold(offset, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        };
        let bits = (u128::from(run(0xcbf2_9ce4_8422_2325)) << 64) | u128::from(run(0x6c62_272e_07bb_0142));
        Self(bits & !(0xf << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
        write!(f, "{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Uuid {
    type Err = BadUuid;

    /// Reads the form with four dashes.
    fn from_str(text: &str) -> Result<Self, BadUuid> {
        let lengths_fit = text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
        let hex = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        if !lengths_fit || !hex {
            return Err(BadUuid);
        }
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self).map_err(|_| BadUuid)
    }
}

impl Serialize for Uuid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips() {
        let uuid = Uuid::named(&["lab", "s1"]);
        assert_eq!(uuid.to_string().parse(), Ok(uuid));
        assert_ne!(uuid, Uuid::named(&["lab", "s2"]));
        assert_ne!(Uuid::named(&["ab", "c"]), Uuid::named(&["a", "bc"]));
        assert_eq!(uuid.to_string().as_bytes().get(14), Some(&b'8'), "version");
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "0", "00000000-0000-0000-0000-00000000000", "+0000000-0000-0000-0000-000000000000"] {
            assert_eq!(text.parse::<Uuid>(), Err(BadUuid), "{text}");
        }
    }
}

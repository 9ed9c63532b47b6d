//! Big-endian reads and writes at an offset, bounded: out of range is `None` or `false`, never a panic.

/// The `N` bytes at `at`.
#[inline]
#[must_use]
pub fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<&[u8; N]> {
    bytes.get(at..)?.first_chunk()
}

/// The `N` bytes at `at`, to write to.
#[inline]
#[must_use]
pub fn array_mut<const N: usize>(bytes: &mut [u8], at: usize) -> Option<&mut [u8; N]> {
    bytes.get_mut(at..)?.first_chunk_mut()
}

/// The byte at `at`.
#[inline]
#[must_use]
pub fn u8_at(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

/// The big-endian 16-bit number at `at`.
#[inline]
#[must_use]
pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(|b| u16::from_be_bytes(*b))
}

/// The big-endian 32-bit number at `at`.
#[inline]
#[must_use]
pub fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(|b| u32::from_be_bytes(*b))
}

/// Writes `value` at `at`. `false`, and nothing written, if it does not fit.
#[inline]
pub fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) -> bool {
    array_mut(bytes, at).map(|slot| *slot = value).is_some()
}

/// Writes a big-endian 16-bit number at `at`, as [`put`] does.
#[inline]
pub fn put16(bytes: &mut [u8], at: usize, value: u16) -> bool {
    put(bytes, at, value.to_be_bytes())
}

/// Writes a big-endian 32-bit number at `at`, as [`put`] does.
#[inline]
pub fn put32(bytes: &mut [u8], at: usize, value: u32) -> bool {
    put(bytes, at, value.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_bounded() {
        let b = [1, 2, 3, 4, 5];
        assert_eq!(be16(&b, 0), Some(0x0102));
        assert_eq!(be32(&b, 1), Some(0x0203_0405));
        assert_eq!(be32(&b, 2), None);
        assert_eq!(be16(&b, usize::MAX), None);
        assert_eq!(array::<2>(&b, 3), Some(&[4, 5]));
    }

    #[test]
    fn writes_are_bounded() {
        let mut b = [0; 4];
        assert!(put16(&mut b, 2, 0xabcd));
        assert!(!put32(&mut b, 1, 7), "would end behind the slice");
        assert_eq!(b, [0, 0, 0xab, 0xcd]);
    }
}

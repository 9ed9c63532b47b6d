//! Bytes from text, as captures are written down.

/// The bytes that `text` spells in hexadecimal digits; white space and colons are ignored, and what follows a `#`
/// up to the end of its line.
///
/// # Panics
/// On anything else: the constant of a test is wrong.
#[must_use]
#[track_caller]
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .lines()
        .flat_map(|line| line.split('#').next().unwrap_or_default().chars())
        .filter(|c| !c.is_whitespace() && *c != ':')
        .map(|c| c.to_digit(16).unwrap_or_else(|| panic!("{c:?} is not a hexadecimal digit")))
        .collect();
    assert!(digits.len().is_multiple_of(2), "{} digits make no whole bytes", digits.len());
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("two digits")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_spaces_comments() {
        assert_eq!(hex("02:00 0a # here 11\n  ff"), [2, 0, 10, 255]);
    }

    #[test]
    #[should_panic(expected = "no whole bytes")]
    fn half_a_byte() {
        let _ = hex("0");
    }

    #[test]
    #[should_panic(expected = "'x' is not")]
    fn not_a_digit() {
        let _ = hex("0x");
    }
}

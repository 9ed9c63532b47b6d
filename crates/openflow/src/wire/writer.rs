//! Writing big-endian numbers, and lengths that are known only later.

/// What is written to.
pub(crate) type Out = Vec<u8>;

/// Writes numbers.
pub(crate) trait Put {
    fn u8(&mut self, value: u8);
    fn u16(&mut self, value: u16);
    fn u32(&mut self, value: u32);
    fn u64(&mut self, value: u64);
    /// The low `n` bytes of a number, at most 16.
    fn number(&mut self, value: u128, n: usize);
    fn zeros(&mut self, n: usize);
    /// Zeros until the bytes since `start` are a multiple of `to`.
    fn pad(&mut self, start: usize, to: usize);
    /// Writes `value` over the 16 bits at `at`.
    fn patch16(&mut self, at: usize, value: usize);
    /// Text in a field of `n` bytes, with at least one 0 behind it.
    fn text(&mut self, text: &str, n: usize);
}

impl Put for Out {
    fn u8(&mut self, value: u8) {
        self.push(value);
    }

    fn u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_be_bytes());
    }

    fn number(&mut self, value: u128, n: usize) {
        let bytes = value.to_be_bytes();
        self.extend_from_slice(bytes.get(16usize.saturating_sub(n)..).unwrap_or(&[]));
    }

    fn zeros(&mut self, n: usize) {
        self.resize(self.len() + n, 0);
    }

    fn pad(&mut self, start: usize, to: usize) {
        let len = self.len() - start;
        self.zeros(len.next_multiple_of(to) - len);
    }

    fn patch16(&mut self, at: usize, value: usize) {
        // Whoever writes more than fits is told so when the message is closed: its own length does not fit then.
        let value = u16::try_from(value).unwrap_or(u16::MAX);
        netloom_packet::bytes::put16(self, at, value);
    }

    fn text(&mut self, text: &str, n: usize) {
        let mut end = text.len().min(n.saturating_sub(1));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let bytes = text.as_bytes().get(..end).unwrap_or(&[]);
        self.extend_from_slice(bytes);
        self.zeros(n - bytes.len());
    }
}

/// Writes what `body` writes, with its length in the 16 bits at `len_at` bytes from its start, padded to 8 bytes.
/// The length counts the padding.
pub(crate) fn with_len(out: &mut Out, len_at: usize, body: impl FnOnce(&mut Out)) {
    let start = out.len();
    body(out);
    out.pad(start, 8);
    let len = out.len() - start;
    out.patch16(start + len_at, len);
}

/// Likewise, but the length does not count the padding, as that of matches and properties.
pub(crate) fn with_exact_len(out: &mut Out, len_at: usize, body: impl FnOnce(&mut Out)) {
    let start = out.len();
    body(out);
    let len = out.len() - start;
    out.patch16(start + len_at, len);
    out.pad(start, 8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_padding_or_not() {
        let body = |out: &mut Out| {
            out.u32(0);
            out.u8(7);
        };
        let (mut padded, mut exact) = (Out::new(), Out::new());
        with_len(&mut padded, 2, body);
        with_exact_len(&mut exact, 2, body);
        assert_eq!(padded, [0, 0, 0, 8, 7, 0, 0, 0]);
        assert_eq!(exact, [0, 0, 0, 5, 7, 0, 0, 0]);
    }

    #[test]
    fn text_is_cut_between_characters() {
        let mut out = Out::new();
        out.text("aé", 3);
        assert_eq!(out, [b'a', 0, 0]);
        out.clear();
        out.number(0x0102_0304, 3);
        assert_eq!(out, [2, 3, 4]);
    }
}

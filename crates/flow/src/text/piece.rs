//! A part of the text that remembers where it stood.

use std::ops::Range;

/// A part of the text being parsed, with its place in the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    at: usize,
}

impl<'a> Piece<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Its place in the whole text, in bytes.
    pub(super) const fn span(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// The part from byte `from` to `to`; empty if there is no such part.
    pub(super) fn slice(self, from: usize, to: usize) -> Self {
        self.text
            .get(from..to)
            .map_or(Self { text: "", at: self.at }, |text| Self { text, at: self.at + from })
    }

    pub(super) fn trim(self) -> Self {
        let from = self.text.len() - self.text.trim_start().len();
        self.slice(from, from + self.text.trim().len())
    }

    /// What stands before and behind the first `separator`.
    pub(super) fn split_once(self, separator: &str) -> Option<(Self, Self)> {
        let at = self.text.find(separator)?;
        Some((self.slice(0, at), self.slice(at + separator.len(), self.text.len())))
    }

    /// What stands before and behind the last `separator`.
    pub(super) fn rsplit_once(self, separator: &str) -> Option<(Self, Self)> {
        let at = self.text.rfind(separator)?;
        Some((self.slice(0, at), self.slice(at + separator.len(), self.text.len())))
    }

    /// What stands between the parentheses, if it begins with one and ends with one.
    pub(super) fn in_parentheses(self) -> Option<Self> {
        let inner = self.text.strip_prefix('(')?.strip_suffix(')')?;
        Some(self.slice(1, 1 + inner.len()))
    }
}

/// One `key`, `key=value`, `key:value` or `key(value)` of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) key: Piece<'a>,
    pub(super) value: Option<Piece<'a>>,
    /// Both, with what stands between.
    pub(super) whole: Piece<'a>,
    /// What follows the first `=` or `:`, to the end of the text.
    pub(super) rest: Piece<'a>,
}

/// Cuts a list at commas and blanks outside parentheses.
#[derive(Debug)]
pub(super) struct Items<'a> {
    text: Piece<'a>,
}

impl<'a> Items<'a> {
    pub(super) const fn new(text: Piece<'a>) -> Self {
        Self { text }
    }
}

const fn separates(c: char) -> bool {
    matches!(c, ',' | ' ' | '\t' | '\r' | '\n')
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let text = self.text;
        let skip = text.text.len() - text.text.trim_start_matches(separates).len();
        let text = text.slice(skip, text.text.len());
        if text.text.is_empty() {
            return None;
        }
        let mut depth = 0_usize;
        let ends = |(_, c): &(usize, char)| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && separates(*c)
        };
        let end = text.text.char_indices().find(ends).map_or(text.text.len(), |(at, _)| at);
        self.text = text.slice(end, text.text.len());
        let whole = text.slice(0, end);
        let cut = whole.text.find(['=', ':', '(']).unwrap_or(end);
        let is_list = whole.text.get(cut..).is_some_and(|tail| tail.starts_with('('));
        let from = if is_list { cut } else { cut + 1 };
        Some(Item {
            key: whole.slice(0, cut),
            value: (cut < end).then(|| whole.slice(from, end)),
            whole,
            rest: text.slice(from.min(text.text.len()), text.text.len()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<(&str, Option<&str>)> {
        Items::new(Piece::new(text)).map(|i| (i.key.text, i.value.map(|v| v.text))).collect()
    }

    #[test]
    fn lists_are_cut_outside_parentheses() {
        assert_eq!(
            items(" ip, nw_dst=10.0.0.1/8,x(a,b(c d)),resubmit(,2)  output:3"),
            [
                ("ip", None),
                ("nw_dst", Some("10.0.0.1/8")),
                ("x", Some("(a,b(c d))")),
                ("resubmit", Some("(,2)")),
                ("output", Some("3")),
            ]
        );
        assert_eq!(items("dl_src=aa:bb=c,="), [("dl_src", Some("aa:bb=c")), ("", Some(""))]);
        assert_eq!(items("a((,b"), [("a", Some("((,b"))]);
    }

    #[test]
    fn pieces_know_their_place() {
        let text = "ip, nw_dst = 7";
        let last = Items::new(Piece::new(text)).last().unwrap();
        assert_eq!(&text[last.whole.span()], "7");
        let piece = Piece::new("  ab->cd ").trim();
        let (a, b) = piece.split_once("->").unwrap();
        assert_eq!((a.text, a.span(), b.text, b.span()), ("ab", 2..4, "cd", 6..8));
        assert_eq!(Piece::new("(x)").in_parentheses().unwrap().span(), 1..2);
    }
}

//! One STT frame that waits for more of its pieces.

use std::time::Duration;

use super::reassembly::Refused;
use super::segment::Segment;

/// Most gaps and pieces a frame may be in. Honest senders send in order, so that a frame is in one piece and a bit.
const MAX_SPANS: usize = 64;
/// What a waiting frame costs beside its bytes.
const OVERHEAD: usize = 512;

/// A frame in pieces.
#[derive(Debug)]
pub(super) struct Waiting {
    bytes: Vec<u8>,
    /// Where in `bytes` the frame begins.
    front: usize,
    /// What is there: begin and end, in order, none touching the next.
    spans: Vec<(u16, u16)>,
    pub(super) deadline: Duration,
    /// Its place in the order of arrival.
    pub(super) order: u64,
    /// Congestion was marked on some piece.
    pub(super) marked: bool,
}

impl Waiting {
    /// A frame of which nothing is there yet, with `front` bytes before it; `bytes` is reused.
    pub(super) fn new(mut bytes: Vec<u8>, front: usize, total: u16, deadline: Duration, order: u64) -> Self {
        bytes.clear();
        bytes.resize(front + usize::from(total), 0);
        Self { bytes, front, spans: Vec::new(), deadline, order, marked: false }
    }

    /// What a frame of `total` bytes is charged for, however little of it is there.
    pub(super) const fn cost(total: u16) -> usize {
        total as usize + OVERHEAD
    }

    pub(super) const fn total(&self) -> usize {
        self.bytes.len() - self.front
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether all of it is there.
    pub(super) fn is_whole(&self) -> bool {
        matches!(*self.spans.as_slice(), [(0, end)] if usize::from(end) == self.total())
    }

    /// Adds a piece.
    ///
    /// # Errors
    /// [`Refused::Duplicate`], and the frame goes on waiting; all else makes it useless.
    pub(super) fn add(&mut self, piece: &Segment<'_>) -> Result<(), Refused> {
        if self.total() != usize::from(piece.total) {
            return Err(Refused::Length);
        }
        let begin = piece.offset;
        let end = u16::try_from(usize::from(begin) + piece.bytes.len()).map_err(|_| Refused::Length)?;
        let range = self.front + usize::from(begin)..self.front + usize::from(end);
        // The first span that does not end before the piece begins.
        let at = self.spans.partition_point(|(_, span_end)| *span_end <= begin);
        if let Some((span_begin, span_end)) = self.spans.get(at).filter(|(span_begin, _)| *span_begin < end) {
            let same = self.bytes.get(range) == Some(piece.bytes);
            let contained = *span_begin <= begin && end <= *span_end;
            return Err(if contained && same { Refused::Duplicate } else { Refused::Overlap });
        }
        self.bytes.get_mut(range).ok_or(Refused::Length)?.copy_from_slice(piece.bytes);
        self.marked |= piece.underlay.tos & 3 == 3;
        self.join(at, begin, end)
    }

    /// Notes that `begin` to `end` is there: a new span at `at`, or a longer one.
    fn join(&mut self, at: usize, begin: u16, end: u16) -> Result<(), Refused> {
        let after = self.spans.get(at).copied().filter(|(next, _)| *next == end);
        let end = after.map_or(end, |(_, end)| end);
        let before = at.checked_sub(1).filter(|at| self.spans.get(*at).is_some_and(|(_, e)| *e == begin));
        let begin = before.and_then(|at| self.spans.get(at)).map_or(begin, |(begin, _)| *begin);
        let first = before.unwrap_or(at);
        let behind = at + usize::from(after.is_some());
        if first == behind && self.spans.len() == MAX_SPANS {
            return Err(Refused::Pieces);
        }
        self.spans.splice(first..behind, [(begin, end)]);
        Ok(())
    }
}

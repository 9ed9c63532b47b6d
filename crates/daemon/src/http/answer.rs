//! An answer of lines, written while the command still works.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use netloom_api::{Line, Progress};
use tokio::sync::mpsc;

use crate::Sink;

/// Lines that may wait for a slow reader.
const WAITING: usize = 1024;
/// Nanoseconds between two counts of what is done: nobody reads faster, and each wakes this process and the reader's, which
/// costs work of many small steps a fifth of its time.
const COUNTS: u64 = 40_000_000;

/// A body of lines. Dropping it, as happens when the client goes away, cancels the command.
pub(super) struct Answer {
    lines: mpsc::Receiver<Bytes>,
    /// Not the sink: it holds a sender, and the lines would never end.
    cancelled: Arc<AtomicBool>,
}

/// Where the lines come from.
#[derive(Clone)]
pub(super) struct Lines(mpsc::Sender<Bytes>);

impl Answer {
    /// A body, where to put its lines, and the sink that does so.
    pub(super) fn new() -> (Self, Lines, Sink) {
        let (sender, lines) = mpsc::channel(WAITING);
        let sender = Lines(sender);
        let inner = sender.clone();
        let counted = AtomicU64::new(0);
        let sink = Sink::new(move |progress| match progress {
            // Counts overtake each other: one less is no loss.
            Progress::Item { .. } => !is_due(&counted) || inner.offer(&Line::Progress(progress)),
            _ => inner.put(&Line::Progress(progress)),
        });
        (Self { lines, cancelled: sink.flag() }, sender, sink)
    }
}

impl Lines {
    /// Waits until the line is taken; false: nobody reads any more. Not from an async task.
    pub(super) fn put(&self, line: &Line) -> bool {
        self.0.blocking_send(bytes(line)).is_ok()
    }

    fn offer(&self, line: &Line) -> bool {
        !matches!(self.0.try_send(bytes(line)), Err(mpsc::error::TrySendError::Closed(_)))
    }
}

/// Whether it is time for another count; `last` is when there was one.
fn is_due(last: &AtomicU64) -> bool {
    let now = netloom_sys::clock::now();
    let due = now.saturating_sub(last.load(Ordering::Relaxed)) >= COUNTS;
    if due {
        last.store(now, Ordering::Relaxed);
    }
    due
}

fn bytes(line: &Line) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

impl Body for Answer {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.lines.poll_recv(cx).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

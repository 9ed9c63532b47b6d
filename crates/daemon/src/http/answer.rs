//! An answer of lines, written while the command still works.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use netloom_api::{Line, Progress};
use tokio::sync::mpsc;

use crate::Sink;

/// Lines that may wait for a slow reader.
const WAITING: usize = 1024;

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
        let sink = Sink::new(move |progress| match progress {
            // Counts overtake each other: one less is no loss.
            Progress::Item { .. } => inner.offer(&Line::Progress(progress)),
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

//! `<bridge>.snoop`: who comes there is shown what passes between the bridge and its most important controller.
//!
//! ```text
//! controller ── Tap ── transport::pump
//!                │ whole messages, of either direction
//!                └──► Snoops ──► everybody who looks on
//! ```
//!
//! A controller in the role of primary is more important than one that may do all, that more than a secondary one. After
//! the hellos the messages come as they are, in whatever version was agreed with the controller. Who is too slow misses
//! some; nothing that he sends but echoes is answered.
//!
//! Source: `ofconn_add_snooper` and `rconn_add_monitor` of OVS.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use netloom_openflow::Versions;
use netloom_openflow::frame::Frames;
use netloom_openflow::msg::Role;
use netloom_openflow::session::{Event, Session, Settings};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};

use super::Hub;
use super::standing::Key;
use crate::slowpath;

/// Messages that wait to be shown.
const WAITING: usize = 1_024;
/// How long somebody may take nothing of what he is shown.
const STALL: Duration = Duration::from_secs(60);

/// Everybody who looks on, by controller.
type Onlookers = BTreeMap<Key, Vec<Sender<Arc<[u8]>>>>;

/// Who looks on at which controller.
#[derive(Debug, Default)]
pub(super) struct Snoops {
    by_controller: Mutex<Onlookers>,
    /// How many look on in all.
    count: AtomicUsize,
}

impl Snoops {
    /// From now on, what passes to and from a controller.
    fn look_on(&self, key: Key) -> Receiver<Arc<[u8]>> {
        let (sender, receiver) = channel(WAITING);
        self.lock().entry(key).or_default().push(sender);
        self.count.fetch_add(1, Ordering::Relaxed);
        receiver
    }

    /// Shows a message to everybody who looks on. Those who have left are forgotten.
    fn show(&self, key: &Key, frame: &[u8]) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut all = self.lock();
        let Some(senders) = all.get_mut(key) else { return };
        let frame: Arc<[u8]> = frame.into();
        let before = senders.len();
        senders.retain(|sender| {
            // No room: he misses this one.
            let _ = sender.try_send(Arc::clone(&frame));
            !sender.is_closed()
        });
        self.count.fetch_sub(before - senders.len(), Ordering::Relaxed);
        if senders.is_empty() {
            all.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Onlookers> {
        self.by_controller.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How important a controller is, the higher the more.
pub(super) const fn importance(role: Option<Role>) -> u8 {
    match role {
        Some(Role::Primary) => 3,
        Some(Role::Equal | Role::NoChange) => 2,
        Some(Role::Secondary) => 1,
        None => 0,
    }
}

/// Serves somebody who wants to look on, to his end. Without a controller there is nothing to see.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, bridge: &str, hub: &Hub) {
    let Some(key) = hub.most_important(bridge) else { return };
    let mut messages = hub.snoops().look_on(key);
    let mut session = Session::new(Settings::switch(Versions::ALL), slowpath::now());
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut bytes = vec![0; 4_096];
    let mut is_up = false;
    loop {
        let output = session.take_output();
        if !write(&mut writer, &output).await {
            return;
        }
        while let Some(event) = session.poll_event() {
            match event {
                Event::Up(_) => is_up = true,
                Event::Closed(_) => return,
                _ => {}
            }
        }
        let pause = Duration::from_nanos(session.deadline().since(slowpath::now()).0).min(STALL);
        tokio::select! {
            read = reader.read(&mut bytes) => match read {
                Ok(count) if count > 0 => {
                    session.handle_bytes(slowpath::now(), bytes.get(..count).unwrap_or_default());
                }
                _ => return,
            },
            frame = messages.recv(), if is_up => match frame {
                Some(frame) if write(&mut writer, &frame).await => {}
                _ => return,
            },
            () = sleep(pause) => session.handle_deadline(slowpath::now()),
        }
    }
}

async fn write<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> bool {
    matches!(timeout(STALL, writer.write_all(bytes)).await, Ok(Ok(())))
}

/// A stream to a controller that shows what passes.
pub(super) struct Tap<S> {
    stream: S,
    key: Key,
    hub: Arc<Hub>,
    read: Cut,
    written: Cut,
}

impl<S> Tap<S> {
    pub(super) fn new(stream: S, key: Key, hub: Arc<Hub>) -> Self {
        Self { stream, key, hub, read: Cut::default(), written: Cut::default() }
    }
}

/// Bytes on their way, cut into messages.
#[derive(Default)]
struct Cut {
    frames: Frames,
    /// The stream is no OpenFlow any more; nothing is kept of it.
    is_broken: bool,
}

impl Cut {
    fn push(&mut self, bytes: &[u8], mut show: impl FnMut(&[u8])) {
        if self.is_broken {
            return;
        }
        self.frames.push(bytes);
        loop {
            match self.frames.next_frame() {
                Ok(Some(frame)) => show(frame),
                Ok(None) => return,
                Err(_) => {
                    *self = Self { frames: Frames::default(), is_broken: true };
                    return;
                }
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Tap<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, into))?;
        let bytes = into.filled().get(before..).unwrap_or_default();
        this.read.push(bytes, |frame| this.hub.snoops().show(&this.key, frame));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Tap<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let count = ready!(Pin::new(&mut this.stream).poll_write(cx, bytes))?;
        let bytes = bytes.get(..count).unwrap_or_default();
        this.written.push(bytes, |frame| this.hub.snoops().show(&this.key, frame));
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key { bridge: "s1".to_owned(), name: name.to_owned(), target: "tcp:127.0.0.1".to_owned() }
    }

    #[test]
    fn everybody_who_looks_on_is_shown_his_controller_and_who_left_is_forgotten() {
        let snoops = Snoops::default();
        let (mut one, mut two) = (snoops.look_on(key("c1")), snoops.look_on(key("c1")));
        let mut other = snoops.look_on(key("c2"));
        snoops.show(&key("c1"), &[1]);
        assert_eq!((&*one.try_recv().unwrap(), &*two.try_recv().unwrap()), (&[1][..], &[1][..]));
        assert!(other.try_recv().is_err());
        drop(one);
        snoops.show(&key("c1"), &[2]);
        assert_eq!((snoops.count.load(Ordering::Relaxed), &*two.try_recv().unwrap()), (2, &[2][..]));
    }

    #[test]
    fn who_does_not_read_misses_messages_and_costs_no_more() {
        let snoops = Snoops::default();
        let mut slow = snoops.look_on(key("c1"));
        (0..WAITING + 10).for_each(|_| snoops.show(&key("c1"), &[7]));
        let seen = std::iter::from_fn(|| slow.try_recv().ok()).count();
        assert_eq!(seen, WAITING);
    }

    #[test]
    fn bytes_are_cut_into_messages_until_they_are_none() {
        let hello = [6, 0, 0, 8, 0, 0, 0, 1];
        let mut seen = Vec::new();
        let mut cut = Cut::default();
        for bytes in [&hello[..3], &hello[3..], &hello, &[6, 0, 0, 3, 0, 0, 0, 1], &hello] {
            cut.push(bytes, |frame| seen.push(frame.to_vec()));
        }
        assert_eq!(seen, [hello.to_vec(), hello.to_vec()]);
        assert!(cut.is_broken && cut.frames.pending() == 0);
    }
}

//! One connection from its first byte to its end.
//!
//! ```text
//! stream ──read──► session ──event──► peer
//!    ▲                │ output          │ answers
//!    └─────write──────┴─────────────────┘ ◄── inbox: what is told unasked
//! ```
//!
//! Of many flow mods in a row, the next are read in [another thread](Reader) while these are carried out.
//!
//! While something is written, only a little is read, and no event is handled while much is to be written: who does not
//! read his answers is asked no more, and after a while he is left. A little, because a peer may write without reading
//! meanwhile, as we do: then neither would ever go on.

use std::io;
use std::time::Duration;

use netloom_flow::Nanos;
use netloom_openflow::session::{CloseReason, Event, Session};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::Inbox;
use crate::reader::{Reader, Rows};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// Bytes of what is told unasked that go out in one write. No more, because nothing is read while they are written.
const GATHERED: usize = 16 << 10;
/// The longest sleep; then it is looked again.
const LONGEST: Nanos = Nanos::from_secs(3_600);

/// What a connection may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// With so many bytes to be written, no further message is handled. One answer may be longer.
    pub output_bytes: usize,
    /// How long a peer may take nothing of what is to be written.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { output_bytes: 256 << 10, stall: Duration::from_secs(60) }
    }
}

/// Who handles what a session says.
pub trait Peer {
    /// Handles an event, and puts the answers into the session. [`Event::Closed`] is not among them.
    fn handle(&mut self, session: &mut Session, event: Event);

    /// Puts what waits to be told into the session, a little of it, and says whether to be called again when that was
    /// taken. Called after [`Inbox::nudge`].
    fn tell(&mut self, _session: &mut Session) -> bool {
        false
    }

    /// No more events have come as yet, or answers are to be written first: what was put off is done now.
    fn rest(&mut self) {}

    /// Who reads what comes in long rows; nobody: it is read here.
    fn reader(&self) -> Option<Reader> {
        None
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// The session ended it.
    #[error("The session ended: {0}")]
    Session(CloseReason),
    /// The peer closed it.
    #[error("The peer has left")]
    Left,
    /// The peer does not read.
    #[error("The peer does not read what it is sent")]
    Stalled,
    /// The stream failed.
    #[error("The stream failed")]
    Stream(#[source] io::Error),
}

/// Carries a session over a stream to its end. A [closed](Inbox::close) `inbox` ends it, too.
pub async fn pump<S: AsyncRead + AsyncWrite + Unpin, P: Peer>(
    stream: S,
    mut session: Session,
    peer: &mut P,
    inbox: &Inbox,
    limits: Limits,
    clock: fn() -> Nanos,
) -> End {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut bytes = vec![0; CHUNK];
    let mut has_more = false;
    let mut rows = Rows::new(peer.reader());
    loop {
        has_more |= inbox.take_nudge();
        if has_more && session.output_len() < GATHERED {
            // Before anything is answered that may rest on it.
            has_more = peer.tell(&mut session);
        }
        if !rows.take_back(&mut session).await {
            return End::Stream(io::ErrorKind::BrokenPipe.into());
        }
        if rows.are_short(&session)
            && let Some(count) = come(&mut reader, &mut bytes).await
        {
            rows.came(count == CHUNK);
            session.handle_bytes(clock(), bytes.get(..count).unwrap_or_default());
        }
        rows.lend(&mut session);
        let handled = handle(&mut session, peer, limits.output_bytes);
        peer.rest();
        let output = session.take_output();
        let mut rest = output.as_slice();
        let mut room = limits.output_bytes;
        while !rest.is_empty() {
            tokio::select! {
                written = timeout(limits.stall, writer.write(rest)) => match written {
                    Err(_) => return End::Stalled,
                    Ok(Err(error)) => return End::Stream(error),
                    Ok(Ok(0)) => return End::Left,
                    Ok(Ok(count)) => rest = rest.get(count..).unwrap_or_default(),
                },
                read = reader.read(&mut bytes), if room > 0 => match read {
                    Ok(count) if count > 0 => {
                        session.handle_bytes(clock(), bytes.get(..count).unwrap_or_default());
                        room = room.saturating_sub(count);
                    }
                    // That the peer has left shows when all is written.
                    _ => room = 0,
                },
            }
        }
        session.reuse_output(output);
        match handled {
            Handled::Closed(reason) => return End::Session(reason),
            Handled::Some => continue,
            // What was read meanwhile is handled before anything is waited for.
            Handled::All if room < limits.output_bytes => continue,
            Handled::All if has_more || session.is_waiting() => continue,
            Handled::All => {}
        }
        let pause = Duration::from_nanos(session.deadline().since(clock()).0.min(LONGEST.0));
        tokio::select! {
            read = reader.read(&mut bytes) => match read {
                Ok(0) => return End::Left,
                Ok(count) => {
                    rows.came(count == CHUNK);
                    session.handle_bytes(clock(), bytes.get(..count).unwrap_or_default());
                }
                Err(error) => return End::Stream(error),
            },
            () = inbox.news() => {
                // What has gathered meanwhile goes out in one write.
                while session.output_len() < limits.output_bytes.min(GATHERED)
                    && let Some(told) = inbox.take()
                {
                    // What the agreed version cannot say is not said.
                    let _ = session.send(&told);
                }
                if inbox.is_closed() {
                    session.close();
                }
            }
            () = sleep(pause) => session.handle_deadline(clock()),
        }
    }
}

/// Reads what has come already. That the peer has left, or the stream failed, shows when all is handled.
async fn come(reader: &mut (impl AsyncRead + Unpin), bytes: &mut [u8]) -> Option<usize> {
    tokio::select! {
        biased;
        read = reader.read(bytes) => read.ok().filter(|count| *count > 0),
        () = std::future::ready(()) => None,
    }
}

/// How many events were handled.
enum Handled {
    All,
    Some,
    Closed(CloseReason),
}

fn handle(session: &mut Session, peer: &mut impl Peer, limit: usize) -> Handled {
    while session.output_len() < limit {
        match session.poll_event() {
            Some(Event::Closed(reason)) => return Handled::Closed(reason),
            Some(event) => peer.handle(session, event),
            None => return Handled::All,
        }
    }
    Handled::Some
}

#[cfg(test)]
mod tests {
    use netloom_openflow::msg::FlowMod;
    use netloom_openflow::session::Settings;
    use netloom_openflow::{Message, Versions};
    use tokio::io::duplex;

    use super::*;
    use crate::Room;

    /// Answers every barrier.
    #[derive(Default)]
    struct Answers(usize);

    impl Peer for Answers {
        fn handle(&mut self, session: &mut Session, event: Event) {
            if let Event::Message(request, Message::BarrierRequest) = event {
                self.0 += 1;
                session.reply(&request, &Message::BarrierReply).unwrap();
            }
        }
    }

    fn now() -> Nanos {
        Nanos::from_secs(1)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    fn limits() -> Limits {
        Limits { output_bytes: 64, stall: Duration::from_millis(20) }
    }

    fn an_inbox() -> Inbox {
        Inbox::new(Room { messages: 4, bytes: 1 << 16 })
    }

    fn switch() -> Session {
        Session::new(Settings::switch(Versions::ALL), now())
    }

    /// A controller's hello and so many barriers.
    fn asked(barriers: usize) -> (Session, Vec<u8>) {
        let mut controller = Session::new(Settings::controller(Versions::ALL), now());
        let mut bytes = controller.take_output();
        controller.handle_bytes(now(), &switch().take_output());
        for _ in 0..barriers {
            controller.request(&Message::BarrierRequest).unwrap();
        }
        bytes.extend(controller.take_output());
        (controller, bytes)
    }

    #[test]
    fn what_is_asked_is_answered_and_what_is_told_is_sent() {
        run(async {
            let (ours, mut theirs) = duplex(1 << 16);
            let inbox = an_inbox();
            let (mut controller, bytes) = asked(100);
            theirs.write_all(&bytes).await.unwrap();
            let mut peer = Answers::default();
            let talk = async {
                let mut read = vec![0; 1 << 12];
                let (mut replies, mut told) = (0, 0);
                while replies < 100 || told < 1 {
                    let count = theirs.read(&mut read).await.unwrap();
                    controller.handle_bytes(now(), &read[..count]);
                    while let Some(event) = controller.poll_event() {
                        match event {
                            Event::Message(_, Message::BarrierReply) => replies += 1,
                            Event::Message(_, _) => told += 1,
                            _ => {}
                        }
                    }
                    if replies == 100 && told == 0 {
                        assert!(inbox.put(Message::BarrierRequest));
                    }
                }
                drop(theirs);
            };
            let (end, ()) = tokio::join!(pump(ours, switch(), &mut peer, &inbox, limits(), now), talk);
            assert!(matches!(end, End::Left), "{end}");
            assert_eq!(peer.0, 100);
        });
    }

    /// Notes the cookies of flow mods, with a reader or without.
    #[derive(Default)]
    struct Notes {
        cookies: Vec<u64>,
        reader: Option<Reader>,
    }

    impl Peer for Notes {
        fn handle(&mut self, session: &mut Session, event: Event) {
            match event {
                Event::Message(_, Message::FlowMod(flow)) => self.cookies.extend(flow.new_cookie),
                Event::Message(request, Message::BarrierRequest) => {
                    session.reply(&request, &Message::BarrierReply).unwrap();
                }
                _ => {}
            }
        }

        fn reader(&self) -> Option<Reader> {
            self.reader.clone()
        }
    }

    #[test]
    fn long_rows_are_read_elsewhere_and_handled_in_order() {
        const FLOWS: u64 = 20_000;
        for reader in [None, Some(Reader::default())] {
            run(async {
                let (ours, mut theirs) = duplex(1 << 17);
                let (mut controller, mut bytes) = asked(0);
                for cookie in 0..FLOWS {
                    let flow = FlowMod { new_cookie: Some(cookie), ..FlowMod::default() };
                    controller.request(&Message::FlowMod(Box::new(flow))).unwrap();
                    if cookie % 5_000 == 4_999 {
                        controller.request(&Message::BarrierRequest).unwrap();
                    }
                }
                bytes.extend(controller.take_output());
                let mut peer = Notes { reader, ..Notes::default() };
                let talk = async {
                    theirs.write_all(&bytes).await.unwrap();
                    let (mut read, mut replies) = (vec![0; 1 << 12], 0);
                    while replies < 4 {
                        let count = theirs.read(&mut read).await.unwrap();
                        controller.handle_bytes(now(), &read[..count]);
                        while let Some(event) = controller.poll_event() {
                            replies += usize::from(matches!(event, Event::Message(_, Message::BarrierReply)));
                        }
                    }
                    drop(theirs);
                };
                let (inbox, limits) = (an_inbox(), Limits::default());
                let (end, ()) = tokio::join!(pump(ours, switch(), &mut peer, &inbox, limits, now), talk);
                assert!(matches!(end, End::Left), "{end}");
                assert!(peer.cookies.iter().copied().eq(0..FLOWS), "{}", peer.cookies.len());
            });
        }
    }

    #[test]
    fn what_was_sent_before_the_peer_left_is_handled() {
        run(async {
            let (ours, mut theirs) = duplex(1 << 22);
            let (mut controller, mut bytes) = asked(0);
            for cookie in 0..20_000 {
                let flow = FlowMod { new_cookie: Some(cookie), ..FlowMod::default() };
                controller.request(&Message::FlowMod(Box::new(flow))).unwrap();
            }
            bytes.extend(controller.take_output());
            theirs.write_all(&bytes).await.unwrap();
            theirs.shutdown().await.unwrap();
            let mut peer = Notes { reader: Some(Reader::default()), ..Notes::default() };
            let end = pump(ours, switch(), &mut peer, &an_inbox(), Limits::default(), now).await;
            assert!(matches!(end, End::Left), "{end}");
            assert_eq!(peer.cookies.len(), 20_000);
        });
    }

    #[test]
    fn who_does_not_read_is_asked_no_more_and_left() {
        run(async {
            let (ours, mut theirs) = duplex(256);
            let inbox = an_inbox();
            let (_, bytes) = asked(1_000);
            let mut peer = Answers::default();
            let write = async { theirs.write_all(&bytes).await };
            let (end, written) = tokio::join!(pump(ours, switch(), &mut peer, &inbox, limits(), now), write);
            assert!(matches!(end, End::Stalled), "{end}");
            assert!(written.is_err() && peer.0 < 100, "{}", peer.0);
        });
    }

    #[test]
    fn what_is_read_while_something_is_written_is_handled_at_once() {
        run(async {
            // Less room than a greeting needs, so that the peer's is read while ours is written.
            let (ours, mut theirs) = duplex(4);
            let inbox = an_inbox();
            let mut peer = Answers::default();
            let talk = async {
                theirs.write_all(&[4, 14, 0, 8, 0, 0, 0, 1]).await.unwrap();
                let mut said = Vec::new();
                theirs.read_to_end(&mut said).await.unwrap();
            };
            let served = timeout(Duration::from_secs(5), async {
                tokio::join!(pump(ours, switch(), &mut peer, &inbox, limits(), now), talk).0
            });
            let end = served.await.unwrap();
            assert!(matches!(end, End::Session(CloseReason::NoHello(14))), "{end}");
        });
    }

    #[test]
    fn garbage_ends_the_connection_and_so_does_a_closed_inbox() {
        run(async {
            let (ours, mut theirs) = duplex(1 << 12);
            let inbox = an_inbox();
            theirs.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            let mut peer = Answers::default();
            // The first bytes are the head of a message of 8,239 bytes; they end here.
            theirs.write_all(&[0; 1 << 10]).await.unwrap();
            drop(theirs);
            let end = pump(ours, switch(), &mut peer, &inbox, limits(), now).await;
            assert!(matches!(end, End::Left | End::Session(_) | End::Stream(_)), "{end}");
            let (ours, _theirs) = duplex(1 << 12);
            inbox.close();
            let end = pump(ours, switch(), &mut peer, &inbox, limits(), now).await;
            assert!(matches!(end, End::Session(CloseReason::Local)), "{end}");
            let (ours, mut theirs) = duplex(1 << 12);
            let inbox = an_inbox();
            theirs.write_all(&[4, 14, 0, 8, 0, 0, 0, 1]).await.unwrap();
            let end = pump(ours, switch(), &mut peer, &inbox, limits(), now).await;
            assert!(matches!(end, End::Session(CloseReason::NoHello(14))), "{end}");
        });
    }
}

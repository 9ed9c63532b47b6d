//! A client's connection: bytes between its stream and its session.
//!
//! The session tells when it wants more and what is to be sent; so a client that does not read is not read either, and
//! costs what its settings allow.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use netloom_ovsdb::server::CloseReason;
use netloom_ovsdb::{SessionId, SessionSettings};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::core::{Core, Shared, now};

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("{0}")]
    Session(CloseReason),
    #[error("The peer has left")]
    Left,
    #[error("The stream failed: {0}")]
    Stream(#[from] io::Error),
}

/// A session that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Joined {
    core: Shared,
    id: SessionId,
}

impl Joined {
    pub(super) fn new(core: &Shared, settings: SessionSettings) -> Self {
        Self { id: core.lock().connect(settings), core: core.clone() }
    }

    pub(super) const fn id(&self) -> SessionId {
        self.id
    }

    /// Carries it over a stream to its end.
    pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> End {
        let mut unflushed = false;
        std::future::poll_fn(|cx| {
            let mut core = self.core.lock();
            let end = turn(&mut core, self.id, &mut stream, &mut unflushed, cx);
            if end.is_pending() {
                core.sleep(self.id, cx.waker());
            }
            end
        })
        .await
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.core.lock().disconnect(self.id);
    }
}

/// Writes and reads until neither goes on.
fn turn<S: AsyncRead + AsyncWrite + Unpin>(
    core: &mut Core,
    id: SessionId,
    stream: &mut S,
    unflushed: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<End> {
    loop {
        if !core.is_sound() {
            return Poll::Pending;
        }
        if let Poll::Ready(Err(end)) = write(core, id, stream, unflushed, cx) {
            return Poll::Ready(end);
        }
        if let Some(reason) = core.server.closed(id) {
            return Poll::Ready(End::Session(reason.clone()));
        }
        if !core.server.wants_input(id) {
            return Poll::Pending;
        }
        if let Err(end) = ready!(read(core, id, stream, cx)) {
            return Poll::Ready(end);
        }
    }
}

/// Sends all that is to be sent.
fn write<S: AsyncWrite + Unpin>(
    core: &mut Core,
    id: SessionId,
    stream: &mut S,
    unflushed: &mut bool,
    cx: &mut Context<'_>,
) -> Poll<Result<(), End>> {
    while core.is_sound() && !core.server.output(id).is_empty() {
        let sent = ready!(Pin::new(&mut *stream).poll_write(cx, core.server.output(id)))?;
        if sent == 0 {
            return Poll::Ready(Err(End::Left));
        }
        *unflushed = true;
        core.server.sent(now(), id, sent);
        core.settle(Some(id));
    }
    if *unflushed {
        ready!(Pin::new(stream).poll_flush(cx))?;
        *unflushed = false;
    }
    Poll::Ready(Ok(()))
}

/// Takes what the client sent.
fn read<S: AsyncRead + Unpin>(
    core: &mut Core,
    id: SessionId,
    stream: &mut S,
    cx: &mut Context<'_>,
) -> Poll<Result<(), End>> {
    let mut scratch = std::mem::take(&mut core.scratch);
    let mut buffer = ReadBuf::new(&mut scratch);
    let read = Pin::new(stream).poll_read(cx, &mut buffer);
    let outcome = match read {
        Poll::Pending => Poll::Pending,
        Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
        Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Err(End::Left)),
        Poll::Ready(Ok(())) => {
            core.hear();
            core.server.handle_bytes(now(), id, buffer.filled());
            core.settle(Some(id));
            Poll::Ready(Ok(()))
        }
    };
    core.scratch = scratch;
    outcome
}

#[cfg(test)]
mod tests {
    use netloom_ovsdb::{Database, Schema, UuidSource};
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::super::core::{keep_time, take_turns};
    use super::*;

    const SCHEMA: &str =
        r#"{"name":"db","version":"1.0.0","tables":{"T":{"columns":{"n":{"type":"integer"}}}}}"#;

    async fn until(stream: &mut DuplexStream, what: &str) -> String {
        let mut said = String::new();
        let mut bytes = [0; 4096];
        while !said.contains(what) {
            let length = stream.read(&mut bytes).await.unwrap();
            assert!(length > 0, "{said}");
            said.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
        }
        said
    }

    #[test]
    fn everybody_is_told_and_it_is_in_the_file_before() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("db");
        let database = Database::new(Schema::parse(SCHEMA).unwrap());
        std::fs::write(&file, netloom_ovsdb::file::snapshot(&database, None, 0)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let core = Shared::new(UuidSource::new([1, 2]));
            core.lock().add(&file).unwrap();
            tokio::spawn(take_turns(core.clone()));
            tokio::spawn(keep_time(core.clone()));
            // More than wake in one turn.
            let mut clients = Vec::new();
            for _ in 0..30 {
                let (ours, mut theirs) = duplex(1 << 16);
                let joined = Joined::new(&core, SessionSettings::default());
                tokio::spawn(async move { joined.serve(ours).await });
                theirs.write_all(br#"{"id":1,"method":"monitor","params":["db",null,{"T":{}}]}"#).await.unwrap();
                until(&mut theirs, r#""id":1"#).await;
                clients.push(theirs);
            }
            let insert = br#"{"id":2,"method":"transact","params":["db",{"op":"insert","table":"T","row":{"n":4711}}]}"#;
            let mut first = clients.remove(0);
            first.write_all(insert).await.unwrap();
            let said = until(&mut first, r#""id":2"#).await;
            assert!(said.find("update").unwrap() < said.find(r#""id":2"#).unwrap(), "{said}");
            assert!(std::fs::read_to_string(&file).unwrap().contains("4711"));
            for client in &mut clients {
                until(client, "4711").await;
            }
            first.write_all(b"nonsense").await.unwrap();
            let mut rest = Vec::new();
            first.read_to_end(&mut rest).await.unwrap();
            drop(clients);
            while core.lock().server.usage().sessions > 0 {
                tokio::task::yield_now().await;
            }
        });
    }
}

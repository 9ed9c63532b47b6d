//! The socket of a daemon's commands.

use std::sync::Arc;
use std::time::Duration;

use netloom_ovsdb::unixctl::Session;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use super::Commands;

/// Most connections at once.
const MOST: usize = 64;

/// Answers who comes, until it is dropped with all its connections.
pub async fn serve(listener: UnixListener, commands: Arc<Commands>) {
    let mut callers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if callers.len() < MOST => {
                    drop(callers.spawn(answer(stream, Arc::clone(&commands))));
                }
                Ok(_) => tracing::warn!("a control connection too many"),
                Err(error) => {
                    // Out of descriptors: the listener stays readable, so wait before the next try.
                    tracing::error!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = callers.join_next() => {}
        }
    }
}

async fn answer(mut stream: UnixStream, commands: Arc<Commands>) {
    let mut session = Session::default();
    let mut bytes = [0; 4096];
    loop {
        let request = match session.next_request() {
            Ok(request) => request,
            Err(error) => return tracing::warn!(%error, "a control connection"),
        };
        if let Some(request) = &request {
            tracing::debug!(command = request.command, "control");
            session.reply(request, &commands.run(&request.command, &request.words));
        }
        if stream.write_all(&session.take_output()).await.is_err() {
            return;
        }
        if request.is_some() {
            continue;
        }
        match stream.read(&mut bytes).await {
            Ok(count) if count > 0 => session.receive(bytes.get(..count).unwrap_or_default()),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_is_answered_and_who_talks_nonsense_is_left() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut commands = Commands::new("ovs-thing 1.2");
            commands.add("say", "WORD", 1..=1, |words| Ok(words.concat()));
            let place = tempfile::tempdir().unwrap();
            let path = place.path().join("ctl");
            let door = tokio::spawn(serve(UnixListener::bind(&path).unwrap(), Arc::new(commands)));
            let mut client = UnixStream::connect(&path).await.unwrap();
            let mut bytes = [0; 256];
            for _ in 0..2 {
                client.write_all(br#"{"id":0,"method":"say","params":["hello"]}"#).await.unwrap();
                let count = client.read(&mut bytes).await.unwrap();
                assert_eq!(&bytes[..count], br#"{"id":0,"result":"hello\n","error":null}"#);
            }
            client.write_all(b"nonsense").await.unwrap();
            assert_eq!(client.read(&mut bytes).await.unwrap(), 0);
            door.abort();
        });
    }
}

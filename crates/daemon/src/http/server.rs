//! Accepts connections until the lab is down.

use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use netloom_api::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::dispatch::Dispatch;
use super::peer::may_ask;
use super::route::{Shared, route};
use crate::{Engine, Home, Sink};

/// A lab's server.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub listener: UnixListener,
    /// The lab's directory; removed after `down`.
    pub home: Home,
    /// Whether users of a group may ask, as far as the socket's mode lets them.
    pub group: bool,
}

/// Why a server could not serve.
#[derive(Debug, thiserror::Error)]
#[error("Cannot serve the lab's socket")]
pub struct ServerError(#[from] io::Error);

impl Server {
    /// Serves until `down` succeeded, or until SIGTERM or SIGINT, which bring the lab down.
    ///
    /// `ready` is called when the first request can be answered.
    ///
    /// # Errors
    /// If there can be no event loop.
    pub fn serve(self, engine: Arc<dyn Engine>, ready: impl FnOnce()) -> Result<(), ServerError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .thread_name("command")
            .build()?;
        runtime.block_on(self.run(engine, ready))?;
        // Answers are out; a command that still works has nobody left to tell.
        runtime.shutdown_timeout(Duration::from_millis(100));
        Ok(())
    }

    async fn run(self, engine: Arc<dyn Engine>, ready: impl FnOnce()) -> Result<(), ServerError> {
        self.listener.set_nonblocking(true)?;
        let listener = tokio::net::UnixListener::from_std(self.listener)?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shared =
            Arc::new(Shared { dispatch: Dispatch::new(engine), home: self.home, ended: Notify::new() });
        ready();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) if may_ask(&stream, self.group) => connection(stream, shared.clone()),
                    Ok(_) => tracing::warn!("refused a user who may not ask"),
                    Err(error) => {
                        // Out of descriptors: the listener stays readable, so wait before the next try.
                        tracing::error!(%error, "accept");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                () = shared.ended.notified() => break,
                _ = terminate.recv() => bring_down(shared.clone()),
                _ = interrupt.recv() => bring_down(shared.clone()),
            }
        }
        // The answer to `down` is on its way: let its connection write it.
        for _ in 0..100 {
            if Arc::strong_count(&shared) == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

fn connection(stream: tokio::net::UnixStream, shared: Arc<Shared>) {
    tokio::spawn(async move {
        let service = service_fn(move |request| {
            let shared = shared.clone();
            async move { Ok::<_, std::convert::Infallible>(route(shared, request).await) }
        });
        let served =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        if let Err(error) = served {
            tracing::debug!(%error, "connection");
        }
    });
}

fn bring_down(shared: Arc<Shared>) {
    tokio::task::spawn_blocking(move || {
        tracing::info!("asked by a signal to end");
        match shared.dispatch.command(Command::Down { volumes: false }, &Sink::ignore()) {
            Ok(_) => {
                let left = shared.home.remove();
                if !left.is_empty() {
                    tracing::warn!(?left, "left behind");
                }
                shared.ended.notify_one();
            }
            Err(error) => tracing::error!(%error, "down"),
        }
    });
}

//! Which path leads where.

use std::os::unix::net::UnixStream;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONNECTION, CONTENT_TYPE, UPGRADE};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use netloom_api::stream::Frame;
use netloom_api::{ApiError, Command, ErrorKind, Line, STREAM_PROTOCOL};
use tokio::sync::Notify;

use super::answer::{Answer, Lines};
use super::dispatch::Dispatch;
use crate::{Conn, Home, Sink};

pub(super) type Reply = Response<Either<Full<Bytes>, Answer>>;

/// Longest request in bytes: a lab file of a great topology is some hundred kilobytes.
const LONGEST: usize = 16 << 20;

/// What every connection shares.
pub(super) struct Shared {
    pub(super) dispatch: Dispatch,
    pub(super) home: Home,
    /// Told after a successful `down`.
    pub(super) ended: Notify,
}

/// Answers one request.
pub(super) async fn route(shared: Arc<Shared>, request: Request<Incoming>) -> Reply {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/v1/command") => match body(request).await {
            Ok(command) => answer(shared, command),
            Err(error) => refuse(StatusCode::BAD_REQUEST, error),
        },
        (&Method::POST, "/v1/stream") => upgrade(shared, request).await,
        (_, "/v1/command" | "/v1/stream") => {
            let mut reply =
                refuse(StatusCode::METHOD_NOT_ALLOWED, ApiError::new(ErrorKind::Usage, "Use POST."));
            reply.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("POST"));
            reply
        }
        (_, path) => refuse(
            StatusCode::NOT_FOUND,
            ApiError::new(ErrorKind::NotFound, format!("There is nothing at {path}."))
                .hint("POST /v1/command or /v1/stream"),
        ),
    }
}

async fn body(request: Request<Incoming>) -> Result<Command, ApiError> {
    let bytes = Limited::new(request.into_body(), LONGEST)
        .collect()
        .await
        .map_err(|error| ApiError::new(ErrorKind::Usage, format!("The request could not be read: {error}.")))?
        .to_bytes();
    serde_json::from_slice(&bytes)
        .map_err(|error| ApiError::new(ErrorKind::Usage, format!("The command is not understood: {error}.")))
}

fn answer(shared: Arc<Shared>, command: Command) -> Reply {
    let (answer, lines, sink) = Answer::new();
    tokio::task::spawn_blocking(move || work(&shared, command, &lines, &sink));
    let mut reply = Response::new(Either::Right(answer));
    reply.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/x-ndjson"));
    reply
}

/// On a thread that may block.
fn work(shared: &Shared, command: Command, lines: &Lines, sink: &Sink) {
    let down = matches!(command, Command::Down { .. });
    let outcome = shared.dispatch.command(command, sink);
    let ended = down && outcome.is_ok();
    let line = match outcome {
        Ok(mut reply) => {
            if let (true, netloom_api::Reply::Down(report)) = (ended, &mut reply) {
                // Before the answer: who has it may use the name again.
                report.left.extend(shared.home.remove());
            }
            Line::Reply(Box::new(reply))
        }
        Err(error) => Line::Error(Box::new(error)),
    };
    lines.put(&line);
    if ended {
        shared.ended.notify_one();
    }
}

async fn upgrade(shared: Arc<Shared>, mut request: Request<Incoming>) -> Reply {
    let wanted =
        request.headers().get(UPGRADE).is_some_and(|value| value.as_bytes() == STREAM_PROTOCOL.as_bytes());
    if !wanted {
        let error = ApiError::new(ErrorKind::Usage, format!("Ask with `Upgrade: {STREAM_PROTOCOL}`."));
        return refuse(StatusCode::UPGRADE_REQUIRED, error);
    }
    let upgraded = hyper::upgrade::on(&mut request);
    let command = match body(request).await {
        Ok(command) => command,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, error),
    };
    tokio::spawn(async move {
        let Ok(upgraded) = upgraded.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<tokio::net::UnixStream>>() else { return };
        let Ok(socket) = parts.io.into_inner().into_std() else { return };
        let name = format!("stream {}", command.word());
        let thread = std::thread::Builder::new().name(name);
        // A stream lives long: a thread of its own, not one of the pool.
        if let Err(error) = thread.spawn(move || stream(&shared, command, socket, &parts.read_buf)) {
            tracing::error!(%error, "no thread for a stream");
        }
    });
    let mut reply = Response::new(Either::Left(Full::default()));
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = reply.headers_mut();
    headers.insert(UPGRADE, hyper::header::HeaderValue::from_static(STREAM_PROTOCOL));
    headers.insert(CONNECTION, hyper::header::HeaderValue::from_static("upgrade"));
    reply
}

fn stream(shared: &Shared, command: Command, socket: UnixStream, read: &[u8]) {
    let mut conn = match Conn::new(socket, read) {
        Ok(conn) => conn,
        Err(error) => return tracing::error!(%error, "stream"),
    };
    if let Err(error) = shared.dispatch.stream(command, &mut conn) {
        // Nobody there to hear it is no fault.
        let _ = conn.send(&Frame::Error(Box::new(error)));
    }
}

fn refuse(status: StatusCode, error: ApiError) -> Reply {
    let mut text = serde_json::to_vec(&Line::Error(Box::new(error))).unwrap_or_default();
    text.push(b'\n');
    let mut reply = Response::new(Either::Left(Full::new(text.into())));
    *reply.status_mut() = status;
    reply
}

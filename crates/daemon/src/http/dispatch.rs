//! From a command to the engine, one exclusive command at a time.

use std::sync::{Arc, Mutex, PoisonError};

use netloom_api::{ApiError, Command, ErrorKind, Reply};

use crate::{Conn, Engine, Sink};

/// The engine and what it is busy with.
#[derive(Clone)]
pub(super) struct Dispatch {
    engine: Arc<dyn Engine>,
    busy: Arc<Mutex<Option<&'static str>>>,
}

/// Held while an exclusive command works.
struct Turn<'a>(&'a Mutex<Option<&'static str>>);

impl Dispatch {
    pub(super) fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, busy: Arc::default() }
    }

    pub(super) fn command(&self, command: Command, sink: &Sink) -> Result<Reply, ApiError> {
        if command.is_stream() {
            return Err(ApiError::new(
                ErrorKind::Usage,
                format!("`{}` is a stream: ask at /v1/stream.", command.word()),
            ));
        }
        let _turn = if command.is_exclusive() { Some(self.turn(command.word())?) } else { None };
        tracing::debug!(command = command.word(), "command");
        self.engine.command(command, sink)
    }

    pub(super) fn stream(&self, command: Command, conn: &mut Conn) -> Result<(), ApiError> {
        if !command.is_stream() {
            return Err(ApiError::new(
                ErrorKind::Usage,
                format!("`{}` is no stream: ask at /v1/command.", command.word()),
            ));
        }
        tracing::debug!(command = command.word(), "stream");
        self.engine.stream(command, conn)
    }

    fn turn(&self, word: &'static str) -> Result<Turn<'_>, ApiError> {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = *busy {
            return Err(ApiError::new(ErrorKind::Busy, format!("The lab is busy with another `{other}`."))
                .hint("try again when it is done"));
        }
        *busy = Some(word);
        Ok(Turn(&self.busy))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

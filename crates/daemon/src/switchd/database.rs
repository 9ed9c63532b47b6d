//! The connection to the server of the database.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use netloom_lab::target::Target;
use netloom_ovsdb::Replica;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// How long a call may take, and a server that does not read.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest pause between two calls. The first is an eighth of a second, and each is twice as long as the one before.
const LONGEST: Duration = Duration::from_secs(8);
const FIRST: Duration = Duration::from_millis(125);
/// Bytes taken from the stream at a time.
const CHUNK: usize = 64 << 10;

/// What a connection is called by. A server that cannot be reached is no reason to end: it may come.
#[derive(Debug)]
pub(super) struct Server {
    target: Target,
    text: String,
    pause: Duration,
}

trait Bytes: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Bytes for T {}

/// A connection.
pub(super) struct Connection {
    stream: Pin<Box<dyn Bytes>>,
    buffer: Vec<u8>,
}

impl Server {
    /// `unix:PATH`, `tcp:ADDRESS:PORT`; a path that is not absolute is in `dir`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub(super) fn parse(text: &str, dir: &Path) -> Result<Self, String> {
        let target = match Target::parse(text) {
            Ok(Target::CallUnix(path)) => Target::CallUnix(dir.join(path)),
            Ok(Target::Call { ip, port, tls: false }) => Target::Call { ip, port, tls: false },
            Ok(_) => return Err(format!("{text}: only unix: and tcp: lead to a database")),
            Err(error) => return Err(error.to_string()),
        };
        Ok(Self { target, text: text.to_owned(), pause: FIRST })
    }

    /// Calls until somebody answers.
    pub(super) async fn call(&mut self) -> Connection {
        loop {
            match timeout(PATIENCE, dial(&self.target)).await {
                Ok(Ok(stream)) => {
                    tracing::info!(target: "reconnect", "{}: connected", self.text);
                    return Connection { stream, buffer: vec![0; CHUNK] };
                }
                Ok(Err(error)) => tracing::info!(target: "reconnect", "{}: {error}", self.text),
                Err(_) => tracing::info!(target: "reconnect", "{}: no answer", self.text),
            }
            self.rest().await;
        }
    }

    /// Waits before the next call, longer each time.
    pub(super) async fn rest(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST);
    }

    /// The server has told its data: the next pause is the first one.
    pub(super) const fn is_good(&mut self) {
        self.pause = FIRST;
    }
}

async fn dial(target: &Target) -> io::Result<Pin<Box<dyn Bytes>>> {
    match target {
        Target::CallUnix(path) => Ok(Box::pin(UnixStream::connect(path).await?)),
        Target::Call { ip, port, .. } => {
            let stream = TcpStream::connect((*ip, *port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::pin(stream))
        }
        Target::Listen { .. } | Target::ListenUnix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

impl Connection {
    /// Takes what the server sends next. Nothing is lost if this is dropped before it is done.
    ///
    /// # Errors
    /// The connection has ended.
    pub(super) async fn read(&mut self, replica: &mut Replica) -> io::Result<()> {
        let count = self.stream.read(&mut self.buffer).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        replica.handle_bytes(self.buffer.get(..count).unwrap_or_default());
        Ok(())
    }

    /// Sends what is to be sent.
    ///
    /// # Errors
    /// The connection has ended, or the server does not read.
    pub(super) async fn write(&mut self, replica: &mut Replica) -> io::Result<()> {
        let output = replica.take_output();
        if output.is_empty() {
            return Ok(());
        }
        timeout(PATIENCE, self.stream.write_all(&output)).await?
    }
}

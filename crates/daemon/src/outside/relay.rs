//! Carrying bytes between two TCP connections until both are done.
//!
//! ```text
//! read what is there ──► write at once what is taken ──► keep the rest, and read no more until it is gone
//! ```
//!
//! So a slow reader slows its writer down, through both kernels' windows, and a connection holds at most [`CHUNK`]
//! bytes each way of its own. The end of one direction is passed on and the other goes on; a reset of one side resets
//! the other, so that nobody takes a broken transfer for a whole one.

use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::{Shutdown, sockopt};
use tokio::net::TcpStream;

/// The most bytes carried at a time.
const CHUNK: usize = 64 << 10;

thread_local! {
    /// Only ever borrowed between two waits.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into_boxed_slice());
}

/// Calls `work` with memory for what passes through.
pub(super) fn with_scratch<R>(work: impl FnOnce(&mut [u8]) -> R) -> R {
    SCRATCH.with_borrow_mut(|scratch| work(scratch))
}

/// Carries bytes both ways. `there` counts those from `a` to `b`, `back` the others.
pub(super) async fn relay(a: &TcpStream, b: &TcpStream, there: &AtomicU64, back: &AtomicU64) {
    for stream in [a, b] {
        // Whoever went away without a word is noticed by the kernel: after 2 h, as RFC 5382 §5 wants of translators.
        let _ = sockopt::set_socket_keepalive(stream, true);
        let _ = stream.set_nodelay(true);
    }
    let done = tokio::try_join!(one_way(a, b, there), one_way(b, a, back));
    if done.is_err() {
        for stream in [a, b] {
            let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}

async fn one_way(from: &TcpStream, to: &TcpStream, moved: &AtomicU64) -> io::Result<()> {
    loop {
        from.readable().await?;
        match with_scratch(|scratch| pass(from, to, scratch))? {
            Passed::Nothing => {}
            Passed::All(bytes) => {
                moved.fetch_add(bytes as u64, Ordering::Relaxed);
            }
            Passed::Some(rest, bytes) => {
                moved.fetch_add(bytes as u64, Ordering::Relaxed);
                write(to, &rest).await?;
            }
            Passed::End => {
                // It may be gone already: then there is nobody to be told.
                let _ = rustix::net::shutdown(to, Shutdown::Write);
                return Ok(());
            }
        }
    }
}

/// What became of one reading.
enum Passed {
    /// There was nothing.
    Nothing,
    /// All of so many bytes was taken.
    All(usize),
    /// This was not taken, of so many bytes.
    Some(Vec<u8>, usize),
    /// There will be nothing any more.
    End,
}

fn pass(from: &TcpStream, to: &TcpStream, scratch: &mut [u8]) -> io::Result<Passed> {
    let bytes = match from.try_read(scratch) {
        Ok(0) => return Ok(Passed::End),
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Passed::Nothing),
        Err(error) => return Err(error),
    };
    let read = scratch.get(..bytes).unwrap_or_default();
    let written = match to.try_write(read) {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    match read.get(written..) {
        None | Some([]) => Ok(Passed::All(bytes)),
        Some(rest) => Ok(Passed::Some(rest.to_vec(), bytes)),
    }
}

async fn write(to: &TcpStream, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        to.writable().await?;
        match to.try_write(rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// Two connections over loopback with a relay between them: the outer ends.
    async fn joined() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pair = async || {
            let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
            (near.unwrap(), far.unwrap().0)
        };
        let (left, a) = pair().await;
        let (right, b) = pair().await;
        tokio::spawn(async move { relay(&a, &b, &AtomicU64::new(0), &AtomicU64::new(0)).await });
        (left, right)
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn the_end_of_one_direction_leaves_the_other_open() {
        run(async {
            let (mut left, mut right) = joined().await;
            left.write_all(b"question").await.unwrap();
            left.shutdown().await.unwrap();
            let mut asked = String::new();
            right.read_to_string(&mut asked).await.unwrap();
            assert_eq!(asked, "question");
            right.write_all(b"answer").await.unwrap();
            drop(right);
            let mut answered = String::new();
            left.read_to_string(&mut answered).await.unwrap();
            assert_eq!(answered, "answer");
        });
    }

    #[test]
    fn a_slow_reader_holds_its_writer_and_loses_nothing() {
        run(async {
            let (mut left, mut right) = joined().await;
            let all: Vec<u8> = (0..16 << 20).map(|n: u32| u8::try_from(n % 251).unwrap()).collect();
            let sent = all.clone();
            let writer = tokio::spawn(async move {
                left.write_all(&sent).await.unwrap();
                left.shutdown().await.unwrap();
            });
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(!writer.is_finished(), "16 MiB do not fit into the kernels' buffers");
            let mut got = Vec::new();
            right.read_to_end(&mut got).await.unwrap();
            writer.await.unwrap();
            assert!(got == all);
        });
    }

    #[test]
    fn a_reset_is_passed_on() {
        run(async {
            let (left, mut right) = joined().await;
            sockopt::set_socket_linger(&left, Some(Duration::ZERO)).unwrap();
            drop(left);
            let error = right.read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        });
    }
}

//! TCP bulk: one stream, cubic, 128 KiB writes.

use std::ffi::OsString;
use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use serde_json::{Value, json};

const CHUNK: usize = 128 * 1024;

pub(super) fn receive(listen: SocketAddr, skip: f64, seconds: Option<f64>) -> Result<Value> {
    let listener = TcpListener::bind(listen)?;
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; 4 * CHUNK];
    let (mut bytes, accepted) = (0_u64, super::now());
    let (mut passed, mut start) = (0.0, 0.0);
    while seconds.is_none_or(|seconds| passed < skip + seconds) {
        let got = stream.read(&mut buffer)?;
        passed = accepted.elapsed().as_secs_f64();
        if passed < skip {
            start = passed;
        } else {
            bytes += got as u64;
        }
        if got == 0 {
            break;
        }
    }
    Ok(json!({ "bytes": bytes, "seconds": passed - start }))
}

pub(super) fn send(to: SocketAddr, seconds: f64) -> Result<Value> {
    let mut stream = connect(to)?;
    setsockopt(&stream, sockopt::TcpCongestion, &OsString::from("cubic"))?;
    // A slow queue takes nothing more for seconds.
    stream.set_write_timeout(Some(Duration::from_secs(30)))?;
    let buffer = vec![0x5a; CHUNK];
    let (mut bytes, start) = (0_u64, super::now());
    while start.elapsed().as_secs_f64() < seconds {
        stream.write_all(&buffer)?;
        bytes += buffer.len() as u64;
    }
    Ok(json!({ "bytes": bytes, "seconds": start.elapsed().as_secs_f64() }))
}

/// Connects, trying for up to five seconds while the other side is not listening yet.
pub(super) fn connect(to: SocketAddr) -> Result<TcpStream> {
    let start = super::now();
    loop {
        match TcpStream::connect(to) {
            Ok(stream) => return Ok(stream),
            Err(e) if start.elapsed() > Duration::from_secs(5) => return Err(e),
            Err(_) => std::thread::yield_now(),
        }
    }
}

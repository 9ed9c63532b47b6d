//! TCP bulk: one stream, cubic, 128 KiB writes.

use std::ffi::OsString;
use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use serde_json::{Value, json};

const CHUNK: usize = 128 * 1024;

pub(super) fn receive(listen: SocketAddr) -> Result<Value> {
    let listener = TcpListener::bind(listen)?;
    let (mut stream, _) = listener.accept()?;
    let mut buffer = vec![0; 4 * CHUNK];
    let (mut bytes, start) = (0_u64, super::now());
    loop {
        match stream.read(&mut buffer)? {
            0 => break,
            n => bytes += n as u64,
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    Ok(json!({ "bytes": bytes, "seconds": seconds }))
}

pub(super) fn send(to: SocketAddr, seconds: f64) -> Result<Value> {
    let mut stream = connect(to)?;
    setsockopt(&stream, sockopt::TcpCongestion, &OsString::from("cubic"))?;
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
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

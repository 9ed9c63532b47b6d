//! How long nothing comes: the longest pause between two datagrams of an even stream.

use std::io::{ErrorKind, Result};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use serde_json::{Value, json};

/// How often it is looked whether the time is over.
const LOOK: Duration = Duration::from_millis(50);

pub(super) fn receive(listen: SocketAddr, seconds: f64) -> Result<Value> {
    let socket = UdpSocket::bind(listen)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut buffer = [0; 2048];
    socket.recv(&mut buffer)?;
    socket.set_read_timeout(Some(LOOK))?;
    let start = super::now();
    let (mut packets, mut last, mut longest) = (1_u64, start, Duration::ZERO);
    while start.elapsed().as_secs_f64() < seconds {
        match socket.recv(&mut buffer) {
            Ok(_) => {
                longest = longest.max(last.elapsed());
                last = super::now();
                packets += 1;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
    // A stream that did not come back is a pause to the end.
    longest = longest.max(last.elapsed());
    Ok(json!({ "packets": packets, "gap": longest.as_secs_f64(), "end": last.elapsed().as_secs_f64() }))
}

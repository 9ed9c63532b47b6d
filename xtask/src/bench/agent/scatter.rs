//! Datagrams of many flows, one after the other.

use std::net::{IpAddr, UdpSocket};

use serde_json::{Value, json};

/// Ports of the receiver that one socket sends to.
const PORTS: usize = 60_000;
/// The first of them.
const FIRST: u16 = 2_000;

/// Sends to so many flows in turn, as fast as possible. What finds no room is not sent again.
pub(super) fn send(to: IpAddr, seconds: f64, flows: usize) -> std::io::Result<Value> {
    let sockets = (0..flows.div_ceil(PORTS)).map(|_| UdpSocket::bind(("0.0.0.0", 0)));
    let sockets = sockets.collect::<std::io::Result<Vec<_>>>()?;
    let start = super::now();
    let (mut sent, mut flow) = (0_u64, 0);
    loop {
        for _ in 0..64 {
            let port = FIRST + u16::try_from(flow % PORTS).unwrap_or(0);
            sent += u64::from(sockets[flow / PORTS].send_to(&[0; 18], (to, port)).is_ok());
            flow = (flow + 1) % flows.max(1);
        }
        if start.elapsed().as_secs_f64() >= seconds {
            return Ok(json!({ "packets": sent, "seconds": start.elapsed().as_secs_f64() }));
        }
    }
}

//! Datagrams of many flows, one after the other.

use std::io::{IoSlice, Result};
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};
use serde_json::{Value, json};

/// Ports of the receiver that one socket sends to.
pub(in crate::bench) const PORTS: usize = 60_000;
/// The first of them.
pub(in crate::bench) const FIRST: u16 = 2_000;
/// The port of the first socket; the next ones follow.
pub(in crate::bench) const SOURCE: u16 = 1_024;

/// Datagrams sent in one call.
const BATCH: usize = 50;

/// Sends to so many flows in turn, as fast as possible, for a while or until each has had one. What finds no room is
/// not sent again.
pub(super) fn send(to: std::net::Ipv4Addr, seconds: f64, flows: usize, once: bool) -> Result<Value> {
    let bind = |n: usize| UdpSocket::bind(("0.0.0.0", SOURCE + u16::try_from(n).unwrap_or(0)));
    let sockets = (0..flows.div_ceil(PORTS)).map(bind).collect::<Result<Vec<_>>>()?;
    let payload = [0; 18];
    let slices = [[IoSlice::new(&payload)]; BATCH];
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
    let start = super::now();
    let (mut sent, mut flow) = (0_usize, 0);
    let mut places = Vec::with_capacity(BATCH);
    loop {
        let socket = &sockets[flow / PORTS];
        places.clear();
        places.extend((0..BATCH).map(|n| {
            let port = FIRST + u16::try_from((flow + n.min(flows - 1)) % PORTS).unwrap_or(0);
            Some(SockaddrIn::from(SocketAddrV4::new(to, port)))
        }));
        match sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &places, [], MsgFlags::empty()) {
            Ok(done) => sent += done.count(),
            Err(Errno::ENOBUFS | Errno::EAGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        flow += BATCH;
        let is_round = flow >= flows;
        if is_round {
            flow = 0;
        }
        let elapsed = start.elapsed().as_secs_f64();
        if elapsed >= seconds || once && is_round {
            return Ok(json!({ "packets": sent, "seconds": elapsed }));
        }
    }
}

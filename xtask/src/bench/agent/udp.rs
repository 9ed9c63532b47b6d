//! UDP: small datagrams in batches of 64; the receiver drains in batches so that it does not cost the sender a
//! wake-up per packet.

use std::io::{IoSlice, IoSliceMut, Result};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, sendmmsg, setsockopt, sockopt};
use serde_json::{Value, json};

const BATCH: usize = 64;
const RECEIVE_BUFFER: usize = 8 << 20;
const DRAIN_EVERY: Duration = Duration::from_micros(500);

pub(super) fn receive(listen: SocketAddr, seconds: f64) -> Result<Value> {
    let socket = UdpSocket::bind(listen)?;
    setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    let mut first = [0; 2048];
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let size = socket.recv(&mut first)?;
    socket.set_nonblocking(true)?;
    let mut buffers = vec![[0_u8; 2048]; BATCH];
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let (mut packets, start) = (1_u64, super::now());
    while start.elapsed().as_secs_f64() < seconds {
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
        match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(got) => packets += got.count() as u64,
            Err(Errno::EAGAIN) => nap(DRAIN_EVERY),
            Err(e) => return Err(e.into()),
        }
    }
    Ok(json!({ "packets": packets, "size": size, "seconds": start.elapsed().as_secs_f64() }))
}

/// Sends datagrams, `together` of them in one super-packet, as programs do that speak QUIC.
pub(super) fn send(
    to: SocketAddr,
    seconds: f64,
    (size, together): (usize, usize),
    rate: Option<u64>,
) -> Result<Value> {
    let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
    socket.connect(to)?;
    if together > 1 {
        let segment = i32::try_from(size).unwrap_or(i32::MAX);
        setsockopt(&socket, sockopt::UdpGsoSegment, &segment)?;
    }
    let payload = vec![0x5a; size * together];
    // What leaves at once is no more than a millisecond holds: a slow stream would come in lumps.
    let most = rate.map_or(BATCH, |rate| usize::try_from(rate / 1_000).unwrap_or(BATCH).clamp(1, BATCH));
    let slices = vec![[IoSlice::new(&payload)]; most.div_ceil(together)];
    let nowhere: Vec<Option<SockaddrStorage>> = vec![None; slices.len()];
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
    let (mut packets, start) = (0_u64, super::now());
    while start.elapsed().as_secs_f64() < seconds {
        if let Some(rate) = rate {
            #[expect(clippy::cast_precision_loss, reason = "a pace")]
            let due = packets as f64 / rate as f64;
            let ahead = due - start.elapsed().as_secs_f64();
            if ahead > 0.0 {
                nap(Duration::from_secs_f64(ahead));
                continue;
            }
        }
        match sendmmsg(socket.as_raw_fd(), &mut headers, slices.iter(), &nowhere, [], MsgFlags::empty()) {
            Ok(sent) => packets += (sent.count() * together) as u64,
            Err(Errno::ENOBUFS | Errno::EAGAIN | Errno::ECONNREFUSED) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(json!({ "packets": packets, "seconds": start.elapsed().as_secs_f64() }))
}

#[expect(clippy::disallowed_methods, reason = "a receiver that drains at intervals is what is measured with")]
fn nap(time: Duration) {
    std::thread::sleep(time);
}

//! One-way delay: the send time travels in the payload, the kernel stamps the arrival, both on one clock.

use std::io::{IoSliceMut, Result};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

const PAYLOAD: usize = 22;

pub(super) fn receive(listen: SocketAddr, idle: f64) -> Result<Value> {
    let socket = UdpSocket::bind(listen)?;
    setsockopt(&socket, sockopt::RcvBufForce, &(8_usize << 20))?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    let mut wait = Duration::from_secs(10);
    let mut delays: Vec<u64> = Vec::with_capacity(1 << 20);
    loop {
        socket.set_read_timeout(Some(wait))?;
        match one(&socket) {
            Ok(Some(delay)) => delays.push(delay),
            Ok(None) => {}
            Err(Errno::EAGAIN) => break,
            Err(e) => return Err(e.into()),
        }
        wait = Duration::from_secs_f64(idle);
    }
    delays.sort_unstable();
    Ok(json!({
        "count": delays.len(),
        "p1_ns": super::quantile(&delays, 0.01),
        "p50_ns": super::quantile(&delays, 0.5),
        "p90_ns": super::quantile(&delays, 0.9),
        "p99_ns": super::quantile(&delays, 0.99),
        "max_ns": delays.last(),
    }))
}

/// One datagram's delay in nanoseconds.
fn one(socket: &UdpSocket) -> nix::Result<Option<u64>> {
    let mut buffer = [0_u8; 64];
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let mut slices = [IoSliceMut::new(&mut buffer)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), MsgFlags::empty())?;
    let stamp = message.cmsgs()?.find_map(|c| match c {
        ControlMessageOwned::ScmTimestampns(at) => Some(nanos(at.tv_sec(), at.tv_nsec())),
        _ => None,
    });
    let sent = buffer.first_chunk::<8>().map(|b| u64::from_be_bytes(*b));
    Ok(stamp.zip(sent).map(|(arrived, sent)| arrived.saturating_sub(sent)))
}

pub(super) fn send(to: SocketAddr, seconds: f64, rate: u64, rest: bool) -> Result<Value> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(to)?;
    let (mut packets, start) = (0_u64, super::now());
    while start.elapsed().as_secs_f64() < seconds {
        #[expect(clippy::cast_precision_loss, reason = "a pace")]
        let due = packets as f64 / rate as f64;
        // Spinning keeps the spacing even; a sleep would send in clumps of a timer's slack.
        while start.elapsed().as_secs_f64() < due {
            if rest {
                super::rest(due - start.elapsed().as_secs_f64());
            }
            std::hint::spin_loop();
        }
        let mut payload = [0; PAYLOAD];
        let at = clock_gettime(ClockId::CLOCK_REALTIME)?;
        payload[..8].copy_from_slice(&nanos(at.tv_sec(), at.tv_nsec()).to_be_bytes());
        match socket.send(&payload) {
            Ok(_) => packets += 1,
            Err(e) if e.raw_os_error() == Some(Errno::ENOBUFS as i32) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(json!({ "packets": packets, "seconds": start.elapsed().as_secs_f64() }))
}

fn nanos(seconds: i64, nanos: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0) * 1_000_000_000 + u64::try_from(nanos).unwrap_or(0)
}

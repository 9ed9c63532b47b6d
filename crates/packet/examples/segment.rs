//! Cuts a TCP super-packet, as a host with offloads sends it, into the packets that a wire sees.

#![expect(clippy::print_stdout, reason = "an example prints")]

use std::num::NonZeroU32;

use netloom_packet::build::{Frame, Ip, Tcp};
use netloom_packet::tcp::{self, flag};
use netloom_packet::{Gso, Mac, Offload, checksum, parse, segment, wire};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = [b'x'; 5000];
    let tcp =
        Tcp { src: 40_000, dst: 80, seq: 1, flags: flag::ACK | flag::PSH, data: &data, ..Tcp::default() };
    let ip = Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(tcp);
    let frame = Frame::ip(Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]), ip);

    let mut bytes = vec![0; frame.len()];
    let (_, offload) = frame.emit_partial(&mut bytes).ok_or("too long")?;
    let offload = Offload { gso: Gso::Tcp4, gso_size: 1460, ..offload };
    let headers = parse(&bytes)?;
    println!("one super-packet of {} bytes: {:?}", bytes.len(), wire(bytes.len(), &headers, &offload));

    let mut cutter = segment::cut(&bytes, &headers, &offload, NonZeroU32::MIN)?;
    let mut buffer = vec![0; cutter.longest()];
    while let Some(mut unit) = cutter.next_into(&mut buffer)? {
        let packet = buffer.get_mut(..unit.len).ok_or("the unit is in the buffer")?;
        checksum::complete(packet, &mut unit.offload)?;
        let headers = parse(packet)?;
        let view = tcp::Tcp::of(packet, &headers).ok_or("TCP")?;
        let right = checksum::verify_l4(packet, &headers);
        println!(
            "{} bytes, seq {}, flags {:#04x}, checksum right: {right:?}",
            unit.len,
            view.seq(),
            view.flags()
        );
    }
    Ok(())
}

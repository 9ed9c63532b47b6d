//! Flows set up by a controller when their first packet comes, and how late that packet is with the controller.

use std::time::{Duration, SystemTime};

use super::bed::{Bed, PEERS};
use super::client::Client;
use super::wire::{self, Field, kind};
use crate::bench::peer::Peer;
use crate::bench::report::{self, Asked, Series};
use crate::run::Failed;

/// `OFPP_CONTROLLER`.
const CONTROLLER: u32 = 0xffff_fffd;
/// Where the frame begins in a packet-in, but for its match.
const MATCH: usize = 16;
/// Headers of Ethernet, IPv4 and UDP without options.
const PAYLOAD: usize = 14 + 20 + 8;

/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(rounds: usize, setups: usize) -> Result<(), Failed> {
    let (mut rates, mut delays) = (Series::default(), Series::default());
    for round in 1..=rounds {
        for peer in PEERS {
            eprintln!("reactive: round {round} of {rounds}, {}", peer.name());
            let bed = Bed::up(peer)?;
            bed.know_neighbours()?;
            bed.hush()?;
            let mut client = bed.connect()?;
            listen(&mut client)?;
            delays.add(peer, p99(&bed, &mut client)?);
            rates.add(peer, setups_per_second(&bed, &mut client, setups)?);
        }
    }
    rates.print("Reactive setups", "flows/s", &[(Peer::Ovs, Asked::AtLeast(3.0, 3.0))]);
    delays.print("Packet-in, from the host's send to the controller, p99", "us", &[]);
    Ok(())
}

/// Has everything that no flow is for sent to this connection.
fn listen(client: &mut Client) -> Result<(), Failed> {
    let mut bytes = wire::message(kind::SET_CONFIG, 1, &[0, 0, 0xff, 0xff]);
    bytes.extend(wire::message(kind::FLOW_MOD, 2, &wire::delete_all()));
    let miss = wire::add_flow(0, &[], &wire::output(CONTROLLER));
    bytes.extend(wire::message(kind::FLOW_MOD, 3, &miss));
    client.carry_out(&bytes)
}

/// The frame of a packet-in.
fn frame(body: &[u8]) -> &[u8] {
    let length = body.get(MATCH + 2..MATCH + 4).map_or(0, |b| usize::from(u16::from_be_bytes([b[0], b[1]])));
    body.get(MATCH + length.next_multiple_of(8) + 2..).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the sender writes the same clock into the packet")]
fn realtime() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn p99(bed: &Bed, client: &mut Client) -> Result<f64, Failed> {
    let sender = bed.hosts[0].agent("delay-send 10.0.0.2:5001 1 1000")?;
    let mut delays: Vec<f64> = Vec::new();
    while delays.len() < 900 {
        let message = client.until(|message| message.kind == kind::PACKET_IN)?;
        if let Some(sent) = frame(&message.body).get(PAYLOAD..PAYLOAD + 8).and_then(|b| b.try_into().ok())
            && frame(&message.body).get(23) == Some(&17)
        {
            let sent = Duration::from_nanos(u64::from_be_bytes(sent));
            delays.push(realtime().saturating_sub(sent).as_secs_f64() * 1e6);
        }
    }
    sender.result()?;
    delays.sort_by(f64::total_cmp);
    Ok(delays.get(delays.len() * 99 / 100).copied().unwrap_or(0.0))
}

fn setups_per_second(bed: &Bed, client: &mut Client, wanted: usize) -> Result<f64, Failed> {
    let sender = bed.hosts[0].agent("udp-scatter 10.0.0.2 6 1000000")?;
    let actions = wire::output(2);
    let mut done = 0_usize;
    let start = crate::bench::now();
    while done < wanted && start.elapsed().as_secs() < 5 {
        let message = client.until(|message| message.kind == kind::PACKET_IN)?;
        let packet = frame(&message.body);
        let Some([a, b, c, d]) = packet.get(34..38).and_then(|b| <[u8; 4]>::try_from(b).ok()) else {
            continue;
        };
        let demands = [
            (Field::EthType, 0x0800, None),
            (Field::IpProto, 17, None),
            (Field::UdpSrc, u64::from(u16::from_be_bytes([a, b])), None),
            (Field::UdpDst, u64::from(u16::from_be_bytes([c, d])), None),
        ];
        let mut bytes = wire::message(kind::FLOW_MOD, 5, &wire::add_flow(100, &demands, &actions));
        bytes.extend(wire::message(kind::PACKET_OUT, 6, &wire::packet_out(1, &actions, packet)));
        client.send(&bytes).map_err(|e| Failed::Check(e.to_string()))?;
        done += 1;
    }
    client.carry_out(&[])?;
    let elapsed = start.elapsed().as_secs_f64();
    drop(sender);
    report_short(done, wanted);
    #[expect(clippy::cast_precision_loss, reason = "a count of flows")]
    Ok(done as f64 / elapsed)
}

fn report_short(done: usize, wanted: usize) {
    if done < wanted {
        eprintln!("{}", report::short_of(done, wanted));
    }
}

//! Flows set up by a controller when their first packet comes, and how late that packet is with the controller.

use std::time::{Duration, SystemTime};

use super::bed::{Bed, PEERS};
use super::client::Client;
use super::generator::{Flow, Generator, STAMP};
use super::misses::of_flow;
use super::wire::{self, kind};
use crate::bench::peer::Peer;
use crate::bench::report::{self, Asked, Series};
use crate::run::Failed;

/// `OFPP_CONTROLLER`.
const CONTROLLER: u32 = 0xffff_fffd;
/// Where the frame begins in a packet-in, but for its match.
const MATCH: usize = 16;
/// Packets whose time to the controller is taken.
const TOLD: usize = 1_000;
/// Setups under way at once: one after the other, a few, and as many as show what a switch can do.
const AT_ONCE: [usize; 3] = [1, 64, 512];
/// Flows of one measurement come this much after those of the one before.
const APART: usize = 0x0100_0000;
/// After this long without a packet, some were lost.
const LOST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(10);

/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(rounds: usize, setups: usize) -> Result<(), Failed> {
    let (mut rates, mut delays) = (AT_ONCE.map(|_| Series::default()), Series::default());
    for round in 1..=rounds {
        for peer in PEERS {
            eprintln!("reactive: round {round} of {rounds}, {}", peer.name());
            let bed = Bed::up(peer)?;
            let mut client = bed.connect()?;
            listen(&mut client)?;
            delays.add(peer, p99(&bed, &mut client)?);
            for ((at_once, rates), n) in AT_ONCE.into_iter().zip(&mut rates).zip(0..) {
                let load = Load { at_once, setups: setups.min(at_once * 1_000), first: n * APART };
                rates.add(peer, setups_per_second(&bed, &mut client, &load)?);
            }
        }
    }
    for (at_once, rates) in AT_ONCE.into_iter().zip(&rates) {
        let asked = [(Peer::Ovs, Asked::AtLeast(3.0, 3.0))];
        rates.print(&format!("Reactive setups, {at_once} at once"), "flows/s", &asked);
    }
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

/// Whether a frame is one of the generator's; a host says things on its own, too.
fn is_ours(frame: &[u8]) -> bool {
    frame.len() >= STAMP + 8 && frame[12..14] == [8, 0] && frame[23] == 17 && frame[26..30] == [10, 0, 0, 1]
}

/// Sends a packet in a millisecond, each of a flow of its own, and takes the time until the controller has it.
fn p99(bed: &Bed, client: &mut Client) -> Result<f64, Failed> {
    let mut generator = Generator::open(&bed.hosts[0])?;
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || {
            for n in 0..TOLD {
                let stamp = u64::try_from(realtime().as_nanos()).unwrap_or(0).to_be_bytes();
                generator.send(&[Flow::numbered(0x7000_0000 + n)], stamp)?;
                crate::bench::wait(0.001);
            }
            Ok::<(), Failed>(())
        });
        let mut delays: Vec<f64> = Vec::new();
        // A few may be lost without the measurement being for nothing.
        while delays.len() < TOLD * 9 / 10 {
            let message = client.until(|message| message.kind == kind::PACKET_IN)?;
            let told = frame(&message.body);
            if is_ours(told) {
                let stamp = told[STAMP..STAMP + 8].try_into().unwrap_or_default();
                let sent = Duration::from_nanos(u64::from_be_bytes(stamp));
                delays.push(realtime().saturating_sub(sent).as_secs_f64() * 1e6);
            }
        }
        sending.join().map_err(|_| Failed::Check("the sender panicked".to_owned()))??;
        delays.sort_by(f64::total_cmp);
        Ok(delays.get(delays.len() * 99 / 100).copied().unwrap_or(0.0))
    })
}

/// How a switch is loaded with setups.
struct Load {
    /// So many are under way at once.
    at_once: usize,
    /// So many are to be done.
    setups: usize,
    /// The number of the first flow.
    first: usize,
}

/// Flows set up per second: the first packet of each goes to the controller, which adds a flow and sends the packet on.
/// So many are under way at once, and the next begins when one is answered: neither the sender nor the controller, which
/// are one thread here, runs ahead of the switch. What arrives in the end counts.
fn setups_per_second(bed: &Bed, client: &mut Client, load: &Load) -> Result<f64, Failed> {
    let mut generator = Generator::open(&bed.hosts[0])?;
    // What is left of a measurement before would be answered, too.
    while client.ready(LOST, |_, _| ())? {}
    let Load { at_once, setups: wanted, first } = *load;
    let before = bed.arrived(1)?;
    let start = crate::bench::now();
    let (mut done, mut next, mut silences) = (0, first, 0);
    let mut flows = Vec::with_capacity(at_once);
    let mut begin = |count: usize| {
        flows.clear();
        flows.extend((next..next + count).map(Flow::numbered));
        next += count;
        generator.send(&flows, [0; 8])
    };
    let (mut answer, mut answers) = (Answer::new(), Vec::new());
    begin(at_once)?;
    while done < wanted && start.elapsed() < LONGEST {
        let mut answered = 0;
        let some = client.ready(LOST, |kind, body| {
            let packet = frame(body);
            if kind == kind::PACKET_IN && is_ours(packet) {
                answer.put(packet, &mut answers);
                answered += 1;
            }
        })?;
        if !some {
            // Some were lost: others take their place.
            silences += 1;
            begin(at_once)?;
            continue;
        }
        client.send(&answers).map_err(|e| Failed::Check(e.to_string()))?;
        answers.clear();
        done += answered;
        begin(answered)?;
    }
    client.carry_out(&[])?;
    let elapsed = start.elapsed().as_secs_f64();
    crate::bench::wait(0.1);
    if silences > 0 {
        eprintln!("  {at_once} at once: {silences} times nothing came for {} ms", LOST.as_millis());
    }
    if done < wanted {
        eprintln!("{}", report::short_of(done, wanted));
    }
    #[expect(clippy::cast_precision_loss, reason = "a count of flows")]
    let set_up = (bed.arrived(1)? - before).min(done as f64);
    Ok(set_up / elapsed)
}

/// What every packet is answered with but for its flow: a flow mod, and the packet itself.
struct Answer {
    /// Of the flow numbered 0, without the packet.
    bytes: Vec<u8>,
    /// Where its ports are in the match.
    ports: [usize; 2],
    /// Where the packet-out says how long it is.
    length: usize,
}

impl Answer {
    fn new() -> Self {
        let actions = wire::output(2);
        // No other two bytes are like these.
        let marked = Flow { from: 0xa55a, to: 0x5aa5, ..Flow::numbered(0) };
        let mut bytes = wire::message(kind::FLOW_MOD, 5, &wire::add_flow(100, &of_flow(&marked), &actions));
        let place = |port: u16| bytes.windows(2).position(|it| it == port.to_be_bytes()).unwrap_or(0);
        let ports = [place(marked.from), place(marked.to)];
        let length = bytes.len() + 2;
        bytes.extend(wire::message(kind::PACKET_OUT, 6, &wire::packet_out(1, &actions, &[])));
        Self { bytes, ports, length }
    }

    /// Writes it for a packet.
    fn put(&mut self, packet: &[u8], answers: &mut Vec<u8>) {
        for (at, port) in self.ports.into_iter().zip([34, 36]) {
            self.bytes[at..at + 2].copy_from_slice(packet.get(port..port + 2).unwrap_or(&[0; 2]));
        }
        let length = self.bytes.len() - (self.length - 2) + packet.len();
        let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        self.bytes[self.length..self.length + 2].copy_from_slice(&length);
        answers.extend_from_slice(&self.bytes);
        answers.extend_from_slice(packet);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_flow_for_the_packet_and_the_packet() {
        let mut packet = [7; 60];
        packet[34..38].copy_from_slice(&[1, 2, 3, 4]);
        let flow = Flow { from: 0x0102, to: 0x0304, ..Flow::numbered(0) };
        let actions = wire::output(2);
        let mut whole = wire::message(kind::FLOW_MOD, 5, &wire::add_flow(100, &of_flow(&flow), &actions));
        whole.extend(wire::message(kind::PACKET_OUT, 6, &wire::packet_out(1, &actions, &packet)));
        let mut answers = Vec::new();
        let mut answer = Answer::new();
        answer.put(&[0; 80], &mut Vec::new());
        answer.put(&packet, &mut answers);
        assert_eq!(answers, whole);
    }
}

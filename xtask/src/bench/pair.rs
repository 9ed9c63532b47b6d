//! Two hosts, one switch: TCP bulk, small UDP datagrams, request and response.

use serde_json::Value;

use super::peer::{Bed, Peer};
use super::report::{Asked, Series};
use super::shell;
use crate::run::Failed;

/// Everything measured on a pair.
#[derive(Debug, Default)]
struct Tables {
    tcp: Series,
    tcp_cpu: Series,
    udp: Series,
    rr_one: Series,
    rr_two: Series,
}

/// Runs all rounds: in each, every peer once.
///
/// # Errors
/// [`Failed`] if a peer cannot be set up or an agent fails.
pub(super) fn run(peers: &[Peer], rounds: usize, seconds: f64) -> Result<(), Failed> {
    let mut tables = Tables::default();
    for round in 1..=rounds {
        for &peer in peers {
            eprintln!("pair: round {round} of {rounds}, {}", peer.name());
            measure(peer, &peer.up()?, seconds, &mut tables)?;
        }
    }
    let Tables { tcp, tcp_cpu, udp, rr_one, rr_two } = &tables;
    let (least, most) = (Asked::AtLeast, Asked::AtMost);
    let (bridge, ovs, tso, veth) = (Peer::Bridge, Peer::Ovs, Peer::OvsTso, Peer::Veth);
    tcp.print(
        "TCP bulk, host to host, one switch",
        "Gbit/s",
        &[(bridge, least(1.0, 1.0)), (tso, least(3.0, 3.0)), (veth, least(0.0, 0.9))],
    );
    tcp_cpu.print("CPU of the whole machine for it", "s per GB", &[]);
    udp.print(
        "UDP, 18-byte payload, received",
        "packets/s",
        &[(bridge, least(1.0, 1.4)), (ovs, least(1.8, 1.8)), (tso, least(1.8, 1.8))],
    );
    rr_one.print(
        "Request and response p50, everything on one CPU",
        "us",
        &[(bridge, most(1.9, 1.5)), (ovs, most(0.5, 0.5)), (tso, most(0.5, 0.5))],
    );
    rr_two.print("Request and response p50, two CPUs", "us", &[(bridge, most(1.2, 1.0))]);
    Ok(())
}

fn measure(peer: Peer, bed: &Bed, seconds: f64, tables: &mut Tables) -> Result<(), Failed> {
    let [one, two] = &bed.hosts;
    let receiver = two.agent("tcp-receive 10.0.0.2:5001")?;
    let busy = shell::cpu_seconds();
    let sender = one.agent(&format!("tcp-send 10.0.0.2:5001 {seconds}"))?;
    sender.result()?;
    let got = receiver.result()?;
    let bytes = number(&got, "bytes");
    tables.tcp.add(peer, bytes * 8.0 / number(&got, "seconds") / 1e9);
    tables.tcp_cpu.add(peer, (shell::cpu_seconds() - busy) / (bytes / 1e9));

    let receiver = two.agent(&format!("udp-receive 10.0.0.2:5002 {seconds}"))?;
    let sender = one.agent(&format!("udp-send 10.0.0.2:5002 {}", seconds + 0.5))?;
    let got = receiver.result()?;
    sender.result()?;
    tables.udp.add(peer, number(&got, "packets") / number(&got, "seconds"));

    tables.rr_two.add(peer, request_response(bed, seconds, 0, 1)?);
    bed.pin("0")?;
    tables.rr_one.add(peer, request_response(bed, seconds, 0, 0)?);
    Ok(())
}

fn request_response(bed: &Bed, seconds: f64, client: usize, server: usize) -> Result<f64, Failed> {
    let [one, two] = &bed.hosts;
    let serving = two.agent(&format!("rr-serve 10.0.0.2:5003 --cpu {server}"))?;
    let asked = one.agent(&format!("rr-ask 10.0.0.2:5003 {seconds} --cpu {client}"))?.result()?;
    serving.result()?;
    Ok(number(&asked, "p50_us"))
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap_or(0.0)
}

//! The latest packet of another switch while a bundle is carried out.

use super::bed::{Bed, PEERS};
use super::flow_mods::{additions, bundle};
use super::rules::Kind;
use crate::bench::peer::Peer;
use crate::bench::report::{self, Asked};
use crate::run::Failed;

/// Datagrams per second of the other switch.
const RATE: u32 = 2_000;

/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(count: usize) -> Result<(), Failed> {
    let bundle = bundle(&additions(Kind::Acl, count));
    report::table(
        &format!("Packets of another switch during a bundle of {count} flow mods"),
        &["peer", "p50 us", "p99 us", "latest us", "without a bundle: latest us", "asked of the latest"],
    );
    for peer in PEERS {
        let bed = Bed::up(peer)?;
        let mut client = bed.connect()?;
        let mut delays = |bytes: &[u8]| -> Result<[f64; 3], Failed> {
            let receiver = bed.hosts[3].agent("delay-receive 10.0.0.4:5001 1")?;
            crate::bench::wait(0.2);
            let sender = bed.hosts[2].agent(&format!("delay-send 10.0.0.4:5001 2.5 {RATE} --rest"))?;
            crate::bench::wait(0.7);
            client.carry_out(bytes)?;
            sender.result()?;
            let told = receiver.result()?;
            Ok(["p50_ns", "p99_ns", "max_ns"].map(|key| told[key].as_f64().unwrap_or(0.0) / 1e3))
        };
        let quiet = delays(&[])?;
        let [p50, p99, latest] = delays(&bundle)?;
        let verdict = if peer == Peer::Netloom {
            Asked::AtMost(1_000.0, 1_000.0).verdict(latest)
        } else {
            String::new()
        };
        let cells = [p50, p99, latest, quiet[2]].map(report::short);
        report::row(&[peer.name(), &cells[0], &cells[1], &cells[2], &cells[3], &verdict]);
    }
    Ok(())
}

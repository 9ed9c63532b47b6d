//! Containers against virtual machines: both of netloom, on its switch. What goes between two containers is sent by this
//! bench's own programs, between two machines by netloom's prober inside of them.

use super::bed::Bed;
use super::machine;
use super::many::Each;
use crate::bench::peer::Lab;
use crate::bench::report;
use crate::bench::shell::Netns;
use crate::run::Failed;

/// Where a machine cannot be had.
const LATER: &str = "not measured here";

/// Prints the table: `start` in milliseconds, `each` of many.
///
/// # Errors
/// [`Failed`] if the pair of containers cannot be measured.
pub(super) fn run(bed: &Bed, start: f64, each: &Each, seconds: f64) -> Result<(), Failed> {
    let pair = Pair::up(bed)?;
    let rate = pair.bulk(seconds)?;
    let trip = pair.round_trip(seconds)?;
    drop(pair);
    let guest = machine::measure(seconds)?;
    let of_guest =
        |what: &dyn Fn(&machine::Machine) -> String| guest.as_ref().map_or_else(|| LATER.to_owned(), what);
    report::table("Containers against virtual machines", &["", "container", "virtual machine"]);
    let boot = of_guest(&|it| format!("{:.1} s until a program has run in it, {}", it.start, it.by));
    let memory = of_guest(&|it| format!("{:.0} MiB, its kernel, QEMU and lab included", it.memory / 1_024.0));
    // Guests without a disk of their own have all in memory.
    let disk = of_guest(&|_| "0 KiB".to_owned());
    let guests_rate = of_guest(&|it| format!("{:.2} Gbit/s, {}", it.rate, it.by));
    let guests_trip = of_guest(&|it| format!("{:.0} us, echo, the mean, {}", it.trip, it.by));
    for (what, value, guest) in [
        ("start: from the request to the entrypoint running", format!("{start:.1} ms"), boot),
        ("memory of each of many, besides its program", format!("{:.0} KiB", each.memory), memory),
        ("disk of each of many, besides the image", format!("{:.0} KiB", each.disk), disk),
        ("TCP bulk between two on one switch", format!("{rate:.1} Gbit/s"), guests_rate),
        ("request and response between two, p50", format!("{trip:.0} us"), guests_trip),
    ] {
        report::row(&[what, &value, &guest]);
    }
    Ok(())
}

/// Two containers on a switch, with names for their networks.
struct Pair {
    hosts: [Netns; 2],
    _lab: Lab,
}

impl Pair {
    fn up(bed: &Bed) -> Result<Self, Failed> {
        let names = ["c1", "c2"].map(|short| format!("nlb{}-{short}", std::process::id()));
        let mut text =
            "netloom: 1\nname: beside\nswitches: { s1: {} }\nlinks: [c1..2 -- s1]\nnodes:\n".to_owned();
        for (n, name) in (1..).zip(&names) {
            text.push_str(&format!(
                "  c{n}: {{ image: 'dir:{}', cmd: [sleep, '100000'], netns: {name}, ip: 10.0.0.{n}/24 }}\n",
                bed.root().display()
            ));
        }
        let lab = Lab::up("beside", &text)?;
        Ok(Self { hosts: names.each_ref().map(|name| Netns::borrowed(name)), _lab: lab })
    }

    /// Gbit/s.
    fn bulk(&self, seconds: f64) -> Result<f64, Failed> {
        let [one, two] = &self.hosts;
        let receiver = two.agent("tcp-receive 10.0.0.2:5001")?;
        one.agent(&format!("tcp-send 10.0.0.2:5001 {seconds}"))?.result()?;
        let got = receiver.result()?;
        let value = |key: &str| got[key].as_f64().unwrap_or(0.0);
        Ok(value("bytes") * 8.0 / value("seconds").max(f64::MIN_POSITIVE) / 1e9)
    }

    /// Microseconds.
    fn round_trip(&self, seconds: f64) -> Result<f64, Failed> {
        let [one, two] = &self.hosts;
        let server = two.agent("rr-serve 10.0.0.2:5003")?;
        let asked = one.agent(&format!("rr-ask 10.0.0.2:5003 {seconds}"))?.result()?;
        server.result()?;
        Ok(asked["p50_us"].as_f64().unwrap_or(0.0))
    }
}

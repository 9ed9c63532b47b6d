//! From the request, a command line, to the entrypoint running: one after the other, and two at a time.

use std::collections::BTreeMap;
use std::process::Command;

use super::bed::{Bed, INSIDE};
use super::oci::Runtime;
use crate::bench::peer::{Lab, program};
use crate::bench::report::{self, Asked};
use crate::run::Failed;

/// Who starts containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// A container of a running lab, by `netloom start`.
    Start,
    /// The same with limits, so that it enters a control group.
    Limited,
    /// A container that is new in the lab file, by `netloom up`.
    Added,
    Runc,
    Crun,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "netloom start",
            Self::Limited => "netloom start, with limits",
            Self::Added => "netloom up, new in the lab file",
            Self::Runc => "runc run",
            Self::Crun => "crun run",
        }
    }
}

/// By way, milliseconds of each round.
type Times = BTreeMap<Way, Vec<f64>>;

/// Prints the tables; returns the median of `netloom start` in milliseconds.
///
/// # Errors
/// [`Failed`] if a container cannot be started.
pub(super) fn run(bed: &Bed, peers_only: bool, rounds: usize, starts: usize) -> Result<f64, Failed> {
    let runc = Runtime::find(bed, "runc").map_err(|why| Failed::Check(format!("runc: {why}")))?;
    let crun = Runtime::find(bed, "crun");
    let lab = if peers_only { None } else { Some(Ours::up(bed)?) };
    let (mut serial, mut pairs) = (Times::new(), Times::new());
    for round in 1..=rounds {
        eprintln!("containers: round {round} of {rounds}");
        let mut one = Times::new();
        let mut two = Times::new();
        for _ in 0..starts {
            if let Some(lab) = &lab {
                for (way, names) in [(Way::Start, ["a", "b"]), (Way::Limited, ["c", "d"])] {
                    one.entry(way).or_default().push(lab.start(&names[..1])?);
                    two.entry(way).or_default().push(lab.start(&names)?);
                }
                one.entry(Way::Added).or_default().push(lab.add()?);
            }
            let theirs = [(Way::Runc, Some(&runc)), (Way::Crun, crun.as_ref().ok())];
            for (way, runtime) in theirs.into_iter().filter_map(|(way, it)| Some((way, it?))) {
                one.entry(way).or_default().push(foreign(bed, runtime, &["a"])?);
                two.entry(way).or_default().push(foreign(bed, runtime, &["a", "b"])?);
            }
        }
        for (round, all) in [(one, &mut serial), (two, &mut pairs)] {
            for (way, times) in round {
                all.entry(way).or_default().push(report::median(&times).unwrap_or_default() * 1e3);
            }
        }
    }
    print("Containers: from the request to the entrypoint running", &serial);
    print("Containers: two at a time, until both entrypoints run", &pairs);
    if let Err(why) = crun {
        report::line(&format!("\ncrun does not run here: {why}"));
    }
    Ok(serial.get(&Way::Start).and_then(|times| report::median(times)).unwrap_or_default())
}

fn print(title: &str, times: &Times) {
    report::table(title, &["", "median ms", "min .. max", "times runc", "asked"]);
    let runc = times.get(&Way::Runc).map_or(&[][..], Vec::as_slice);
    for (way, list) in times {
        let ratios: Vec<f64> = list.iter().zip(runc).map(|(ours, theirs)| ours / theirs).collect();
        let ratio = report::median(&ratios).filter(|_| !matches!(way, Way::Runc));
        let asked =
            ratio.filter(|_| *way == Way::Start).map(|ratio| Asked::AtMost(0.5, 0.125).verdict(ratio));
        let middle = report::short(report::median(list).unwrap_or_default());
        let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}x"));
        report::row(&[way.name(), &middle, &report::spread(list), &ratio, &asked.unwrap_or_default()]);
    }
}

/// Starts containers of another runtime at once, and ends them; seconds until they run.
fn foreign(bed: &Bed, runtime: &Runtime<'_>, names: &[&str]) -> Result<f64, Failed> {
    names.iter().try_for_each(|name| runtime.bundle(name))?;
    let took = bed.until_running(names, names.iter().map(|name| runtime.start(name)).collect());
    names.iter().try_for_each(|name| runtime.delete(name))?;
    took
}

/// A running lab with two containers, and two with limits.
struct Ours<'b> {
    bed: &'b Bed,
    lab: Lab,
    text: String,
}

impl<'b> Ours<'b> {
    fn up(bed: &'b Bed) -> Result<Self, Failed> {
        let mut text = "netloom: 1\nname: starts\nswitches: { s1: {} }\nnodes:\n".to_owned();
        for (name, more) in [("a", ""), ("b", ""), ("c", LIMITS), ("d", LIMITS)] {
            text.push_str(&node(bed, name, more));
        }
        // Their first starts are not measured, but they write all the same.
        let pipes = ["a", "b", "c", "d"].map(|name| bed.pipe(name));
        let lab = Lab::up("starts", &(text.clone() + "links: [a -- s1, b -- s1, c -- s1, d -- s1]\n"))?;
        for name in ["a", "b", "c", "d"] {
            lab.verb(&["stop", name])?;
        }
        drop(pipes);
        Ok(Self { bed, lab, text })
    }

    /// Starts containers by one command, as a lab does one thing at a time, and stops them; seconds until they run.
    fn start(&self, names: &[&str]) -> Result<f64, Failed> {
        let mut command = Command::new(program());
        command.args(["-l", self.lab.name(), "start"]).args(names);
        let took = self.bed.until_running(names, vec![command]);
        for name in names {
            self.lab.verb(&["stop", name])?;
        }
        took
    }

    /// Adds a container to the lab, and takes it away again; seconds until it runs.
    fn add(&self) -> Result<f64, Failed> {
        let links = "links: [a -- s1, b -- s1, c -- s1, d -- s1";
        let text = format!("{}{}{links}, e -- s1]\n", self.text, node(self.bed, "e", ""));
        let command = self.lab.edit_by(&text)?;
        let took = self.bed.until_running(&["e"], vec![command]);
        self.lab.edit(&format!("{}{links}]\n", self.text))?;
        took
    }
}

const LIMITS: &str = ", memory: 64MiB, pids: 100, cpu: 1, limits: best-effort";

fn node(bed: &Bed, name: &str, more: &str) -> String {
    let [_, _, command] = Bed::entrypoint(name);
    format!(
        "  {name}: {{ image: 'dir:{}', entrypoint: [/bin/sh, -c, '{command}'], volumes: ['{}:{INSIDE}']{more} }}\n",
        bed.root().display(),
        bed.pipes().display()
    )
}

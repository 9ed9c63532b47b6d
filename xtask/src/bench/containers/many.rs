//! Many containers of one image: how long until they are up, and what each costs.

use serde_json::Value;

use super::bed::Bed;
use crate::bench::peer::Lab;
use crate::bench::report::{self, Asked};
use crate::bench::{now, scale, shell, wait};
use crate::run::{self, Failed};

/// What one container of many costs.
pub(super) struct Each {
    /// KiB of memory beside its program.
    pub(super) memory: f64,
    /// KiB on the disk beside the image.
    pub(super) disk: f64,
}

/// How often the lab is brought up.
const RUNS: usize = 3;

/// Brings up `count` containers and prints what it took.
///
/// # Errors
/// [`Failed`] if one cannot be started.
pub(super) fn run(bed: &Bed, count: usize) -> Result<Each, Failed> {
    let text = format!(
        "netloom: 1\nname: many\nswitches: {{ s1: {{}} }}\nnodes:\n  c1..{count}: {{ image: 'dir:{}', cmd: [sleep, '100000'] }}\n\
         links: [c1..{count} -- s1]\n",
        bed.root().display()
    );
    let (mut ups, mut downs) = (Vec::new(), Vec::new());
    for _ in 1..RUNS {
        let (up, lab) = timed(&text)?;
        ups.push(up);
        let start = now();
        drop(lab);
        downs.push(start.elapsed().as_secs_f64());
    }
    let before = scale::settled();
    let (up, lab) = timed(&text)?;
    ups.push(up);
    // Pages that the daemon gives back later are not the containers'.
    wait(scale::CLEARED);
    let used = before - scale::available();
    let programs = programs(&lab)?;
    let disk = written(&lab)?;
    drop(lab);

    #[expect(clippy::cast_precision_loss, reason = "display")]
    let each = |kib: f64| kib / count as f64;
    let own: f64 = programs.iter().map(|it| it.proportional).sum();
    let shared: f64 = programs.iter().map(|it| it.of_files).sum();
    let one = programs.first().map_or(0.0, |it| it.files);
    let memory = each(used - own);
    report::table(&format!("{count} containers of one image"), &["what", "value", "asked"]);
    let median = report::median(&ups).unwrap_or_default();
    let row = |what: &str, value: String, asked: &str| report::row(&[what, &value, asked]);
    row("up", format!("{median:.2} s, {}", report::spread(&ups)), &Asked::AtMost(5.0, 5.0).verdict(median));
    row("down", format!("{:.2} s", report::median(&downs).unwrap_or_default()), "");
    let verdict = Asked::AtMost(1536.0, 1536.0).verdict(memory);
    row("memory of each, besides its program", format!("{memory:.0} KiB"), &verdict);
    row("memory of each program, its share of what is shared included", format!("{:.0} KiB", each(own)), "");
    let copies = shared / one.max(f64::MIN_POSITIVE);
    let verdict = Asked::AtMost(1.5, 1.5).verdict(copies);
    row("files of all programs in memory, in copies of those of one", format!("{copies:.2}"), &verdict);
    row("written to the disk by each", format!("{:.0} KiB", each(disk)), "");
    Ok(Each { memory, disk: each(disk) })
}

fn timed(text: &str) -> Result<(f64, Lab), Failed> {
    wait(scale::CLEARED);
    let start = now();
    let lab = Lab::up("many", text)?;
    let up = start.elapsed().as_secs_f64();
    let rows = lab.json(&["ls", "nodes"])?;
    let running = nodes(&rows).iter().filter(|node| node["pid"].is_u64()).count();
    match running == nodes(&rows).len() {
        true => Ok((up, lab)),
        false => Err(Failed::Check(format!("Only {running} programs run"))),
    }
}

fn nodes(rows: &Value) -> Vec<Value> {
    rows["nodes"].as_array().cloned().unwrap_or_default()
}

/// Memory of a program, in KiB.
#[derive(Default)]
struct Program {
    /// What is shared counts by its share.
    proportional: f64,
    /// The same of pages of files.
    of_files: f64,
    /// All pages of files that it has.
    files: f64,
}

fn programs(lab: &Lab) -> Result<Vec<Program>, Failed> {
    let rows = lab.json(&["ls", "nodes"])?;
    let pids = nodes(&rows).into_iter().filter_map(|node| node["pid"].as_u64());
    pids.map(|pid| {
        let file = format!("/proc/{pid}/smaps_rollup");
        let text = run::read(&file)?;
        let status = run::read(&format!("/proc/{pid}/status"))?;
        Ok(Program {
            proportional: field(&text, "Pss:"),
            of_files: field(&text, "Pss_File:"),
            files: field(&status, "RssFile:"),
        })
    })
    .collect()
}

fn field(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches("kB").trim().parse().unwrap_or(0.0)
}

/// KiB that all containers of a lab have written.
fn written(lab: &Lab) -> Result<f64, Failed> {
    let dir = format!("/var/lib/netloom/containers/{}.{}", lab.name(), lab.pid()?);
    let text = shell::sh(&format!("du -sk {dir}"))?;
    Ok(text.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0))
}

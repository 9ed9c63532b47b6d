//! `netloom top`.

use std::io::{IsTerminal, stdout};

use netloom_api::stream::Frame;
use netloom_api::{Command, TopRow};

use crate::client::Patience;
use crate::cmd::run::duration;
use crate::exit::Outcome;
use crate::output::{self, Kind, Style, Tint, words};
use crate::terminal;
use crate::which;

/// Arguments of `top`.
#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    /// Between two looks
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = duration)]
    interval: std::time::Duration,
    /// End after so many looks
    #[arg(short = 'n', long, value_name = "N")]
    iterations: Option<u64>,
    /// Print a live table, or a line of JSON per look
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    output: Kind,
}

impl Top {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let interval_ms = u32::try_from(self.interval.as_millis()).unwrap_or(u32::MAX);
        let conn = which::client(lab)?.stream(&Command::Top { interval_ms })?;
        let live = self.output == Kind::Table && stdout().is_terminal();
        let mut left = self.iterations;
        let code = terminal::follow(conn, Patience::new(None), &mut |frame| {
            let Frame::Event(text) = frame else { return true };
            if self.output == Kind::Json {
                // `{"schema":1,"top":[...]}`, as the daemon sent the rows.
                output::line(&format!("{{\"schema\":{},\"top\":{text}}}", netloom_api::SCHEMA));
            } else if let Ok(rows) = serde_json::from_str::<Vec<TopRow>>(&text) {
                let lines = live.then(|| terminal::size().map_or(24, |size| usize::from(size.rows)));
                let head = if live { "\x1b[H\x1b[2J" } else { "" };
                output::put(&format!("{head}{}\n", table(rows, lines, Style::stdout())));
            }
            left = left.map(|left| left.saturating_sub(1));
            left != Some(0)
        })?;
        Ok(code)
    }
}

/// The busiest first, as many as there are lines.
fn table(mut rows: Vec<TopRow>, lines: Option<usize>, style: Style) -> String {
    let cpu = |row: &TopRow| row.cpu.unwrap_or(0.0);
    rows.sort_by(|a, b| {
        let busiest = b.bps.total_cmp(&a.bps).then_with(|| cpu(b).total_cmp(&cpu(a)));
        busiest.then_with(|| a.name.cmp(&b.name))
    });
    if let Some(lines) = lines {
        rows.truncate(lines.saturating_sub(2));
    }
    let widest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(4);
    // Only where there is something to be seen of the machine.
    let machine = rows.iter().any(|row| row.memory.or(row.pids).is_some() || row.cpu.is_some());
    let columns = if machine { machine_columns("CPU", "MEMORY", "PIDS") } else { String::new() };
    let header = format!(
        "{:<8} {:<widest$} {:>12} {:>9} {:>9} {:>7}{columns}  LOAD",
        "KIND", "NAME", "RATE", "PPS", "DROPS/S", "QUEUE"
    );
    let mut out = style.paint(Tint::Faint, &header);
    for row in rows {
        let load = row.load.map(|load| format!("{:>3.0} % {}", load * 100.0, bar(load))).unwrap_or_default();
        let columns = if machine { of_machine(&row) } else { String::new() };
        let line = format!(
            "\n{:<8} {:<widest$} {:>12} {:>9.0} {:>9.0} {:>7}{columns}  {load}",
            row.kind,
            row.name,
            words::rate(row.bps),
            row.pps,
            row.drops,
            words::count(row.queued)
        );
        out.push_str(line.trim_end());
    }
    out
}

fn machine_columns(cpu: &str, memory: &str, pids: &str) -> String {
    format!(" {cpu:>10} {memory:>17} {pids:>9}")
}

/// What is used of what may be used: `0.48/0.5`, `31.9MiB/32MiB`, `3/64`.
fn of_machine(row: &TopRow) -> String {
    let of = |used: Option<String>, limit: Option<String>| match (used, limit) {
        (used, Some(limit)) => format!("{}/{limit}", used.unwrap_or_else(|| "0".to_owned())),
        (used, None) => used.unwrap_or_default(),
    };
    let count = |n: Option<u64>| n.map(words::count);
    machine_columns(
        &of(row.cpu.map(|cpu| format!("{cpu:.2}")), row.cpu_limit.map(|cpu| cpu.to_string())),
        &of(row.memory.map(words::memory), row.memory_limit.map(words::memory)),
        &of(count(row.pids), count(row.pids_limit)),
    )
}

fn bar(load: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 10")]
    let full = (load.clamp(0.0, 1.0) * 10.0).round() as usize;
    "#".repeat(full)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_stand_first() {
        let row = |name: &str, bps, load| TopRow {
            kind: "link".into(),
            name: name.into(),
            bps,
            pps: bps / 12_000.0,
            load,
            ..TopRow::default()
        };
        let rows = vec![row("idle", 0.0, None), row("core", 9.5e6, Some(0.95)), row("edge", 1e3, Some(0.0))];
        insta::assert_snapshot!(table(rows.clone(), None, Style::PLAIN));
        assert_eq!(table(rows, Some(3), Style::PLAIN).lines().count(), 2);
    }

    #[test]
    fn use_stands_against_what_may_be_used() {
        let node = TopRow {
            kind: "node".into(),
            name: "red/web".into(),
            cpu: Some(0.482),
            cpu_limit: Some(0.5),
            memory: Some(33_500_000),
            memory_limit: Some(32 << 20),
            pids: Some(3),
            ..TopRow::default()
        };
        let idle =
            TopRow { kind: "node".into(), name: "h1".into(), pids_limit: Some(64), ..TopRow::default() };
        insta::assert_snapshot!(table(vec![idle, node], None, Style::PLAIN));
    }
}

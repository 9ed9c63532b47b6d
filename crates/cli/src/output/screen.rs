//! The lines of `run`, `test`, `up` and `down`: a word, what about it, and on the right how long it took.
//!
//! ```text
//! quickstart   6 hosts  2 switches  8 links  2 tenants     rootless, tap with offloads
//! up           24 objects                                                        31 ms
//!   ok  red cannot reach blue                24 sent, 0 arrived, 24 dropped: tenant
//! ```

use netloom_api::{Applied, DownReport, Fidelity, LabRow, TestReport, TestRow, Verdict};

use super::words::{many, time};
use super::{Style, Tint};

/// Width of a screen.
const WIDTH: usize = 84;
/// Where the text begins.
const TEXT: usize = 13;

/// A word, a text and what stands on the right.
fn line(word: &str, text: &str, right: &str) -> String {
    let left = format!("{word:<width$}{text}", width = TEXT.max(word.chars().count() + 2));
    let used = left.chars().count() + right.chars().count();
    let gap = WIDTH.saturating_sub(used).max(2);
    format!("{left}{:gap$}{right}", "").trim_end().to_owned()
}

/// The lab in a line.
pub(crate) fn lab(row: &LabRow) -> String {
    let mut parts = Vec::new();
    for (n, one) in [
        (row.hosts, "host"),
        (row.nodes.saturating_sub(row.hosts), "other node"),
        (row.switches, "switch"),
        (row.links, "link"),
        (row.tenants, "tenant"),
    ] {
        if n > 0 && (one != "tenant" || n > 1) {
            parts.push(many(n, one));
        }
    }
    line(&row.name, &parts.join("  "), &row.mode)
}

/// What `up` did.
pub(crate) fn up(applied: &Applied) -> String {
    let Applied { created, changed, removed, .. } = applied;
    let mut parts = Vec::new();
    if *created > 0 && *changed == 0 && *removed == 0 {
        parts.push(many(*created, "object"));
    } else {
        for (n, word) in [(*created, "made"), (*changed, "changed"), (*removed, "removed")] {
            if n > 0 {
                parts.push(format!("{n} {word}"));
            }
        }
    }
    let mut text = if parts.is_empty() { "nothing to do".to_owned() } else { parts.join("  ") };
    // Worth a word only where the user waited.
    if let Some((item, ms)) = applied.slowest.as_ref().filter(|_| applied.ms >= 500.0) {
        text = format!("{text}, slowest {item} {}", time(*ms));
    }
    line("up", &text, &time(applied.ms))
}

/// What `down` did.
pub(crate) fn down(report: &DownReport) -> String {
    let text = match report.left.len() {
        0 => "nothing left".to_owned(),
        n => format!("{} left", many(n as u64, "object")),
    };
    let mut out = line("down", &text, &time(report.ms));
    for left in &report.left {
        out.push_str(&format!("\n  {left}"));
    }
    out
}

/// An expectation's outcome.
pub(crate) fn test(row: &TestRow, style: Style) -> String {
    let (word, tint) = match row.verdict {
        Verdict::Holds => ("  ok  ", Tint::Good),
        Verdict::Fails => ("FAIL  ", Tint::Bad),
        Verdict::NotTrusted => ("   ?  ", Tint::Odd),
    };
    let left = format!("{word}{}", row.sentence);
    let gap = WIDTH.saturating_sub(left.chars().count() + row.measured.chars().count()).max(2);
    let mut out = format!("{}{}{:gap$}{}", style.paint(tint, word), row.sentence, "", row.measured)
        .trim_end()
        .to_owned();
    if row.verdict != Verdict::Holds {
        for detail in &row.details {
            out.push_str(&format!("\n        {detail}"));
        }
        if let Some(way) = &row.trace {
            for line in super::trace::short(way, style).lines() {
                out.push_str(&format!("\n          {line}"));
            }
        }
        if !row.place.is_empty() {
            out.push_str(&format!("\n        {}", style.paint(Tint::Faint, &row.place)));
        }
    }
    out
}

/// Whether the links did what they were told.
pub(crate) fn links(fidelity: &Fidelity, style: Style) -> String {
    let p99 = format!("lateness p99 {}, limit {}", time(fidelity.p99_ms), short(fidelity.limit_ms));
    if fidelity.faithful {
        return line("links", &format!("faithful: {p99}"), "");
    }
    let worst = fidelity.worst.as_ref().map(|link| format!(" on {link}")).unwrap_or_default();
    let mut out = line("links", &style.paint(Tint::Odd, &format!("not faithful{worst}: {p99}")), "");
    for detail in &fidelity.details {
        out.push_str(&format!("\n        {detail}"));
    }
    out
}

/// `1 ms` rather than `1.0 ms`.
fn short(ms: f64) -> String {
    if ms.fract() == 0.0 && ms < 1000.0 { format!("{ms:.0} ms") } else { time(ms) }
}

/// `4 of 4 hold`.
pub(crate) fn sum(report: &TestReport, ms: f64, style: Style) -> String {
    let all = report.items.len();
    let count = |verdict| report.items.iter().filter(|row| row.verdict == verdict).count();
    let (hold, doubtful) = (count(Verdict::Holds), count(Verdict::NotTrusted));
    let mut text = format!("{hold} of {all} hold");
    if doubtful > 0 {
        text.push_str(&format!(", {doubtful} not to be trusted"));
    }
    if all == 0 {
        "nothing is expected".clone_into(&mut text);
    }
    let out = line(&text, "", &time(ms));
    let tint = if hold == all { Tint::Good } else { Tint::Bad };
    // Colour after the width is counted.
    out.replacen(&text, &style.paint(tint, &text), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(sentence: &str, measured: &str, verdict: Verdict) -> TestRow {
        TestRow { sentence: sentence.into(), measured: measured.into(), verdict, ..TestRow::default() }
    }

    #[test]
    fn the_screen_of_a_run() {
        let lab_row = LabRow {
            name: "quickstart".into(),
            nodes: 6,
            hosts: 6,
            switches: 2,
            links: 8,
            tenants: 2,
            mode: "rootless, tap with offloads".into(),
            ..LabRow::default()
        };
        let mut failed = row("red cannot reach blue", "24 sent, 2 arrived", Verdict::Fails);
        failed.details = vec!["red/web -> blue/h1 icmp: arrived by way of s1".into()];
        failed.place = "quickstart.loom.yml:31".into();
        let items = vec![
            row("red/web can reach red/db tcp/5432 with rtt < 15ms", "10.3 ms", Verdict::Holds),
            row("throughput red/web -> red/db >= 90Mbit", "95.6 Mbit/s for 2 s", Verdict::NotTrusted),
            failed,
            row(
                "a sentence so long that nothing can stand on its right and still be on the same line",
                "10 ms",
                Verdict::Holds,
            ),
        ];
        let fidelity = |faithful| Fidelity {
            faithful,
            strict: false,
            p99_ms: 0.05,
            limit_ms: 1.0,
            worst: Some("core".into()),
            details: vec![],
        };
        let mut screen = vec![
            lab(&lab_row),
            up(&Applied { created: 24, ms: 31.0, ..Applied::default() }),
            up(&Applied { changed: 1, removed: 2, ms: 3.0, ..Applied::default() }),
            up(&Applied { created: 900, ms: 700.0, slowest: Some(("h3".into(), 5.0)), ..Applied::default() }),
            up(&Applied { ms: 0.4, ..Applied::default() }),
        ];
        screen.extend(items.iter().map(|row| test(row, Style::PLAIN)));
        screen.push(links(&fidelity(true), Style::PLAIN));
        screen.push(links(&fidelity(false), Style::PLAIN));
        screen.push(down(&DownReport { ms: 28.0, ..DownReport::default() }));
        screen.push(sum(&TestReport { items, ..TestReport::default() }, 5_100.0, Style::PLAIN));
        insta::assert_snapshot!(screen.join("\n"));
    }
}

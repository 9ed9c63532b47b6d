//! Outcomes as JUnit XML, the form that CI systems read.

use std::fmt::Write;

use netloom_api::{TestReport, Verdict};

/// The report as a JUnit document with one suite.
pub(crate) fn render(lab: &str, report: &TestReport) -> String {
    let count = |verdict| report.items.iter().filter(|row| row.verdict == verdict).count();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\">",
        escape(lab),
        report.items.len(),
        count(Verdict::Fails),
        count(Verdict::NotTrusted),
        report.ms / 1e3
    );
    for row in &report.items {
        let _ = write!(
            out,
            "  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\"",
            escape(lab),
            escape(&row.sentence),
            row.ms / 1e3
        );
        let element = match row.verdict {
            Verdict::Holds => {
                out.push_str("/>\n");
                continue;
            }
            Verdict::Fails => "failure",
            Verdict::NotTrusted => "error",
        };
        let details = [row.details.as_slice(), std::slice::from_ref(&row.place)].concat().join("\n");
        let _ = writeln!(
            out,
            ">\n    <{element} message=\"{}\">{}</{element}>\n  </testcase>",
            escape(&row.measured),
            escape(details.trim_end())
        );
    }
    out.push_str("</testsuite>\n");
    out
}

/// XML 1.0 allows no control characters but tab and line ends, not even escaped.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use netloom_api::TestRow;

    use super::*;

    #[test]
    fn outcomes_become_cases() {
        let row = |sentence: &str, verdict, details: &[&str]| TestRow {
            sentence: sentence.into(),
            verdict,
            measured: "0 of 3 \"arrived\"".into(),
            ms: 12.5,
            place: "a.loom.yml:7".into(),
            trace: None,
            details: details.iter().map(|&detail| detail.into()).collect(),
        };
        let report = TestReport {
            items: vec![
                row("a can reach b", Verdict::Holds, &[]),
                row("a can reach c with rtt < 3ms", Verdict::Fails, &["last hop seen: s1 & s2", "\u{1b}[1m"]),
                row("rtt a -> b < 1ms", Verdict::NotTrusted, &[]),
            ],
            fidelity: None,
            ms: 2_000.0,
        };
        insta::assert_snapshot!(render("shop-7f3a", &report));
    }
}

//! How outcomes are printed: a line each, what was measured in a column on the right, reasons below.

use super::trial::{Outcome, Verdict};

/// Least width of the left part, so that short runs look alike.
const LEAST: usize = 56;
/// Longest left part that others are aligned to.
const MOST: usize = 100;

/// The lines of a report.
#[must_use]
pub fn lines(outcomes: &[(&str, &Outcome)]) -> Vec<String> {
    let text_width = |text: &str| text.chars().count();
    let full = outcomes.iter().map(|(text, o)| (text_width(text) + 4 + text_width(&o.measured)).min(MOST));
    let width = full.max().unwrap_or(0).max(LEAST);
    outcomes.iter().flat_map(|(text, outcome)| one(text, outcome, width)).collect()
}

/// `4 of 4 hold`
#[must_use]
pub fn summary(outcomes: &[(&str, &Outcome)]) -> String {
    let count = |verdict| outcomes.iter().filter(|(_, o)| o.verdict == verdict).count();
    let mut text = format!("{} of {} hold", count(Verdict::Holds), outcomes.len());
    if count(Verdict::NotTrusted) > 0 {
        text.push_str(&format!(", {} not to be trusted", count(Verdict::NotTrusted)));
    }
    text
}

/// The line of one outcome and its reasons; `width` is that of the text and the measured value together.
#[must_use]
pub fn one(text: &str, outcome: &Outcome, width: usize) -> Vec<String> {
    let mark = match outcome.verdict {
        Verdict::Holds => "  ok  ",
        Verdict::Fails => "FAIL  ",
        Verdict::NotTrusted => "  ??  ",
    };
    let used = text.chars().count() + outcome.measured.chars().count();
    let gap = " ".repeat(width.saturating_sub(used).max(2));
    let head = format!("{mark}{text}{gap}{}", outcome.measured);
    std::iter::once(head).chain(outcome.explain.iter().map(|line| format!("      {line}"))).collect()
}

//! A packet's way, as a person reads it.
//!
//! ```text
//! h1 -> h2     tcp,dl_src=...
//!
//! h1  sends a SYN for port 80 to 10.0.0.2
//!   h1:eth0 -> s1:s1-eth1
//! s1  in by s1-eth1
//!   table 0  priority=200,tcp,tp_dst=80                             shop.loom.yml:12
//!     drop
//!     dropped by a flow
//!
//! lost at s1:s1-eth1: dropped by a flow, shop.loom.yml:12
//! ```

use netloom_api::{Trace, TraceDrop, TraceRule, TraceStep, TraceWhat};

use super::{Style, Tint};

/// Width of a screen.
const WIDTH: usize = 84;

/// The whole trace.
pub(crate) fn whole(trace: &Trace, style: Style) -> String {
    let to = trace.to.as_ref().map(|to| format!(" -> {to}")).unwrap_or_default();
    let live = if trace.live { "  a real packet" } else { "" };
    let mut out = format!("{}{to}{live}\n", trace.from);
    if !trace.packet.is_empty() {
        out.push_str(&format!("{}\n", style.paint(Tint::Faint, &trace.packet)));
    }
    if !trace.steps.is_empty() {
        out.push('\n');
        out.push_str(&steps(trace, style));
    }
    out.push('\n');
    for lookup in &trace.lookups {
        let text = format!("{}\n    {}", lookup.megaflow, lookup.actions);
        out.push_str(&format!("lookup  {}\n", style.paint(Tint::Faint, &text)));
    }
    if !trace.lookups.is_empty() {
        out.push('\n');
    }
    out.push_str(&end(trace, style));
    out
}

/// The steps and how it ended, for the report of a test.
pub(crate) fn short(trace: &Trace, style: Style) -> String {
    format!("{}{}", steps(trace, style), end(trace, style))
}

fn steps(trace: &Trace, style: Style) -> String {
    trace.steps.iter().map(|it| step(it, style)).collect()
}

/// How it ended.
fn end(trace: &Trace, style: Style) -> String {
    let mut out = String::new();
    if trace.reached {
        let mut to = trace.delivered.clone();
        to.dedup();
        out.push_str(&style.paint(Tint::Good, &format!("reached  {}", to.join(", "))));
        out.push('\n');
    } else if trace.drops.is_empty() {
        let what = match &trace.to {
            Some(to) => format!("lost     it does not come to {to}"),
            None => "lost     nobody gets it".to_owned(),
        };
        out.push_str(&format!("{}\n", style.paint(Tint::Bad, &what)));
    } else {
        for drop in &trace.drops {
            let text = format!("lost     at {}: {}", drop.place, cause(drop));
            out.push_str(&format!("{}\n", style.paint(Tint::Bad, &text)));
        }
    }
    for note in &trace.notes {
        out.push_str(&format!("{}     {note}\n", style.paint(Tint::Odd, "note")));
    }
    out
}

/// `dropped by a flow, shop.loom.yml:12`
fn cause(drop: &TraceDrop) -> String {
    match &drop.rule {
        Some(rule) => format!("{}, {}", drop.reason, rule.origin),
        None => drop.reason.clone(),
    }
}

fn step(step: &TraceStep, style: Style) -> String {
    let indent = " ".repeat(2 * usize::from(step.depth));
    let bold = |text: &str| style.paint(Tint::Strong, text);
    let text = match &step.what {
        TraceWhat::Node { node, text } => format!("{}  {text}", bold(node)),
        TraceWhat::Switch { switch, port, .. } if port.is_empty() => format!("{}  goes on", bold(switch)),
        TraceWhat::Switch { switch, port, .. } => format!("{}  in by {port}", bold(switch)),
        TraceWhat::Table { table, rule: None } => format!("table {table}  no flow matches"),
        TraceWhat::Table { table, rule: Some(rule) } => {
            let left = format!("table {table}  {}", matched(rule));
            let used = indent.len() + left.chars().count() + rule.origin.chars().count();
            let gap = WIDTH.saturating_sub(used).max(2);
            format!("{left}{:gap$}{}", "", style.paint(Tint::Faint, &rule.origin))
        }
        TraceWhat::Action { text, changed } => match &changed[..] {
            [] => text.clone(),
            changed => {
                let words = changed.iter().map(|it| format!("{} {} -> {}", it.field, it.before, it.after));
                let words = words.collect::<Vec<_>>().join(&format!("\n{indent}  "));
                format!("{text}\n{indent}  {}", style.paint(Tint::Odd, &words))
            }
        },
        TraceWhat::Decision { text } => style.paint(Tint::Faint, text),
        TraceWhat::Link { from, to, settings, cut } => {
            let mut words = vec![settings.clone()];
            words.extend(cut.iter().cloned());
            words.retain(|word| !word.is_empty());
            match words.join("; ") {
                words if words.is_empty() => format!("{from} -> {to}"),
                words => format!("{from} -> {to}  {}", style.paint(Tint::Faint, &words)),
            }
        }
        TraceWhat::Delivered { to } => style.paint(Tint::Good, &format!("{to} gets it")),
        TraceWhat::Drop(drop) => style.paint(Tint::Bad, &ended(drop)),
    };
    format!("{indent}{text}\n")
}

/// `dropped by a flow`, `lost: table miss`.
fn ended(drop: &TraceDrop) -> String {
    if drop.reason.starts_with("dropped") { drop.reason.clone() } else { format!("dropped: {}", drop.reason) }
}

/// `priority=200,tcp,tp_dst=80`
fn matched(rule: &TraceRule) -> String {
    let mut text = format!("priority={}", rule.priority);
    if !rule.matches.is_empty() {
        text.push(',');
        text.push_str(&rule.matches);
    }
    if rule.cookie != 0 {
        text.push_str(&format!("  cookie={:#x}", rule.cookie));
    }
    text
}

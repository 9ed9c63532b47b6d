//! Errors: place, offending text, what was undone, and what to type next.

use std::fmt::Write;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report, SourceSpan,
};
use netloom_api::{ApiError, Finding};

use super::{Style, Tint};
use crate::exit::{Failure, Source};

/// The error as it is printed on standard error.
pub(crate) fn render(failure: &Failure, style: Style) -> String {
    let ApiError { message, hint, detail, .. } = &failure.error;
    let mut out = String::new();
    for finding in &detail.findings {
        out.push_str(&excerpt(finding, failure.source.as_deref(), style));
    }
    let mut say = |head: &str, tint, text: &str| {
        let _ = writeln!(out, "{} {text}", style.paint(tint, head));
    };
    say("error:", Tint::Bad, message);
    for cause in &detail.causes {
        say("  because:", Tint::Faint, cause);
    }
    for undone in &detail.undone {
        say("  undone:", Tint::Faint, undone);
    }
    for left in &detail.left {
        say("  still there:", Tint::Odd, left);
    }
    if let Some(hint) = hint {
        say("  hint:", Tint::Good, hint);
    }
    out
}

/// One finding with the lines around it.
fn excerpt(finding: &Finding, source: Option<&Source>, style: Style) -> String {
    let place = &finding.place;
    let text = match source {
        Some(source) if source.name == place.file => Some(source.text.clone()),
        _ => std::fs::read_to_string(&place.file).ok(),
    };
    let Some(text) = text.filter(|text| place.line > 0 && place.start <= text.len()) else {
        let hint = finding.hint.as_ref().map(|hint| format!("  {hint}\n"));
        let line = if place.line > 0 { format!(":{}:{}", place.line, place.column) } else { String::new() };
        return format!("{}{line}: {}\n{}", place.file, finding.message, hint.unwrap_or_default());
    };
    let length = place.end.min(text.len()).saturating_sub(place.start);
    let span = SourceSpan::from((place.start, length));
    let mut diagnostic =
        MietteDiagnostic::new(&finding.message).with_label(LabeledSpan::new_with_span(None, span));
    diagnostic.help.clone_from(&finding.hint);
    let report = Report::from(diagnostic).with_source_code(NamedSource::new(shown(&place.file), text));
    let theme =
        if style.is_coloured() { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_width(100).with_links(false).with_context_lines(1);
    let mut out = String::new();
    if handler.render_report(&mut out, report.as_ref()).is_err() {
        return format!("{}: {}\n", place.file, finding.message);
    }
    out
}

/// A path as the user would type it: relative to where they are, if it is below.
fn shown(path: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    std::path::Path::new(path)
        .strip_prefix(here)
        .map_or(path.to_owned(), |path| path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use netloom_api::{ErrorKind, Place};

    use super::*;

    const TEXT: &str = "netloom: 1\nlinks:\n  - { link: a -- s1, dealy: 20ms }\n";

    fn failure() -> Failure {
        let start = TEXT.find("dealy").unwrap();
        let mut error =
            ApiError::new(ErrorKind::InvalidFile, "lab.loom.yml has 2 errors; nothing was started.");
        error.detail.findings = vec![
            Finding {
                message: "Unknown key `dealy`".into(),
                hint: Some("did you mean `delay`?".into()),
                place: Place { file: "lab.loom.yml".into(), line: 3, column: 19, start, end: start + 5 },
            },
            Finding {
                message: "`$speed` is not among `vars:`".into(),
                hint: None,
                place: Place { file: "--set".into(), line: 0, column: 0, start: 0, end: 0 },
            },
        ];
        Failure::from(error).in_text("lab.loom.yml", TEXT)
    }

    #[test]
    fn findings_show_their_line() {
        insta::assert_snapshot!(render(&failure(), Style::PLAIN));
    }

    #[test]
    fn causes_undone_and_hint_follow_the_message() {
        let mut error = ApiError::new(ErrorKind::Failed, "Cannot make node h7.").hint("raise `ulimit -n`");
        error.detail.causes = vec!["Cannot create a tap device: Too many open files (24)".into()];
        error.detail.undone = vec!["6 nodes, 2 switches".into()];
        error.detail.left = vec!["mount /srv: busy".into()];
        insta::assert_snapshot!(render(&error.into(), Style::PLAIN));
    }

    #[test]
    fn a_place_beyond_the_text_does_not_panic() {
        let mut failure = failure();
        for finding in &mut failure.error.detail.findings {
            finding.place.start = 10_000;
            finding.place.end = 9_000;
        }
        assert!(render(&failure, Style::PLAIN).contains("lab.loom.yml:3:19"));
    }
}

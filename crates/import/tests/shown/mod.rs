//! What an import says, as text for a snapshot.

use netloom_import::Imported;

/// The lab file, and the notes behind it with their lines.
pub(crate) fn shown(made: &Imported, source: &str) -> String {
    let mut out = made.text.clone();
    for note in &made.notes {
        let (line, _) = netloom_lab::line_column(source, note.span.start);
        out.push_str(&format!("{line}: {}: {}\n", note.what, note.why));
    }
    out
}

//! A database file with many transactions.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use sha1::{Digest, Sha1};

use crate::run::Failed;

/// Appends so many transactions: rows that come, change and go, as in a switch that lives long.
///
/// # Errors
/// [`Failed::File`].
pub(super) fn append(file: &Path, transactions: usize) -> Result<(), Failed> {
    let mut bytes = Vec::new();
    for n in 0..transactions {
        let (row, dscp) = match n % 5 {
            // Four of five rows stay; every fifth transaction removes one that came before, or changes it.
            4 if n % 2 == 0 => (format!("\"{}\":null", uuid(n - 1)), ""),
            4 => (format!("\"{}\":{{\"external_ids\":[\"map\",[[\"changed\",\"{n}\"]]]}}", uuid(n - 2)), ""),
            _ => (
                format!(
                    "\"{}\":{{\"external_ids\":[\"map\",[[\"name\",\"queue {n}\"],[\"owner\",\"tenant-{}\"]]]",
                    uuid(n),
                    n % 97
                ),
                if n % 1000 == 0 { ",\"dscp\":7}" } else { "}" },
            ),
        };
        let json = format!(
            "{{\"Queue\":{{{row}{dscp}}},\"_comment\":\"bench: transaction {n}\",\"_is_diff\":true,\"_date\":{}}}\n",
            1_700_000_000_000 + n
        );
        let mut hash = String::new();
        for byte in Sha1::digest(&json) {
            let _ = write!(hash, "{byte:02x}");
        }
        bytes.extend_from_slice(format!("OVSDB JSON {} {hash}\n{json}", json.len()).as_bytes());
    }
    let mut opened = std::fs::File::options().append(true).open(file);
    let written = opened.as_mut().map_err(|error| std::io::Error::new(error.kind(), error.to_string()));
    written
        .and_then(|opened| opened.write_all(&bytes))
        .map_err(|source| Failed::File { path: file.display().to_string(), source })
}

fn uuid(n: usize) -> String {
    // Mixed, so that rows do not come in the order of their names.
    let mixed = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let text = format!("{mixed:016x}{n:016x}");
    format!("{}-{}-4{}-8{}-{}", &text[..8], &text[8..12], &text[13..16], &text[17..20], &text[20..])
}

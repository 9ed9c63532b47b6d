//! The files of a set, and how they are shared among pairs of switches.

use std::path::Path;

use serde_json::Value;

use super::suite::Suite;
use super::{Args, Set};
use crate::run::Failed;

/// Which cases of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Which {
    /// Those that send single packets.
    Packets,
    /// Those that measure throughput.
    Throughput,
    /// Every third file of those with single packets.
    #[value(skip)]
    Quick,
}

impl Which {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Packets => "packets",
            Self::Throughput => "throughput",
            Self::Quick => "quick",
        }
    }
}

/// A file of cases.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// Within the set's folder.
    pub(super) name: String,
    cases: usize,
    throughput: bool,
}

/// The files to run, in the order of their names.
///
/// # Errors
/// [`Failed::File`] if one cannot be read.
pub(super) fn list(suite: &Suite, set: Set, which: Which, args: &Args) -> Result<Vec<File>, Failed> {
    let root = suite.folder(set);
    let mut files = Vec::new();
    collect(&root, &root, &mut files)?;
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files.retain(|file| file.throughput == (which == Which::Throughput) && file.name.contains(&args.filter));
    if which == Which::Quick {
        files = files.into_iter().step_by(3).collect();
    }
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<(), Failed> {
    let wrong = |path: &Path, source| Failed::File { path: path.display().to_string(), source };
    for entry in std::fs::read_dir(folder).map_err(|e| wrong(folder, e))? {
        let path = entry.map_err(|e| wrong(folder, e))?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "json") {
            let text = std::fs::read_to_string(&path).map_err(|e| wrong(&path, e))?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push(File { name, cases: count(&text), throughput: text.contains("\"throughput\"") });
        }
    }
    Ok(())
}

/// Cases of a file: what is no case is text, a heading.
fn count(text: &str) -> usize {
    let read: Value = serde_json::from_str(text).unwrap_or_default();
    read.as_array().map_or(0, |items| items.iter().filter(|item| item.is_object()).count())
}

/// Shares the files among `pairs` so that each has about as many cases to run.
pub(super) fn share(files: &[File], pairs: usize) -> Vec<Vec<&str>> {
    let mut shares = vec![(0, Vec::new()); pairs];
    let mut files: Vec<&File> = files.iter().collect();
    files.sort_by_key(|file| std::cmp::Reverse(file.cases));
    for file in files {
        if let Some(least) = shares.iter_mut().min_by_key(|(cases, _)| *cases) {
            least.0 += file.cases;
            least.1.push(file.name.as_str());
        }
    }
    shares.into_iter().map(|(_, files)| files).collect()
}

#[cfg(test)]
mod tests {
    use super::{File, count, share};

    #[test]
    fn headings_are_no_cases_and_long_files_are_shared_first() {
        assert_eq!(count(r#"["heading", {"description": "a"}, {"description": "b"}]"#), 2);
        let file = |name: &str, cases| File { name: name.to_owned(), cases, throughput: false };
        let files = [file("a", 1), file("b", 5), file("c", 4)];
        assert_eq!(share(&files, 2), [vec!["b"], vec!["c", "a"]]);
    }
}

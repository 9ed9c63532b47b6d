//! The lab file a command means, read and checked.

use std::io::Read;
use std::path::{Path, PathBuf};

use netloom_api::{ApiError, ErrorKind, Finding, Place, PlanReply, Set, Wanted};
use netloom_lab::{Errors, FileError, Lab, line_column, name_of};

use crate::exit::Failure;
use crate::output::words::many;

/// How a lab file's name ends.
const ENDING: &str = ".loom.yml";

/// Which file, and what the command line adds to it.
#[derive(Debug, clap::Args)]
pub(crate) struct FileArgs {
    /// The lab file, `-` for standard input [default: the one *.loom.yml here]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Call the lab NAME instead of what the file says, for several copies side by side
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Set a variable of the file's `vars:`
    #[arg(long = "set", value_name = "K=V")]
    pub(crate) sets: Vec<String>,
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct LabText {
    /// The name of the lab that it becomes.
    pub(crate) name: String,
    /// The name that the user knows it by.
    pub(crate) base: String,
    pub(crate) wanted: Wanted,
}

impl LabText {
    /// A text that was made, not read.
    pub(crate) fn made(name: String, wanted: Wanted) -> Self {
        Self { base: name.clone(), name, wanted }
    }

    /// Makes it an instance of its own: `shop` becomes `shop-7f3a`.
    pub(crate) fn instance(&mut self, tag: &str) {
        // A name has at most 63 characters.
        let base: String = self.base.chars().take(58).collect();
        self.name = format!("{}-{tag}", base.trim_end_matches('-'));
        self.wanted.name = Some(self.name.clone());
    }

    /// Reads and resolves it here, so that a file with errors starts nothing.
    ///
    /// # Errors
    /// All errors of the file.
    pub(crate) fn check(&self) -> Result<Lab, Failure> {
        let sets: Vec<_> = self.wanted.sets.iter().map(|set| (set.name.clone(), set.value.clone())).collect();
        let path = Path::new(&self.wanted.path);
        netloom_lab::check(&self.wanted.source, path, &sets, &|path| path.exists())
            .map_err(|errors| self.failure(&errors))
    }

    fn failure(&self, errors: &Errors) -> Failure {
        let Wanted { source, path, .. } = &self.wanted;
        let findings = findings(&errors.errors, source, path);
        let count = many(findings.len() as u64, "error");
        let error = ApiError::new(
            ErrorKind::InvalidFile,
            format!("{} has {count}; nothing was started.", self.shown()),
        )
        .findings(findings);
        Failure::from(error).in_text(path, source)
    }

    /// The path as the user would type it.
    pub(crate) fn shown(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let path = Path::new(&self.wanted.path);
        path.strip_prefix(here).unwrap_or(path).display().to_string()
    }

    /// What `up` would make of it where nothing is.
    pub(crate) fn plan(&self) -> Result<PlanReply, Failure> {
        Ok(netloom_daemon::engine::plan_from_nothing(&self.check()?))
    }
}

/// Errors of a file with their lines.
pub(crate) fn findings(errors: &[FileError], source: &str, path: &str) -> Vec<Finding> {
    let narrow = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let finding = |error: &FileError| {
        let (line, column) = line_column(source, error.span.start);
        let place = Place {
            file: path.to_owned(),
            line: narrow(line),
            column: narrow(column),
            start: error.span.start,
            end: error.span.end,
        };
        Finding { message: error.message.clone(), hint: error.hint.clone(), place }
    };
    errors.iter().map(finding).collect()
}

impl FileArgs {
    /// Reads the file. Its errors come from [`LabText::check`] or from the daemon.
    pub(crate) fn read(&self) -> Result<LabText, Failure> {
        let (path, source) = match &self.file {
            Some(path) if path.as_os_str() == "-" => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|error| Failure::failed("Cannot read standard input.", &error))?;
                (std::env::current_dir().unwrap_or_default().join("stdin.loom.yml"), text)
            }
            Some(path) => read(path)?,
            None => match here()? {
                Some(path) => read(&path)?,
                None => {
                    return Err(Failure::usage("There is no *.loom.yml here.")
                        .hint("name one: `netloom up examples/quickstart.loom.yml`"));
                }
            },
        };
        let sets = self.sets.iter().map(|text| set(text)).collect::<Result<_, _>>()?;
        let name = self.name.clone().or_else(|| name_in(&source)).unwrap_or_else(|| name_of(&path));
        let wanted =
            Wanted { source, path: path.to_string_lossy().into_owned(), sets, name: self.name.clone() };
        Ok(LabText { base: name.clone(), name, wanted })
    }
}

fn read(path: &Path) -> Result<(PathBuf, String), Failure> {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match std::fs::read_to_string(&absolute) {
        Ok(text) => Ok((absolute, text)),
        Err(error) => {
            let mut out =
                ApiError::caused(ErrorKind::Usage, format!("Cannot read {}.", path.display()), &error);
            if error.kind() == std::io::ErrorKind::InvalidData {
                out.hint = Some("a lab file is UTF-8 text".into());
            } else if let Ok(Some(other)) = here() {
                out.hint = other.file_name().map(|name| format!("did you mean {}?", name.to_string_lossy()));
            }
            Err(out.into())
        }
    }
}

fn set(text: &str) -> Result<Set, Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Set { name: name.to_owned(), value: value.to_owned() }),
        _ => Err(Failure::usage(format!("--set {text}: a name, = and a value are wanted."))
            .hint("for example `--set delay=80ms`")),
    }
}

/// The one lab file in this directory.
pub(crate) fn here() -> Result<Option<PathBuf>, Failure> {
    let Ok(entries) = std::fs::read_dir(".") else { return Ok(None) };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(ENDING) && name.len() > ENDING.len())
        .collect();
    files.sort();
    match files.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.into())),
        many => Err(Failure::usage(format!("There are several lab files here: {}.", many.join(", ")))
            .hint("name the one you mean")),
    }
}

/// The `name:` of a lab file, read without a parser: to find the lab of a file that may have errors elsewhere.
pub(crate) fn name_in(source: &str) -> Option<String> {
    source.lines().find_map(|line| {
        let value = line.strip_prefix("name:")?;
        let value = value.split(" #").next().unwrap_or(value).trim().trim_matches(['"', '\'']);
        (!value.is_empty()).then(|| value.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_at_the_top_level_only() {
        assert_eq!(name_in("netloom: 1\nname: shop  # ours\n"), Some("shop".into()));
        assert_eq!(name_in("name: \"shop\"\n"), Some("shop".into()));
        assert_eq!(name_in("links:\n  - { link: a -- b, name: core }\n  name: x\n"), None);
    }

    #[test]
    fn a_set_needs_both_sides() {
        assert_eq!(set("a=b=c").unwrap(), Set { name: "a".into(), value: "b=c".into() });
        assert_eq!(set("a=").unwrap().value, "");
        assert!(set("a").is_err() && set("=b").is_err());
    }
}

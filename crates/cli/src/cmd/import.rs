//! `netloom import`.

use std::io::Write;
use std::path::{Path, PathBuf};

use netloom_api::{ApiError, ErrorKind};
use netloom_import::{Imported, Outside};
use netloom_lab::{FileError, line_column, name_of};

use crate::exit::{DONE, Failure, Outcome};
use crate::labfile::findings;
use crate::output;
use crate::output::words::many;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The lab file goes to standard output, or to the file that --to names; what was not carried over is said on standard
error, each with its line. Paths within stay as they are: keep the lab file beside the file it was made of.
Examples:  netloom import docker-compose.yml --to shop.loom.yml
           netloom import fabric.clab.yml | less")]
pub(crate) struct Import {
    /// A Docker Compose file, or a topology of containerlab
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the file is [default: a topology if it has one, else Compose]
    #[arg(long, value_enum, value_name = "KIND")]
    from: Option<From>,
    /// Write the lab file here instead of to standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Replace the file of --to if it is there
    #[arg(long, requires = "to")]
    force: bool,
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum From {
    /// Docker Compose
    Compose,
    /// containerlab
    Containerlab,
}

/// The environment, and the files beside the source.
struct Beside<'p>(&'p Path);

impl Outside for Beside<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var_os(name)?.into_string().ok()
    }

    fn file(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.0.join(path)).ok()
    }
}

impl Import {
    pub(crate) fn run(self) -> Outcome {
        let shown = self.file.display().to_string();
        let source = std::fs::read_to_string(&self.file)
            .map_err(|error| Failure::failed(format!("{shown} cannot be read."), &error))?;
        let from = self.from.unwrap_or_else(|| guess(&self.file, &source));
        let outside = Beside(self.file.parent().unwrap_or_else(|| Path::new("")));
        let name = name(&self.file, from);
        let made = match from {
            From::Compose => netloom_import::compose(&source, &name, &outside),
            From::Containerlab => netloom_import::containerlab(&source, &name, &outside),
        }
        .map_err(|errors| wrong(&errors, &source, &shown))?;
        self.write(&made)?;
        said(&made, &source, &shown);
        Ok(DONE)
    }

    fn write(&self, made: &Imported) -> Result<(), Failure> {
        let Some(to) = &self.to else {
            output::put(&made.text);
            return Ok(());
        };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).create_new(!self.force);
        let written = options.open(to).and_then(|mut file| file.write_all(made.text.as_bytes()));
        written.map_err(|error| {
            let failure = Failure::failed(format!("{} cannot be written.", to.display()), &error);
            match error.kind() {
                std::io::ErrorKind::AlreadyExists => failure.hint("--force replaces it"),
                _ => failure,
            }
        })
    }
}

/// A topology says so in its name or at the beginning of a line.
fn guess(path: &Path, source: &str) -> From {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let named = [".clab.yml", ".clab.yaml"].iter().any(|end| name.ends_with(end));
    if named || source.lines().any(|line| line.starts_with("topology:")) {
        From::Containerlab
    } else {
        From::Compose
    }
}

/// What the lab is called if the file does not say: as Compose does, after the directory; else after the file.
fn name(path: &Path, from: From) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match from {
        From::Compose => whole.parent().map_or_else(|| name_of(path), name_of),
        From::Containerlab => {
            let text = whole.to_string_lossy().into_owned();
            let stem = [".clab.yml", ".clab.yaml"].iter().find_map(|end| text.strip_suffix(end));
            name_of(Path::new(stem.unwrap_or(&text)))
        }
    }
}

fn wrong(errors: &[FileError], source: &str, shown: &str) -> Failure {
    let count = many(errors.len() as u64, "error");
    let error = ApiError::new(ErrorKind::InvalidFile, format!("{shown} has {count}; nothing was written."));
    Failure::from(error.findings(findings(errors, source, shown))).in_text(shown, source)
}

/// What was not carried over.
fn said(made: &Imported, source: &str, shown: &str) {
    for note in &made.notes {
        let (line, _) = line_column(source, note.span.start);
        output::note(&format!("{shown}:{line}: {}: {}", note.what, note.why));
    }
    if !made.notes.is_empty() {
        output::note(&format!("{} above.", many(made.notes.len() as u64, "remark")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_shows_in_its_name_or_text() {
        assert_eq!(guess("a.clab.yml".as_ref(), ""), From::Containerlab);
        assert_eq!(guess("a.yml".as_ref(), "name: x\ntopology:\n"), From::Containerlab);
        assert_eq!(guess("docker-compose.yml".as_ref(), "services:\n  topology: {}\n"), From::Compose);
    }

    #[test]
    fn a_lab_is_called_as_there() {
        assert_eq!(name("/srv/My_Shop/compose.yml".as_ref(), From::Compose), "my-shop");
        assert_eq!(name("/srv/x/fabric.clab.yml".as_ref(), From::Containerlab), "fabric");
    }
}

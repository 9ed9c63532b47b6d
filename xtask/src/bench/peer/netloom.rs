//! netloom: the release binary, a lab of two named namespaces.

use std::path::PathBuf;
use std::process::Command;

use super::{Bed, Rest};
use crate::bench::shell::{self, Netns};
use crate::run::{self, Failed};

/// A running lab, taken down when dropped.
#[derive(Debug)]
pub(in crate::bench) struct Lab {
    name: String,
    file: PathBuf,
}

/// The release binary.
pub(in crate::bench) fn program() -> PathBuf {
    run::root().join("target/release/netloom")
}

impl Lab {
    /// Brings up a lab from its text.
    ///
    /// # Errors
    /// [`Failed::Check`] with what netloom printed.
    pub(in crate::bench) fn up(short: &str, text: &str) -> Result<Self, Failed> {
        let name = format!("nlb{}-{short}", std::process::id());
        let file = std::env::temp_dir().join(format!("{name}.loom.yml"));
        std::fs::write(&file, text)
            .map_err(|source| Failed::File { path: file.display().to_string(), source })?;
        let lab = Self { name, file };
        let mut up = Command::new(program());
        shell::finish("netloom up", up.arg("up").arg(&lab.file).args(["--name", &lab.name]))?;
        Ok(lab)
    }

    /// Runs a verb on the lab and returns what it printed.
    ///
    /// # Errors
    /// [`Failed::Check`] with what netloom printed.
    pub(in crate::bench) fn verb(&self, words: &[&str]) -> Result<String, Failed> {
        shell::finish(&words.join(" "), Command::new(program()).args(["-l", &self.name]).args(words))
    }

    /// The daemon's process id.
    ///
    /// # Errors
    /// [`Failed::Check`] if there is none.
    pub(in crate::bench) fn pid(&self) -> Result<u32, Failed> {
        let file = PathBuf::from("/run/netloom").join(&self.name).join("pid");
        let text = std::fs::read_to_string(&file)
            .map_err(|source| Failed::File { path: file.display().to_string(), source })?;
        text.split_whitespace().next().and_then(|w| w.parse().ok()).ok_or_else(|| Failed::Check(text.clone()))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = Command::new(program()).args(["down", &self.name]).output();
        let _ = std::fs::remove_file(&self.file);
    }
}

pub(super) fn up() -> Result<Bed, Failed> {
    let id = std::process::id();
    let (one, two) = (format!("nlb{id}-h1"), format!("nlb{id}-h2"));
    let text = format!(
        "netloom: 1\nname: bench\nnodes:\n  h1: {{ netns: {one}, ip: 10.0.0.1/24 }}\n  h2: {{ netns: {two}, ip: 10.0.0.2/24 }}\nswitches: {{ s1: {{}} }}\nlinks: [h1 -- s1, h2 -- s1]\n"
    );
    let lab = Lab::up("pair", &text)?;
    let pid = lab.pid()?;
    Ok(Bed {
        hosts: [Netns::borrowed(&one), Netns::borrowed(&two)],
        switch: vec![pid],
        rest: Rest::Lab { _lab: lab },
    })
}

//! `runc` and `crun`: a bundle for each container, made of what `runc spec` writes.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::bed::{Bed, INSIDE};
use crate::bench::shell;
use crate::run::Failed;

/// A runtime with a place for the state of its containers.
pub(super) struct Runtime<'b> {
    bed: &'b Bed,
    /// The program.
    pub(super) name: &'static str,
}

impl<'b> Runtime<'b> {
    /// The runtime, if it runs a container here; else what it says.
    pub(super) fn find(bed: &'b Bed, name: &'static str) -> Result<Self, String> {
        let runtime = Self { bed, name };
        let tried = runtime.bundle("trial").and_then(|()| {
            let command = runtime.start("trial");
            bed.until_running(&["trial"], vec![command])
        });
        // Also if it failed: the state of a half-made container would be in the way.
        let deleted = runtime.delete("trial");
        match tried.and(deleted) {
            Ok(()) => Ok(runtime),
            Err(error) => Err(runtime.complaint().unwrap_or_else(|| error.to_string())),
        }
    }

    /// Makes the bundle of a container.
    ///
    /// # Errors
    /// [`Failed::Check`] if `runc spec` fails, [`Failed::File`].
    pub(super) fn bundle(&self, name: &str) -> Result<(), Failed> {
        let dir = self.folder(name);
        let file = dir.join("config.json");
        let failed = |source| Failed::File { path: file.display().to_string(), source };
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).map_err(failed)?;
        shell::sh(&format!("runc spec --bundle {}", dir.display()))?;
        let text = std::fs::read(&file).map_err(failed)?;
        let mut config: Value = serde_json::from_slice(&text).unwrap_or_default();
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(Bed::entrypoint(name));
        config["root"] = json!({ "path": self.bed.root(), "readonly": false });
        if let Some(mounts) = config["mounts"].as_array_mut() {
            mounts.push(json!({
                "destination": INSIDE, "type": "bind", "source": self.bed.pipes(), "options": ["bind", "rw"]
            }));
        }
        std::fs::write(&file, config.to_string()).map_err(failed)
    }

    /// The command that starts a container.
    pub(super) fn start(&self, name: &str) -> Command {
        let mut command = self.command();
        command.args(["run", "--detach", "--bundle"]).arg(self.folder(name)).arg(id(name));
        command
    }

    /// Ends a container.
    ///
    /// # Errors
    /// [`Failed::Check`] with what it says.
    pub(super) fn delete(&self, name: &str) -> Result<(), Failed> {
        shell::finish("delete", self.command().args(["delete", "--force", &id(name)])).map(drop)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.name);
        command.arg("--root").arg(self.bed.dir().join(self.name).join("state"));
        command
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.bed.dir().join(self.name).join(name)
    }

    /// What it says of a container that it does not start.
    fn complaint(&self) -> Option<String> {
        let output = self.start("trial").output().ok()?;
        let _ = self.delete("trial");
        let text = String::from_utf8_lossy(&output.stderr);
        text.lines().last().map(str::to_owned).filter(|line| !line.is_empty())
    }
}

/// Containers of all bundles of a runtime share control groups named after them: this process's own names.
fn id(name: &str) -> String {
    format!("nlb{}-{name}", std::process::id())
}

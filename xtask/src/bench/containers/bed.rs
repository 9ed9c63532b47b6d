//! The root file system of every container of this bench, and how each tells that its entrypoint runs: it writes a line
//! into a named pipe, at whose other end the bench waits.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::bench::{now, shell};
use crate::run::Failed;

/// Where Debian's busybox-static has its program.
const BUSYBOX: &str = "/usr/bin/busybox";
/// Where containers find the pipes.
pub(super) const INSIDE: &str = "/ready";

/// A directory with a root file system and pipes; gone when dropped.
pub(super) struct Bed {
    dir: PathBuf,
}

impl Bed {
    /// Makes it.
    ///
    /// # Errors
    /// [`Failed::File`].
    pub(super) fn make() -> Result<Self, Failed> {
        let bed = Self { dir: std::env::temp_dir().join(format!("nlb{}-containers", std::process::id())) };
        let root = bed.root();
        let made = || {
            for dir in ["bin", "dev", "etc", "proc", "ready", "root", "sys", "tmp"] {
                std::fs::create_dir_all(root.join(dir))?;
            }
            std::fs::create_dir_all(bed.pipes())?;
            std::fs::copy(BUSYBOX, root.join("bin/busybox"))?;
            std::fs::set_permissions(root.join("bin/busybox"), std::fs::Permissions::from_mode(0o755))?;
            ["sh", "sleep"].iter().try_for_each(|name| symlink("busybox", root.join("bin").join(name)))
        };
        made().map_err(|source| Failed::File { path: root.display().to_string(), source })?;
        Ok(bed)
    }

    /// The root file system.
    pub(super) fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// Shown in containers as [`INSIDE`].
    pub(super) fn pipes(&self) -> PathBuf {
        self.dir.join("ready")
    }

    /// A directory for what else is needed.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// An entrypoint that says so when it runs, and stays.
    pub(super) fn entrypoint(name: &str) -> [String; 3] {
        let command = format!("echo > {INSIDE}/{name}; exec sleep 100000");
        ["/bin/sh".to_owned(), "-c".to_owned(), command]
    }

    /// Runs the commands at once; seconds until the entrypoints of all `names` run.
    ///
    /// # Errors
    /// [`Failed::Check`] with what a command printed.
    pub(super) fn until_running(&self, names: &[&str], commands: Vec<Command>) -> Result<f64, Failed> {
        let mut pipes = names.iter().map(|name| self.pipe(name)).collect::<Result<Vec<_>, _>>()?;
        let ears = pipes.iter().map(listener).collect::<Result<Vec<_>, _>>()?;
        let start = now();
        let begun: Vec<_> = commands.into_iter().map(begin).collect();
        let mut failed = None;
        for child in begun {
            if let Err(why) = child.and_then(end) {
                failed = Some(why);
            }
        }
        if failed.is_some() {
            // Nobody else writes for it: let go of the listeners.
            for pipe in &mut pipes {
                let _ = pipe.write_all(b"\n");
            }
        }
        let mut last = start;
        for ear in ears {
            last = last.max(ear.join().unwrap_or(start));
        }
        failed.map_or_else(|| Ok((last - start).as_secs_f64()), Err)
    }

    /// The pipe of a container, open at both ends, so that opening waits for nobody.
    ///
    /// # Errors
    /// [`Failed`] if it cannot be made.
    pub(super) fn pipe(&self, name: &str) -> Result<File, Failed> {
        let path = self.pipes().join(name);
        if !path.exists() {
            shell::sh(&format!("mkfifo {}", path.display()))?;
        }
        let pipe = File::options().read(true).write(true).open(&path);
        pipe.map_err(|source| Failed::File { path: path.display().to_string(), source })
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A thread that waits for the line and says when it came.
fn listener(pipe: &File) -> Result<std::thread::JoinHandle<std::time::Instant>, Failed> {
    let mut pipe =
        pipe.try_clone().map_err(|source| Failed::File { path: "a named pipe".to_owned(), source })?;
    Ok(std::thread::spawn(move || {
        // A pipe that is open at both ends has no end and fails at nothing.
        let _ = pipe.read_exact(&mut [0]);
        now()
    }))
}

fn begin(mut command: Command) -> Result<(String, Child), Failed> {
    let what = format!("{command:?}");
    // Not a pipe for what it prints: a container that stays would hold its end.
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    child.map(|child| (what.clone(), child)).map_err(|source| Failed::Start { program: what, source })
}

fn end((what, mut child): (String, Child)) -> Result<(), Failed> {
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed::Status { what, status }),
        Err(source) => Err(Failed::Start { program: what, source }),
    }
}

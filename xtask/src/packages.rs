//! Debian packages that tests and benches drive: named when missing, installed when that is allowed.

use std::path::Path;

use crate::run::{self, Failed};

/// A program and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needed {
    /// Looked up in `PATH`, `/usr/sbin` and `/sbin`. With slashes: a file, in whose name `*` stands for anything.
    pub(crate) program: &'static str,
    /// Its Debian package.
    pub(crate) package: &'static str,
}

/// Whether `program` is on this machine.
pub(crate) fn has(program: &str) -> bool {
    if let Some((folder, name)) = program.rsplit_once('/') {
        let (front, back) = name.split_once('*').unwrap_or((name, ""));
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        return files.filter_map(|file| file.file_name().into_string().ok()).any(|file| {
            file.len() >= front.len() + back.len() && file.starts_with(front) && file.ends_with(back)
        });
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

/// Makes sure that `needed` is there as far as it may; returns the packages still missing.
///
/// # Errors
/// [`Failed`] when an installation that was allowed fails.
pub(crate) fn ensure(needed: &[Needed], install: bool) -> Result<Vec<&'static str>, Failed> {
    let missing = missing(needed);
    if missing.is_empty() {
        return Ok(missing);
    }
    println!("packages: missing {}", missing.join(", "));
    if !install || !run::is_root() || !Path::new("/etc/debian_version").exists() {
        println!(
            "packages: not installed (as root on Debian or Ubuntu: apt-get install {})",
            missing.join(" ")
        );
        return Ok(missing);
    }
    let mut update = run::command("apt-get", &["update", "--quiet"]);
    run::step("apt-get update", &mut update)?;
    let mut args = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    args.extend(&missing);
    let mut install = run::command("apt-get", &args);
    run::step("apt-get install", install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(self::missing(needed))
}

fn missing(needed: &[Needed]) -> Vec<&'static str> {
    needed.iter().filter(|n| !has(n.program)).map(|n| n.package).collect()
}

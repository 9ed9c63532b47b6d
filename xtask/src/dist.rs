//! `cargo xtask dist`: one static binary, its man pages and completions.

use std::path::Path;

use crate::run::{self, Failed};

/// Shells that completions are made for.
const SHELLS: &[(&str, &str)] = &[("bash", "netloom.bash"), ("zsh", "_netloom"), ("fish", "netloom.fish")];

/// Builds into target/dist and packs it.
///
/// # Errors
/// [`Failed`] of the step that failed.
pub(crate) fn run() -> Result<(), Failed> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut build = run::cargo(&["build", "--release", "--locked", "--bin", "netloom", "--target", &target]);
    run::step("static binary", build.env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
    let binary = run::root().join("target").join(&target).join("release/netloom");
    let dist = run::root().join("target/dist");
    let name = format!("netloom-{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let folder = dist.join(&name);
    make(&folder.join("completions"))?;
    make(&folder.join("man"))?;
    let copied = std::fs::copy(&binary, folder.join("netloom"));
    copied.map_err(|source| Failed::File { path: "target/dist".to_owned(), source })?;
    let program = binary.to_string_lossy().into_owned();
    for (shell, file) in SHELLS {
        let text = run::output("completion", &mut run::command(&program, &["completion", shell]))?;
        write(&folder.join("completions").join(file), &text)?;
    }
    let man = folder.join("man").to_string_lossy().into_owned();
    run::step("man pages", &mut run::command(&program, &["man", &man]))?;
    for file in ["LICENSE-MIT", "LICENSE-APACHE", "README.md"] {
        write(&folder.join(file), run::read(file)?.as_bytes())?;
    }
    let archive = format!("{name}.tar.gz");
    let mut tar = run::command("tar", &["--create", "--gzip", "--file", &archive, &name]);
    run::step("archive", tar.current_dir(&dist))?;
    println!("target/dist/{archive}");
    Ok(())
}

fn make(folder: &Path) -> Result<(), Failed> {
    let made = std::fs::create_dir_all(folder);
    made.map_err(|source| Failed::File { path: folder.display().to_string(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failed> {
    std::fs::write(path, bytes).map_err(|source| Failed::File { path: path.display().to_string(), source })
}

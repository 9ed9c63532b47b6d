//! `cargo xtask docs`: rustdoc with warnings as errors, and files that are made from the code.

use crate::run::{self, Failed};

/// Options of `cargo xtask docs`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail if a generated file is out of date.
    #[arg(long)]
    pub(crate) check: bool,
}

/// Generated files: where they are and the netloom command that prints them.
const GENERATED: &[(&str, &[&str])] =
    &[("docs/lab-file.schema.json", &["schema"]), ("docs/commands.md", &["reference"])];

/// Builds the documentation.
///
/// # Errors
/// [`Failed`] if rustdoc warns, or with `--check` if a generated file differs.
pub(crate) fn run(args: &Args) -> Result<(), Failed> {
    let mut doc = run::cargo(&["doc", "--workspace", "--no-deps", "--locked"]);
    run::step("documentation", doc.env("RUSTDOCFLAGS", "--deny warnings"))?;
    for (path, command) in GENERATED {
        let mut line = vec!["run", "--quiet", "--locked", "--bin", "netloom", "--"];
        line.extend(*command);
        let fresh = run::output(path, &mut run::cargo(&line))?;
        update(path, &fresh, args.check)?;
    }
    Ok(())
}

fn update(path: &str, fresh: &[u8], check: bool) -> Result<(), Failed> {
    let file = run::root().join(path);
    if std::fs::read(&file).is_ok_and(|old| old == fresh) {
        return Ok(());
    }
    if check {
        return Err(Failed::Check(format!("{path} is out of date: run `cargo xtask docs`")));
    }
    std::fs::write(&file, fresh).map_err(|source| Failed::File { path: path.to_owned(), source })?;
    println!("wrote {path}");
    Ok(())
}

//! `netloom reference`: docs/commands.md, made from the same definitions as `--help`.

use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use crate::args::Args;
use crate::exit::{DONE, Outcome};
use crate::output;

/// Arguments of `reference`.
#[derive(Debug, clap::Args)]
pub(crate) struct Reference {}

impl Reference {
    #[expect(clippy::unused_self, reason = "all verbs are called alike")]
    pub(crate) fn run(self) -> Outcome {
        output::put(&text(Args::definition()));
        Ok(DONE)
    }
}

const HEAD: &str = "\
# The command line

Made by `cargo xtask docs` from what `netloom --help` prints. A verb is here only if it works.

Data goes to standard output, progress and errors to standard error. Where a verb takes `-o json`, the document
carries `\"schema\": 1` and only ever grows. `NO_COLOR` is respected.

Which lab: `-l LAB`, else `$NETLOOM_LAB`, else the lab of the one `*.loom.yml` here if it is up, else the only one
that is up, else an error that lists them.

| exit code | |
|---|---|
| 0 | done |
| 1 | asked, and the answer is no: an expectation, a lost ping |
| 2 | usage, or an invalid file |
| 3 | could not be done, and was undone |
| 4 | the machine lacks something |
| 5 | the links were not faithful |
| 124 | timeout |
| 130 | interrupted, after cleaning up |

`exec` and `shell` exit with the program's own code, 125 if netloom itself failed, 126 and 127 as in a shell.
";

fn text(mut command: Command) -> String {
    command.build();
    let mut out = HEAD.to_owned();
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        section(verb, "##", &format!("netloom {}", verb.get_name()), &mut out);
    }
    out
}

fn section(command: &Command, level: &str, name: &str, out: &mut String) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let _ = write!(out, "\n{level} {name}\n{about}.\n\n```text\n{usage}\n```\n");
    let args: Vec<_> = command.get_arguments().filter(|arg| is_told(arg)).collect();
    if !args.is_empty() {
        out.push_str("\n| | |\n|---|---|\n");
    }
    for arg in args {
        let _ = writeln!(out, "| `{}` | {} |", cell(&spelled(arg)), cell(&help(arg)));
    }
    if let Some(after) = command.get_after_help() {
        let _ = write!(out, "\n```text\n{}\n```\n", after.to_string().trim());
    }
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        section(verb, &format!("{level}#"), &format!("{name} {}", verb.get_name()), out);
    }
}

/// What every verb has is said once, at the top.
fn is_told(arg: &Arg) -> bool {
    !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version" | "lab")
}

/// `-o, --output FORMAT`
fn spelled(arg: &Arg) -> String {
    let value = || {
        let names =
            arg.get_value_names().map(|names| names.iter().map(|n| format!(" {n}")).collect::<String>());
        if matches!(arg.get_action(), ArgAction::SetTrue) { String::new() } else { names.unwrap_or_default() }
    };
    match (arg.get_short(), arg.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}{}", value()),
        (Some(short), None) => format!("-{short}{}", value()),
        (None, Some(long)) => format!("--{long}{}", value()),
        (None, None) => value().trim().to_owned(),
    }
}

fn help(arg: &Arg) -> String {
    let mut out = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let possible: Vec<_> =
        arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if !matches!(arg.get_action(), ArgAction::SetTrue) && !possible.is_empty() {
        let _ = write!(out, ": {}", possible.join(", "));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !matches!(arg.get_action(), ArgAction::SetTrue) && !defaults.is_empty() {
        let _ = write!(out, " [default: {}]", defaults.join(" "));
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_and_option_is_in_the_reference() {
        let text = text(Args::definition());
        let mut command = Args::definition();
        command.build();
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            assert!(text.contains(&format!("\n## netloom {}\n", verb.get_name())), "{}", verb.get_name());
            for long in verb.get_arguments().filter(|arg| is_told(arg)).filter_map(Arg::get_long) {
                assert!(text.contains(&format!("--{long}")), "{} --{long}", verb.get_name());
            }
        }
        assert!(!text.contains("netloom daemon") && !text.contains("netloom reference"));
    }
}

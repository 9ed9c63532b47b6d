//! The netloom command: one file per verb in [`cmd`].

mod args;
mod client;
mod cmd;
mod exit;
mod graph;
mod http;
mod interrupt;
mod junit;
mod labfile;
mod lifecycle;
mod mn;
mod output;
mod prompt;
mod stand_in;
mod terminal;
mod which;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = stand_in::run() {
        return ExitCode::from(code);
    }
    let args = match args::Args::parse_checked() {
        Ok(args) => args,
        Err(error) => {
            // Help and version are data, the rest is a usage error: clap knows which stream, we know the code.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE });
        }
    };
    let exec = args.verb.is_exec();
    match args.run() {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let text = output::report::render(&failure, output::Style::stderr());
            output::note(text.trim_end());
            ExitCode::from(if exec { exit::EXEC } else { exit::code(failure.error.kind) })
        }
    }
}

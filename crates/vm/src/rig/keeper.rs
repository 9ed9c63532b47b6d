//! What becomes QEMU, and ends with who started it, however that ends: a child cannot be told to before it runs.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use netloom_sys::privileges;

/// This binary again, which becomes QEMU with these arguments. Its standard output is the caller's standard error.
#[must_use]
pub fn keeper(qemu: &Path, args: &[String]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["guest", "qemu"]).arg(std::process::id().to_string()).arg(qemu).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    // Ctrl-C is for the program in the guest, not for the machine.
    command.process_group(0);
    command
}

/// Becomes what `words` say: the parent's number, a program, its arguments. Returns only if that fails, with an exit code.
#[must_use]
pub fn become_qemu(words: &[String]) -> i32 {
    let [parent, program, args @ ..] = words else { return 2 };
    if privileges::die_with_parent().is_err() {
        return 125;
    }
    // Who ended before this was said is not seen to end.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if now.is_none_or(|now| now.to_string() != *parent) {
        return 125;
    }
    let error = Command::new(program).args(args).exec();
    crate::guest::say(&format!("Cannot start {program}: {error}"));
    127
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_started_for_who_has_ended() {
        let words = ["0", "/bin/false"].map(str::to_owned);
        assert_eq!(become_qemu(&words), 125);
        assert_eq!(become_qemu(&[]), 2);
    }
}

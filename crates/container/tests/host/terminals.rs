//! Programs on a terminal.

use std::fs::File;
use std::io::{Read, Write};

use netloom_container::{Ending, ProcessSpec, Spawned, Spawner, TerminalSize};

use crate::Test;
use crate::lab::Lab;

pub(crate) const TESTS: &[Test] = &[
    ("a_terminal_has_a_name_and_a_size", a_terminal_has_a_name_and_a_size),
    ("a_resize_is_told_to_the_program", a_resize_is_told_to_the_program),
    ("control_c_interrupts_the_foreground_job_only", control_c_interrupts_the_foreground_job_only),
    ("closing_the_terminal_hangs_up", closing_the_terminal_hangs_up),
];

fn start(lab: &Lab, argv: &[&str]) -> (Spawned, File) {
    let mut process = ProcessSpec::new(argv.iter().copied());
    process.env.push(("TERM".to_owned(), "dumb".to_owned()));
    process.env.push(("PS1".to_owned(), "> ".to_owned()));
    process.terminal = Some(TerminalSize { rows: 33, columns: 111 });
    let mut spawned = lab.start_in(&lab.host(), &process, None).expect("it starts");
    let terminal = File::from(spawned.started.terminal.take().expect("a terminal"));
    (spawned, terminal)
}

/// Reads until `wanted` was seen, or to the end.
fn read_until(mut terminal: &File, wanted: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 256];
    while wanted.is_empty() || !text.contains(wanted) {
        // EIO: the last program has closed its side.
        match terminal.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => text.push_str(&String::from_utf8_lossy(&buffer[..length])),
        }
    }
    assert!(text.contains(wanted), "{wanted:?} is missing in {text:?}");
    text
}

fn a_terminal_has_a_name_and_a_size(lab: &Lab) {
    let (program, terminal) =
        start(lab, &["sh", "-c", "tty; stty size; test -t 0 -a -t 1 -a -t 2; exit $((7 + $?))"]);
    assert_eq!(read_until(&terminal, ""), "/dev/pts/0\r\n33 111\r\n");
    assert_eq!(program.wait(), Ending::Code(7));
}

fn a_resize_is_told_to_the_program(lab: &Lab) {
    let script = "trap 'stty size; exit' WINCH; echo up; while :; do sleep 0.05; done";
    let (program, terminal) = start(lab, &["sh", "-c", script]);
    read_until(&terminal, "up");
    Spawner::resize(&terminal, TerminalSize { rows: 50, columns: 200 }).expect("a new size");
    read_until(&terminal, "50 200");
    assert_eq!(program.wait(), Ending::Code(0));
}

fn control_c_interrupts_the_foreground_job_only(lab: &Lab) {
    let (program, mut terminal) = start(lab, &["sh", "-i"]);
    read_until(&terminal, "> ");
    // Typed words are echoed: what is printed must differ from what was typed. The job speaks once it is in the foreground.
    terminal.write_all(b"sh -c 'echo re\"\"ady; exec sleep 100'\n").expect("it reads");
    read_until(&terminal, "ready\r\n");
    terminal.write_all(b"\x03").expect("it reads");
    terminal.write_all(b"echo al\"\"ive\n").expect("it reads");
    read_until(&terminal, "alive\r\n");
    terminal.write_all(b"exit 9\n").expect("it reads");
    read_until(&terminal, "");
    assert_eq!(program.wait(), Ending::Code(9));
}

fn closing_the_terminal_hangs_up(lab: &Lab) {
    let (program, terminal) = start(lab, &["sleep", "100"]);
    drop(terminal);
    assert_eq!(program.wait(), Ending::Signal(1));
}

//! What netloom itself does in a guest, once: `netloom guest WORD`, told by standard input.

use netloom_sys::clock;
use netloom_vm::frame::{CHUNK, Frame, Open, WINDOW};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Machine;

/// Bytes of a complaint that are kept.
const MOST_SAID: usize = 1_024;

impl Machine {
    /// Runs netloom in the guest with this word and input, whose agent is up; for so many nanoseconds at most.
    ///
    /// # Errors
    /// In words: what it said, or that it does not end.
    pub(super) fn run_own(&self, word: &str, input: &[u8], patience: u64) -> Result<(), String> {
        let open = Open { argv: vec![word.to_owned()], own: true, ..Open::default() };
        let program = self.open(open).map_err(|error| error.to_string())?;
        // An empty frame is the end of it.
        let mut chunks = input.chunks(CHUNK).chain([&[][..]]).peekable();
        let (until, mut room, mut said) = (clock::now().saturating_add(patience), WINDOW, Vec::new());
        loop {
            while room > 0 {
                let Some(chunk) = chunks.next() else { break };
                program.say(Frame::Stdin(chunk.to_vec()));
                room -= 1;
            }
            while let Some(frame) = program.poll() {
                match frame {
                    Frame::Stdout(bytes) | Frame::Stderr(bytes) => {
                        program.taken();
                        said.extend(bytes.into_iter().take(MOST_SAID.saturating_sub(said.len())));
                    }
                    Frame::Taken => room = (room + 1).min(WINDOW),
                    Frame::Exit(0) => return Ok(()),
                    Frame::Exit(_) => return Err(words(&said)),
                    _ => {}
                }
            }
            if room > 0 && chunks.peek().is_some() {
                continue;
            }
            let now = clock::now();
            if now >= until {
                return Err("it does not answer".to_owned());
            }
            let left = Timespec::try_from(std::time::Duration::from_nanos(until - now)).ok();
            // Woken or not, what was heard is looked at.
            let _ = poll(&mut [PollFd::from_borrowed_fd(program.ready(), PollFlags::IN)], left.as_ref());
        }
    }
}

/// What a guest complains of, in one line without anything that a terminal would obey.
fn words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says not why");
    let line = line.trim().trim_start_matches("netloom: ");
    line.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_one_harmless_line() {
        assert_eq!(words(b"first\nnetloom: \x1b[2Jeth1: no device\r\n\n"), "[2Jeth1: no device");
        assert_eq!(words(b""), "it says not why");
        assert!(words(&[b'x'; 1_024]).len() <= 200);
    }
}

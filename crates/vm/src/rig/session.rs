//! The conversation with the agent of a rig, one program after another: bytes in, bytes out.
//!
//! Unlike the daemon's it has nobody else to be fair to. What the guest says is hostile all the same: it is bounded by the
//! decoder, and frames of other programs than the one that runs are passed over.

use std::mem;

use crate::frame::{BadFrame, CHUNK, Decoder, Frame, Open, WINDOW};

/// What was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The agent listens.
    Up,
    /// The program's output.
    Stdout(Vec<u8>),
    /// Its error output.
    Stderr(Vec<u8>),
    /// It has ended, with a shell's `$?`.
    Exit(i32),
}

/// One program at a time in a guest.
#[derive(Debug, Default)]
pub struct Session {
    decoder: Decoder,
    out: Vec<u8>,
    /// The number of the program that runs, or ran last.
    number: u32,
    /// Frames of its input that it may be sent.
    room: usize,
}

impl Session {
    /// Takes what was read. Take out all that was said with [`Self::poll`] before the next call.
    pub fn push(&mut self, bytes: &[u8]) {
        self.decoder.push(bytes);
    }

    /// What was said next; `None`: more must be read.
    ///
    /// # Errors
    /// [`BadFrame`], now and ever after.
    pub fn poll(&mut self) -> Result<Option<Said>, BadFrame> {
        while let Some((number, frame)) = self.decoder.poll()? {
            if frame == Frame::Hello {
                return Ok(Some(Said::Up));
            }
            if number != self.number {
                continue;
            }
            match frame {
                Frame::Stdout(bytes) => return Ok(Some(self.took(Said::Stdout(bytes)))),
                Frame::Stderr(bytes) => return Ok(Some(self.took(Said::Stderr(bytes)))),
                Frame::Exit(code) => {
                    self.room = 0;
                    return Ok(Some(Said::Exit(code)));
                }
                Frame::Taken => self.room = (self.room + 1).min(WINDOW),
                _ => {}
            }
        }
        Ok(None)
    }

    fn took(&mut self, said: Said) -> Said {
        self.say(&Frame::Taken);
        said
    }

    /// Runs a program; whether it could be said, which a command of more than 64 KiB cannot.
    pub fn run(&mut self, open: Open) -> bool {
        if !Frame::fits(&open) {
            return false;
        }
        self.number += 1;
        self.room = WINDOW;
        self.say(&Frame::Open(Box::new(open)));
        true
    }

    /// How many bytes of input it takes now, in one piece; 0: it has not taken what it was sent.
    #[must_use]
    pub const fn takes(&self) -> usize {
        if self.room == 0 { 0 } else { CHUNK }
    }

    /// Sends it input, of no more bytes than it [`takes`](Self::takes); none is the end of it.
    pub fn input(&mut self, bytes: &[u8]) {
        self.room = self.room.saturating_sub(1);
        self.say(&Frame::Stdin(bytes.to_vec()));
    }

    /// Sends it a signal.
    pub fn signal(&mut self, number: u8) {
        self.say(&Frame::Signal(number));
    }

    /// Tells its terminal another size, rows and columns.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        self.say(&Frame::Resize(rows, columns));
    }

    /// Takes the bytes that are to be written; [`Self::unwritten`] puts back what could not be.
    pub fn output(&mut self) -> Vec<u8> {
        mem::take(&mut self.out)
    }

    /// Puts back what could not be written.
    pub fn unwritten(&mut self, mut bytes: Vec<u8>) {
        bytes.append(&mut self.out);
        self.out = bytes;
    }

    /// Whether there are bytes to be written.
    #[must_use]
    pub const fn has_output(&self) -> bool {
        !self.out.is_empty()
    }

    fn say(&mut self, frame: &Frame) {
        frame.emit(self.number, &mut self.out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(frames: &[(u32, Frame)]) -> Vec<u8> {
        let mut wire = Vec::new();
        frames.iter().for_each(|(number, frame)| frame.emit(*number, &mut wire));
        wire
    }

    fn heard(session: &mut Session) -> Vec<Said> {
        std::iter::from_fn(|| session.poll().unwrap()).collect()
    }

    #[test]
    fn a_program_is_run_heard_and_ends() {
        let mut session = Session::default();
        session.push(&wire(&[(0, Frame::Hello)]));
        assert_eq!(heard(&mut session), [Said::Up]);
        let open = Open { argv: vec!["ls".to_owned()], ..Open::default() };
        assert!(session.run(open.clone()));
        assert_eq!(session.output(), wire(&[(1, Frame::Open(Box::new(open)))]));
        let said = [(1, Frame::Stdout(b"x".to_vec())), (9, Frame::Exit(3)), (1, Frame::Exit(7))];
        session.push(&wire(&said));
        assert_eq!(
            heard(&mut session),
            [Said::Stdout(b"x".to_vec()), Said::Exit(7)],
            "another's end is none"
        );
        assert_eq!(session.output(), wire(&[(1, Frame::Taken)]));
        assert!(!session.run(Open { argv: vec!["x".repeat(1 << 17)], ..Open::default() }));
    }

    #[test]
    fn no_more_input_is_sent_than_is_taken() {
        let mut session = Session::default();
        assert_eq!(session.takes(), 0, "nobody is there");
        assert!(session.run(Open::default()));
        for _ in 0..WINDOW {
            assert!(session.takes() > 0);
            session.input(b"x");
        }
        assert_eq!(session.takes(), 0);
        session.push(&wire(&[(1, Frame::Taken)]));
        assert_eq!((heard(&mut session).len(), session.takes()), (0, CHUNK));
        session.push(&wire(&[(1, Frame::Exit(0))]));
        assert_eq!((heard(&mut session).len(), session.takes()), (1, 0));
    }

    #[test]
    fn what_is_not_written_comes_first_again() {
        let mut session = Session::default();
        session.signal(2);
        let all = session.output();
        assert!(!session.has_output());
        session.resize(24, 80);
        session.unwritten(all[4..].to_vec());
        let expected = [&all[4..], &wire(&[(0, Frame::Resize(24, 80))])].concat();
        assert_eq!(session.output(), expected);
    }

    #[test]
    fn nonsense_ends_the_conversation() {
        let mut session = Session::default();
        session.push(&[0xff; 64]);
        assert!(session.poll().is_err() && session.poll().is_err());
    }
}

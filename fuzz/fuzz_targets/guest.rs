//! Anything at all as what QEMU says on its control socket, as what an agent in a guest says, and as a program to be taken
//! into a guest: nothing panics, and nobody who speaks without end takes memory without end.
//!
//! Layout of an input: 1 byte (even: QMP; odd: frames), 1 byte (the size of the pieces), and the bytes of it. All of it is
//! also read as a program.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom_vm::frame::Decoder;
use netloom_vm::qmp::{MAX_LINE, Qmp};

fuzz_target!(|input: &[u8]| {
    let _ = netloom_vm::elf::parse(input);
    let Some((&[which, size], bytes)) = input.split_first_chunk::<2>() else { return };
    let pieces = bytes.chunks(usize::from(size).max(1));
    if which % 2 == 0 {
        let mut qmp = Qmp::default();
        qmp.command("query-status", serde_json::Value::Null);
        for piece in pieces {
            let before = qmp.output().len();
            if qmp.push(piece, |_| ()).is_err() {
                assert!(qmp.push(b"{}\n", |_| ()).is_err(), "nonsense stays nonsense");
                return;
            }
            assert!(qmp.output().len() - before <= MAX_LINE);
        }
        return;
    }
    let mut decoder = Decoder::default();
    for piece in pieces {
        decoder.push(piece);
        while let Ok(Some((session, frame))) = decoder.poll() {
            let mut out = Vec::new();
            frame.emit(session, &mut out);
            let mut again = Decoder::default();
            again.push(&out);
            assert_eq!(again.poll(), Ok(Some((session, frame))), "what is written is what was read");
        }
    }
});

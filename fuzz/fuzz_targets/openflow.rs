//! Anything at all as messages of OpenFlow, in every version and on both sides of a session.
//!
//! Layout of an input: 1 byte how it is spoken (bits 0-2 version, bit 3 flows as NXM, bit 4 flow mods name a table,
//! bits 5-6 form of packets, bit 7 over and over again), 1 byte how many bytes come at once, the rest is the stream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom_flow::Nanos;
use netloom_openflow::msg::{FlowFormat, PacketInFormat};
use netloom_openflow::session::{Event, Session, Settings};
use netloom_openflow::wire::{Protocol, decode, encode};
use netloom_openflow::{Message, Version, Versions, Xid};

fuzz_target!(|input: &[u8]| {
    let Some(([how, step], stream)) = input.split_first_chunk::<2>() else { return };
    let version = Version::ALL[usize::from(how & 7) % 6];
    let protocol = Protocol {
        version,
        flow_format: if how & 8 == 0 { FlowFormat::OpenFlow10 } else { FlowFormat::Nxm },
        flow_mod_table_id: how & 16 != 0,
        packet_in_format: match how >> 5 & 3 {
            0 => PacketInFormat::Standard,
            1 => PacketInFormat::Nxt,
            _ => PacketInFormat::Nxt2,
        },
    };
    one_message(&protocol, stream);
    whole_stream(version, usize::from(*step).max(1), stream);
    if how & 128 != 0 {
        read_elsewhere(version, stream);
    }
});

/// What is read can be said, and what was said is read again and said alike.
fn one_message(protocol: &Protocol, bytes: &[u8]) {
    let Ok(message) = decode(protocol, bytes) else { return };
    // Hellos and errors are read in any version; what they say in another may have no number in ours.
    if bytes[0] != protocol.version.wire() {
        return;
    }
    let Some(first) = said(protocol, &message) else { return };
    // A long reply becomes several frames, of which the first is read again.
    let Ok(again) = decode(protocol, &first) else { return };
    if let Some(second) = said(protocol, &again) {
        assert_eq!(first, second, "{message:?}\n{again:?}");
    }
}

fn said(protocol: &Protocol, message: &Message) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    encode(protocol, Xid(1), message, &mut bytes).ok()?;
    let len = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
    assert!((8..=bytes.len()).contains(&len));
    bytes.truncate(len);
    Some(bytes)
}

/// Both sides survive the stream, wherever its bytes break, and agree on what it says.
fn whole_stream(version: Version, step: usize, stream: &[u8]) {
    let settings = Settings { multipart_limit: 4096, ..Settings::switch(Versions::of(&[version])) };
    let hello = [version.wire(), 0, 0, 8, 0, 0, 0, 0];
    let mut at_once = Session::new(settings, Nanos::ZERO);
    at_once.handle_bytes(Nanos::ZERO, &hello);
    at_once.handle_bytes(Nanos::ZERO, stream);
    let mut in_pieces = Session::new(settings, Nanos::ZERO);
    in_pieces.handle_bytes(Nanos::ZERO, &hello);
    for piece in stream.chunks(step) {
        in_pieces.handle_bytes(Nanos::ZERO, piece);
    }
    assert_eq!(at_once.take_output(), in_pieces.take_output());
    loop {
        let (a, b) = (at_once.poll_event(), in_pieces.poll_event());
        assert_eq!(a, b);
        match a {
            None => return,
            Some(Event::Message(request, message)) => {
                // Whatever a peer sent can be answered with its own words.
                let _ = at_once.reply(&request, &message);
            }
            Some(_) => {}
        }
    }
}

/// A long row of messages means the same if somebody else reads it.
fn read_elsewhere(version: Version, stream: &[u8]) {
    let hello = [version.wire(), 0, 0, 8, 0, 0, 0, 0];
    let bytes: Vec<u8> = hello.into_iter().chain(stream.iter().copied().cycle().take(20 << 10)).collect();
    let settings = Settings { multipart_limit: 4096, ..Settings::switch(Versions::of(&[version])) };
    let [mut alone, mut lending] = [(); 2].map(|()| Session::new(settings, Nanos::ZERO));
    alone.handle_bytes(Nanos::ZERO, &bytes);
    lending.handle_bytes(Nanos::ZERO, &bytes);
    loop {
        if let Some(row) = lending.lend() {
            lending.take_back(row.read());
        }
        let (a, b) = (alone.poll_event(), lending.poll_event());
        assert_eq!(a, b);
        if a.is_none() {
            break;
        }
    }
    assert_eq!(alone.take_output(), lending.take_output());
}

//! What the fuzzer begins with: messages of 1.5 under a name are read, and what is read is written alike. The others were
//! captured or cut by the fuzzer itself, and need not be whole.

use std::path::Path;

use netloom_openflow::wire::{Protocol, decode, encode};
use netloom_openflow::{Version, Xid};

/// Bytes of an input before the stream.
const HOW: usize = 2;

fn messages(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let [_, _, high, low, ..] = *stream {
        let (message, rest) = stream.split_at(u16::from_be_bytes([high, low]).into());
        all.push(message);
        stream = rest;
    }
    assert!(stream.is_empty());
    all
}

#[test]
fn named_messages_are_whole() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/openflow");
    let protocol = Protocol::new(Version::V15);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix("openflow15-").filter(|rest| !rest.starts_with(char::is_numeric))
        else {
            continue;
        };
        let input = std::fs::read(&path).unwrap();
        for bytes in messages(&input[HOW..]) {
            let message = decode(&protocol, bytes).unwrap_or_else(|error| panic!("{rest}: {error:?}"));
            let xid = Xid(u32::from_be_bytes(bytes[4..8].try_into().unwrap()));
            let mut written = Vec::new();
            encode(&protocol, xid, &message, &mut written).unwrap();
            let again = decode(&protocol, &written).unwrap_or_else(|error| panic!("{rest}: {error:?}"));
            let mut twice = Vec::new();
            encode(&protocol, xid, &again, &mut twice).unwrap();
            assert_eq!(twice, written, "{rest}");
            count += 1;
        }
    }
    assert!(count >= 10, "{count}");
}

//! Every message in every version: what is written is read back, `ovs-ofctl` prints it, and no piece of it does harm.

mod samples;

use std::process::Command;

use netloom_openflow::msg::{FlowFormat, MultipartReply, PacketInFormat};
use netloom_openflow::wire::{EncodeError, Protocol, decode, encode};
use netloom_openflow::{Message, OfError, Version};
use proptest::prelude::*;
use samples::XID;

/// The ways in which a connection of a version may speak.
fn protocols(version: Version) -> Vec<Protocol> {
    let plain = Protocol::new(version);
    let mut all = vec![
        plain,
        Protocol { packet_in_format: PacketInFormat::Nxt, ..plain },
        Protocol { packet_in_format: PacketInFormat::Nxt2, ..plain },
    ];
    if version == Version::V10 {
        all.push(Protocol { flow_format: FlowFormat::Nxm, flow_mod_table_id: true, ..plain });
    }
    all
}

fn bytes_of(protocol: &Protocol, message: &Message) -> Option<Vec<u8>> {
    let mut bytes = vec![0xa5; 3];
    match encode(protocol, XID, message, &mut bytes) {
        Ok(()) => Some(bytes.split_off(3)),
        Err(EncodeError::NotInVersion) => {
            assert_eq!(bytes, [0xa5; 3], "an error leaves the buffer as it was");
            None
        }
        Err(error) => panic!("{error}: {message:?}"),
    }
}

/// Every sample in every version that has it.
fn all() -> Vec<(Protocol, Message, Vec<u8>)> {
    let mut all = Vec::new();
    for protocol in Version::ALL.into_iter().flat_map(protocols) {
        for message in samples::all(protocol.version) {
            if let Some(bytes) = bytes_of(&protocol, &message) {
                all.push((protocol, message, bytes));
            }
        }
    }
    all
}

#[test]
fn what_is_written_is_read_back() {
    for (protocol, message, bytes) in all() {
        let len = u16::from_be_bytes([bytes[2], bytes[3]]);
        assert_eq!(usize::from(len), bytes.len(), "{message:?}");
        let read = decode(&protocol, &bytes)
            .unwrap_or_else(|e| panic!("{protocol:?} {message:?}: {e} {bytes:02x?}"));
        // A version may have no word for part of a message. What it says must be said again alike.
        let again = bytes_of(&protocol, &read).expect("it was read in this version");
        assert_eq!(again, bytes, "{protocol:?} {message:?}\nread: {read:?}");
        if samples::is_said_in_full(&protocol, &message) {
            assert_eq!(read, message, "{protocol:?}");
        }
    }
}

#[test]
fn every_message_has_a_version_that_says_it() {
    let said: Vec<_> = all().into_iter().map(|(_, message, _)| std::mem::discriminant(&message)).collect();
    for version in Version::ALL {
        for message in samples::all(version) {
            assert!(said.contains(&std::mem::discriminant(&message)), "{message:?}");
        }
    }
}

#[test]
fn ovs_ofctl_reads_what_is_written() {
    if Command::new("ovs-ofctl").arg("--version").output().is_err() {
        eprintln!("SKIPPED: ovs-ofctl is not installed");
        return;
    }
    let mut wrong = Vec::new();
    for (protocol, message, bytes) in all() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let output =
            Command::new("ovs-ofctl").args(["ofp-print", &hex]).output().expect("it was there before");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        if (text.contains("***decode") || !complaint.is_empty()) && !samples::unknown_to_ovs(&message) {
            wrong.push(format!("{} {hex}\n  {text}{complaint}  {message:?}", protocol.version));
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

/// A piece of a message that says that it is whole.
fn piece(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut piece = bytes[..len].to_vec();
    if let (Some(field), Ok(len)) = (piece.get_mut(2..4), u16::try_from(len)) {
        field.copy_from_slice(&len.to_be_bytes());
    }
    piece
}

/// Messages that end in bytes of any number, or in elements of any number.
fn may_be_shorter(message: &Message) -> bool {
    matches!(
        message,
        Message::Hello(_)
            | Message::Error(_)
            | Message::EchoRequest(_)
            | Message::EchoReply(_)
            | Message::Experimenter(_)
            | Message::FeaturesReply(_)
            | Message::PacketIn(_)
            | Message::PacketOut(_)
            | Message::FlowMod(_)
            | Message::GroupMod(_)
            | Message::MeterMod(_)
            | Message::PortMod(_)
            | Message::TableMod(_)
            | Message::MultipartRequest(_)
            | Message::MultipartReply(_)
            | Message::QueueGetConfigReply(..)
            | Message::GetAsyncReply(_)
            | Message::SetAsync(_)
            | Message::TlvTableMod(_)
            | Message::TlvTableReply(_)
            | Message::Resume(_)
            | Message::CtFlush(_)
            | Message::RequestForward(_)
            | Message::BundleAdd(_)
    )
}

#[test]
fn every_truncation_is_an_error_or_a_shorter_message() {
    for (protocol, message, bytes) in all() {
        for len in 0..bytes.len() {
            match decode(&protocol, &piece(&bytes, len)) {
                Err(_) => {}
                Ok(read) => {
                    assert!(may_be_shorter(&message), "{len} bytes of {message:?}\nread: {read:?}");
                    // What was read can be said.
                    bytes_of(&protocol, &read);
                }
            }
            if len < 8 {
                assert_eq!(decode(&protocol, &bytes[..len]), Err(OfError::BrcBadLen));
            }
        }
        // A byte too many: no message of a fixed length takes it.
        let mut longer = bytes.clone();
        longer.push(0);
        let len = longer.len();
        if !may_be_shorter(&message) {
            assert!(decode(&protocol, &piece(&longer, len)).is_err(), "{message:?} takes a byte too many");
        }
    }
}

#[test]
fn long_replies_are_cut_between_elements() {
    for version in Version::ALL {
        let protocol = Protocol::new(version);
        let flow = samples::flow_stats();
        let count = 2000;
        let reply = Message::MultipartReply(MultipartReply::Flow(vec![flow; count]));
        let mut bytes = Vec::new();
        encode(&protocol, XID, &reply, &mut bytes).expect("every version has it");
        let (mut seen, mut rest, mut parts) = (0, &bytes[..], 0);
        while !rest.is_empty() {
            let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let (frame, others) = rest.split_at(len);
            let more = frame[11] & 1 == 1;
            assert_eq!(more, !others.is_empty(), "the last part says that it is the last");
            match decode(&protocol, frame) {
                Ok(Message::MultipartReply(MultipartReply::Flow(flows))) => seen += flows.len(),
                other => panic!("{other:?}"),
            }
            (rest, parts) = (others, parts + 1);
        }
        assert_eq!(seen, count);
        assert!(parts > 1, "2,000 flows take more than 64 KiB");
    }
}

proptest! {
    #[test]
    fn any_bytes_in_a_message_do_no_harm(index: prop::sample::Index, at: prop::sample::Index, value: u8) {
        let all = all();
        let (protocol, _, bytes) = &all[index.index(all.len())];
        let mut bytes = bytes.clone();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(read) = decode(protocol, &bytes) {
            let mut out = Vec::new();
            let _ = encode(protocol, XID, &read, &mut out);
        }
    }
}

//! Tunnel options on the wire: as short as their values, and all of the option if there is no mask.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use netloom_flow::{Action, FieldId, FlowMatch, Spelling, TableId};
use netloom_openflow::msg::FlowMod;
use netloom_openflow::wire::{Protocol, decode, encode};
use netloom_openflow::{Message, Version, Xid};

/// The bytes of a flow with this match and actions in 1.5, which are read as what they were written from.
fn written(matches: FlowMatch, actions: Vec<Action>) -> Vec<u8> {
    let protocol = Protocol::new(Version::V15);
    let table = Some(TableId(0));
    let message = Message::FlowMod(Box::new(FlowMod {
        table,
        matches,
        actions,
        new_cookie: Some(0),
        ..FlowMod::default()
    }));
    let mut bytes = Vec::new();
    encode(&protocol, Xid(1), &message, &mut bytes).unwrap();
    assert_eq!(decode(&protocol, &bytes), Ok(message));
    bytes
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[test]
fn a_value_without_a_mask_is_all_of_the_option() {
    // NXM_NX_TUN_METADATA1, 4 bytes.
    const SHORT: [u8; 8] = [0, 1, 41 << 1, 4, 0, 0, 0, 0x99];
    let mut matches = FlowMatch::any();
    matches.set(FieldId::TunMetadata1, 0x99);
    assert!(has(&written(matches, Vec::new()), &SHORT));
    assert!(has(&written(FlowMatch::any(), vec![Action::set(FieldId::TunMetadata1, 0x99)]), &SHORT));
    let long = Action::set(FieldId::TunMetadata1, 0x1122_3344_5566_7788);
    assert!(has(
        &written(FlowMatch::any(), vec![long]),
        &[0, 1, 41 << 1, 8, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]
    ));
}

#[test]
fn a_part_has_a_mask_though_its_bytes_are_all_meant() {
    let (value, mask) = (0x99, 0xffff_ffff);
    let with_mask = [0, 1, 41 << 1 | 1, 8, 0, 0, 0, 0x99, 0xff, 0xff, 0xff, 0xff];
    let mut matches = FlowMatch::any();
    matches.set_masked(FieldId::TunMetadata1, value, mask);
    assert!(has(&written(matches, Vec::new()), &with_mask));
    let part = Action::SetField { field: FieldId::TunMetadata1, value, mask, spelling: Spelling::SetField };
    assert!(has(&written(FlowMatch::any(), vec![part]), &with_mask));
}

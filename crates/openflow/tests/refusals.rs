//! What is refused, and with which error: matches, actions and instructions that cannot be. Each is a flow mod of 1.3
//! or 1.0 with the bytes in question.

use netloom_flow::FieldId;
use netloom_openflow::msg::FlowMod;
use netloom_openflow::wire::{Protocol, decode};
use netloom_openflow::{Message, OfError, Version};

/// `OFPT_FLOW_MOD` of 1.3 with a match and instructions.
fn flow_mod(fields: &[u8], instructions: &[u8]) -> Result<FlowMod, OfError> {
    let mut bytes = vec![4, 14, 0, 0, 0, 0, 0, 1];
    bytes.extend([0; 16]);
    bytes.extend([0, 0, 0, 0, 0, 0, 0x80, 0]);
    bytes.extend([0xff; 12]);
    bytes.extend([0; 4]);
    let len = 4 + fields.len();
    bytes.extend([0, 1, 0, u8::try_from(len).expect("short")]);
    bytes.extend(fields);
    bytes.resize(bytes.len() + len.next_multiple_of(8) - len, 0);
    bytes.extend(instructions);
    let len = u16::try_from(bytes.len()).expect("short").to_be_bytes();
    bytes[2..4].copy_from_slice(&len);
    match decode(&Protocol::new(Version::V13), &bytes) {
        Ok(Message::FlowMod(flow)) => Ok(*flow),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error),
    }
}

/// With apply-actions.
fn applies(actions: &[u8]) -> Result<FlowMod, OfError> {
    let len = u8::try_from(8 + actions.len()).expect("short");
    flow_mod(&[], &[&[0, 4, 0, len, 0, 0, 0, 0], actions].concat())
}

const IPV4: [u8; 6] = [0x80, 0x00, 5 << 1, 2, 0x08, 0x00];
const TCP: [u8; 5] = [0x80, 0x00, 10 << 1, 1, 6];

#[test]
fn fields_that_cannot_be() {
    let ip_src = [0x80, 0x00, 11 << 1, 4, 10, 0, 0, 1];
    for (fields, error) in [
        (&ip_src[..], OfError::BmcBadPrereq),
        (&[&ip_src[..], &IPV4].concat(), OfError::BmcBadPrereq),
        (&[&IPV4[..], &IPV4].concat(), OfError::BmcDupField),
        (&[&IPV4[..], &ip_src, &ip_src].concat(), OfError::BmcDupField),
        (&[0x80, 0x00, 99 << 1, 1, 0], OfError::BmcBadField),
        (&[0xff, 0xff, 1 << 1, 6, 0, 0, 0, 9, 0, 0], OfError::BmcBadField),
        (&[0x80, 0x00, 5 << 1, 4, 0, 0, 8, 0], OfError::BmcBadLen),
        (&[0x80, 0x00, 5 << 1, 2, 8], OfError::BmcBadLen),
        (&[0x80, 0x00, 5 << 1 | 1, 4, 8, 0, 0xff, 0xf0], OfError::BmcBadMask),
        (
            &[0x80, 0x00, 2 << 1 | 1, 16, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1],
            OfError::BmcBadWildcards,
        ),
        (&[0x80, 0x00, 6 << 1, 2, 0x20, 0x00], OfError::BmcBadValue),
        (&[&IPV4[..], &[0x80, 0x00, 8 << 1, 1, 0x40]].concat(), OfError::BmcBadValue),
        // A connection's address needs a state that has one, and packets of IP.
        (&[0x00, 0x01, 120 << 1, 4, 10, 0, 0, 1], OfError::BmcBadPrereq),
        (
            &[0x00, 0x01, 105 << 1, 4, 0, 0, 0, 0x22, 0x00, 0x01, 120 << 1, 4, 10, 0, 0, 1],
            OfError::BacMatchInconsistent,
        ),
        // NXM_NX_COOKIE stands only in messages of Nicira.
        (&[0x00, 0x01, 30 << 1, 8, 0, 0, 0, 0, 0, 0, 0, 1], OfError::BmcBadField),
    ] {
        assert_eq!(flow_mod(fields, &[]), Err(error), "{fields:02x?}");
    }
}

#[test]
fn fields_of_both_kinds_are_understood_together() {
    let tcp_dst = [0x00, 0x00, 10 << 1 | 1, 4, 0x10, 0x00, 0xf0, 0x00];
    let flow = flow_mod(&[&IPV4[..], &TCP, &tcp_dst].concat(), &[]).expect("NXM_OF_TCP_DST among OXM");
    assert_eq!(flow.matches.field(FieldId::TcpDst), (0x1000, 0xf000));
    // A mask of ones is none, and one of zeros says nothing.
    let port = flow_mod(&[0x80, 0x00, 2 << 1 | 1, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[]);
    assert!(port.expect("metadata=0/0").matches.is_any());
}

/// Value and mask of the tag in the four encodings: with 0x1000, a header is there.
#[test]
fn vlans_in_all_encodings() {
    let oxm = |fields: &[u8]| flow_mod(fields, &[]).expect("a VLAN").matches.field(FieldId::VlanTci);
    assert_eq!(oxm(&[0x80, 0x00, 6 << 1, 2, 0x00, 0x00]), (0, 0x1fff), "no header");
    assert_eq!(oxm(&[0x80, 0x00, 6 << 1, 2, 0x10, 0x05]), (0x1005, 0x1fff));
    assert_eq!(oxm(&[0x80, 0x00, 6 << 1 | 1, 4, 0x10, 0x00, 0x10, 0x00]), (0x1000, 0x1000), "any header");
    assert_eq!(oxm(&[0x80, 0x00, 6 << 1, 2, 0x10, 0x05, 0x80, 0x00, 7 << 1, 1, 3]), (0x7005, 0xffff));
    assert_eq!(
        flow_mod(&[0x80, 0x00, 7 << 1, 1, 3], &[]),
        Err(OfError::BmcBadPrereq),
        "a priority needs a header"
    );
    assert_eq!(oxm(&[0x00, 0x00, 4 << 1, 2, 0x70, 0x05]), (0x7005, 0xffff), "NXM");
    let of10 = |wildcards: u32, vlan: u16, pcp| {
        let mut bytes = vec![1, 14, 0, 72, 0, 0, 0, 1];
        bytes.extend(wildcards.to_be_bytes());
        bytes.extend([0; 14]);
        bytes.extend(vlan.to_be_bytes());
        bytes.push(pcp);
        bytes.resize(72, 0);
        match decode(&Protocol::new(Version::V10), &bytes) {
            Ok(Message::FlowMod(flow)) => flow.matches.field(FieldId::VlanTci),
            other => panic!("{other:?}"),
        }
    };
    let (all, vlan, pcp) = (0x3f_ffff, 1 << 1, 1 << 20);
    assert_eq!(of10(all, 5, 3), (0, 0));
    assert_eq!(of10(all & !vlan, 0xffff, 0), (0, 0xffff), "no header");
    assert_eq!(of10(all & !vlan, 5, 3), (0x1005, 0x1fff));
    assert_eq!(of10(all & !pcp, 5, 3), (0x7000, 0xf000));
    assert_eq!(of10(all & !pcp & !vlan, 5, 3), (0x7005, 0xffff));
}

#[test]
fn of10_leaves_out_what_lacks_its_prerequisite() {
    let mut bytes = vec![1, 14, 0, 72, 0, 0, 0, 1];
    bytes.extend((0x3f_ffffu32 & !(1 << 7) & !(0x3f << 8)).to_be_bytes());
    bytes.resize(72, 0);
    bytes[8 + 28..8 + 32].copy_from_slice(&[10, 0, 0, 1]);
    match decode(&Protocol::new(Version::V10), &bytes) {
        Ok(Message::FlowMod(flow)) => assert!(flow.matches.is_any(), "nw_src and tp_dst without dl_type"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn actions_that_cannot_be() {
    for (action, error) in [
        (&[0, 99, 0, 8, 0, 0, 0, 0][..], OfError::BacBadType),
        (&[0, 0, 0, 8, 0, 0, 0, 1], OfError::BacBadLen),
        (&[0, 18, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], OfError::BacBadLen),
        (&[0, 18, 0, 7, 0, 0, 0, 0], OfError::BacBadLen),
        (&[0, 18, 0, 0, 0, 0, 0, 0], OfError::BacBadLen),
        (&[0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], OfError::BacBadOutPort),
        (&[0, 17, 0, 8, 0x12, 0x34, 0, 0], OfError::BacBadArgument),
        (&[0xff, 0xff, 0, 16, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0], OfError::BacBadVendor),
        (&[0xff, 0xff, 0, 16, 0, 0, 0x23, 0x20, 3, 0xe7, 0, 0, 0, 0, 0, 0], OfError::BacBadVendorType),
        // set_field: an unknown field, a wrong length, one that cannot be written, a mask before 1.5.
        (&[0, 25, 0, 16, 0x80, 0x00, 99 << 1, 1, 0, 0, 0, 0, 0, 0, 0, 0], OfError::BacBadSetType),
        (&[0, 25, 0, 16, 0x80, 0x00, 5 << 1, 4, 0, 0, 0, 0, 0, 0, 0, 0], OfError::BacBadSetLen),
        (&[0, 25, 0, 16, 0x80, 0x00, 42 << 1, 2, 8, 0, 0, 0, 0, 0, 0, 0], OfError::BacBadSetArgument),
        (&[0, 25, 0, 16, 0x00, 0x01, 1, 8, 0, 0, 0, 1, 0, 0, 0, 1], OfError::BacBadSetMask),
        // conjunction(1, 3/2); nat outside of ct.
        (&[0xff, 0xff, 0, 16, 0, 0, 0x23, 0x20, 0, 34, 2, 2, 0, 0, 0, 1], OfError::NxbacBadConjunction),
        (&[0xff, 0xff, 0, 16, 0, 0, 0x23, 0x20, 0, 36, 0, 0, 0, 0, 0, 0], OfError::BacBadArgument),
        // load: 5 bits at 30 of a register of 32; 2 in one bit.
        (
            &[0xff, 0xff, 0, 24, 0, 0, 0x23, 0x20, 0, 7, 7, 0x84, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1],
            OfError::BacBadSetLen,
        ),
        (
            &[0xff, 0xff, 0, 24, 0, 0, 0x23, 0x20, 0, 7, 0, 0, 0, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2],
            OfError::BacBadSetArgument,
        ),
    ] {
        assert_eq!(applies(action), Err(error), "{action:02x?}");
    }
}

#[test]
fn instructions_that_cannot_be() {
    for (instructions, error) in [
        (&[0, 99, 0, 8, 0, 0, 0, 0][..], OfError::BicUnknownInst),
        (&[0xff, 0xff, 0, 8, 0, 0, 0, 9], OfError::BicBadExperimenter),
        (&[0, 5, 0, 8, 0, 0, 0, 0, 0, 5, 0, 8, 0, 0, 0, 0], OfError::BicDupInst),
        (&[0, 5, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0], OfError::BicBadLen),
        (&[0, 1, 0, 16, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], OfError::BicBadLen),
        (&[0, 5, 0, 8, 0, 0], OfError::BicBadLen),
    ] {
        assert_eq!(flow_mod(&[], instructions), Err(error), "{instructions:02x?}");
    }
}

#[test]
fn clones_in_clones_end_somewhere() {
    let mut action = vec![0, 18, 0, 8, 0, 0, 0, 0];
    for _ in 0..12 {
        let len = u8::try_from(action.len() + 16).expect("short");
        let mut outer = vec![0xff, 0xff, 0, len, 0, 0, 0x23, 0x20, 0, 42, 0, 0, 0, 0, 0, 0];
        outer.append(&mut action);
        action = outer;
    }
    assert!(applies(&action).is_ok());
    let mut deep = vec![0, 18, 0, 8, 0, 0, 0, 0];
    for _ in 0..3000 {
        let len = u16::try_from(deep.len() + 16).expect("short").to_be_bytes();
        let mut outer = vec![0xff, 0xff, len[0], len[1], 0, 0, 0x23, 0x20, 0, 42, 0, 0, 0, 0, 0, 0];
        outer.append(&mut deep);
        deep = outer;
    }
    let total = u16::try_from(deep.len() + 24).expect("short").to_be_bytes();
    let actions_len = u16::try_from(deep.len()).expect("short").to_be_bytes();
    let mut bytes =
        vec![4, 13, total[0], total[1], 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfd];
    bytes.extend([actions_len[0], actions_len[1], 0, 0, 0, 0, 0, 0]);
    bytes.append(&mut deep);
    assert_eq!(decode(&Protocol::new(Version::V13), &bytes), Err(OfError::BacTooMany));
}

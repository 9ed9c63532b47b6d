//! Random flows: what a flow mod says is what is read, in every version that can say it.

use netloom_flow::{Action, FieldId, FlowMatch, OfPort, Subfield, TableId};
use netloom_openflow::msg::{FlowFlags, FlowFormat, FlowMod};
use netloom_openflow::wire::{Protocol, can_say, decode, encode};
use netloom_openflow::{Message, Version, Xid};
use proptest::prelude::*;

/// A match on any fields, each with any value under any mask. Those whose prerequisite is missing are left out, as no
/// version can say them.
fn any_match() -> impl Strategy<Value = FlowMatch> {
    let protocols = prop::sample::select(vec![
        vec![],
        vec![(FieldId::EthType, 0x0800)],
        vec![(FieldId::EthType, 0x0806)],
        vec![(FieldId::EthType, 0x8847)],
        vec![(FieldId::EthType, 0x0800), (FieldId::NwProto, 6)],
        vec![(FieldId::EthType, 0x86dd), (FieldId::NwProto, 17)],
        vec![(FieldId::EthType, 0x86dd), (FieldId::NwProto, 132)],
        vec![(FieldId::EthType, 0x0800), (FieldId::NwProto, 1)],
        vec![
            (FieldId::EthType, 0x86dd),
            (FieldId::NwProto, 58),
            (FieldId::Icmpv6Type, 135),
            (FieldId::Icmpv6Code, 0),
        ],
        vec![(FieldId::EthType, 0x894f)],
    ]);
    let field = (prop::sample::select(FieldId::ALL.to_vec()), any::<u128>(), any::<u128>(), any::<bool>());
    (protocols, prop::collection::vec(field, 0..6)).prop_map(|(protocol, fields)| {
        let mut m = FlowMatch::any();
        for (id, value) in protocol {
            m.set(id, value);
        }
        for (id, value, mask, whole) in fields {
            let field = id.field();
            let free = m.field(id).1 == 0;
            // NXM has 16 bits for ports; those are tried in other tests.
            let port = matches!(id, FieldId::InPort | FieldId::InPortOxm);
            if free && !port && field.prerequisite.met_by(&m) && field.writable {
                let mask = if whole || !field.maskable { field.max() } else { mask & field.max() };
                m.set_masked(id, value & field.max(), mask);
            }
        }
        m
    })
}

fn any_action() -> impl Strategy<Value = Action> {
    let register = prop::sample::select(vec![FieldId::Reg0, FieldId::Reg7, FieldId::Xreg2, FieldId::Xxreg1]);
    let part = (register, any::<u8>(), any::<u8>()).prop_map(|(field, offset, bits)| {
        let width = field.field().bits;
        let offset = offset % width;
        Subfield { field, offset, bits: 1 + bits % (width - offset).min(64) }
    });
    prop_oneof![
        (1u32..0xff00).prop_map(|port| Action::Output(OfPort(port))),
        any::<u32>().prop_map(Action::Group),
        any::<u32>().prop_map(Action::SetQueue),
        any::<[u8; 6]>().prop_map(|bytes| Action::Note(bytes.into())),
        (part.clone(), any::<u128>()).prop_map(|(target, value)| {
            Action::Load { value: value & (target.mask() >> target.offset), target }
        }),
        part.clone().prop_map(Action::StackPush),
        part.prop_map(Action::StackPop),
        (any::<u32>(), 2u8..=64, any::<u8>()).prop_map(|(id, n_clauses, clause)| Action::Conjunction {
            id,
            n_clauses,
            clause: clause % n_clauses
        }),
        (1u32..0xff00, 0u8..254, any::<bool>()).prop_map(|(port, table, ct)| Action::Resubmit {
            port: Some(OfPort(port)),
            table: Some(TableId(table)),
            ct
        }),
        Just(Action::Exit),
        Just(Action::CtClear),
        Just(Action::dec_ttl()),
    ]
}

fn any_flow() -> impl Strategy<Value = FlowMod> {
    (any_match(), prop::collection::vec(any_action(), 0..8), any::<u16>(), any::<u64>()).prop_map(
        |(matches, actions, priority, cookie)| FlowMod {
            matches,
            actions,
            priority,
            new_cookie: Some(cookie),
            ..FlowMod::default()
        },
    )
}

fn protocols() -> Vec<Protocol> {
    let nxm =
        Protocol { flow_format: FlowFormat::Nxm, flow_mod_table_id: true, ..Protocol::new(Version::V10) };
    let later = [Version::V12, Version::V13, Version::V14, Version::V15].map(Protocol::new);
    [nxm].into_iter().chain(later).collect()
}

/// What 1.5 says with `set_field`, it reads as one.
fn as_read(version: Version, actions: &[Action]) -> Vec<Action> {
    let spelling = netloom_flow::Spelling::SetField;
    let read = |action: &Action| match *action {
        Action::Load { value, target } if version == Version::V15 => {
            let (value, mask) = (value << target.offset, target.mask());
            Action::SetField { field: target.field, value, mask, spelling }
        }
        ref other => other.clone(),
    };
    actions.iter().map(read).collect()
}

proptest! {
    #[test]
    fn a_flow_mod_is_read_as_it_was_written(flow in any_flow()) {
        for protocol in protocols() {
            let mut bytes = Vec::new();
            let message = Message::FlowMod(Box::new(flow.clone()));
            prop_assert_eq!(encode(&protocol, Xid(1), &message, &mut bytes), Ok(()));
            let read = decode(&protocol, &bytes);
            let Ok(Message::FlowMod(read)) = read else { panic!("{protocol:?} {flow:?}: {read:?}") };
            // A match that cannot be said is said in part: nothing else is added to it.
            prop_assert!(read.matches.covers(&flow.matches), "{:?}", read.matches);
            if protocol.version >= Version::V12 && can_say(protocol.version, &flow.matches) {
                prop_assert_eq!(&read.matches, &flow.matches);
            }
            prop_assert_eq!(&read.actions, &as_read(protocol.version, &flow.actions), "{:?}", protocol);
            prop_assert_eq!(read.new_cookie, flow.new_cookie);
            let resets = FlowFlags::RESET_COUNTS;
            prop_assert_eq!(read.flags.without(resets), flow.flags.without(resets));
            prop_assert_eq!((read.priority, read.table), (flow.priority, flow.table));
        }
    }

    #[test]
    fn any_stream_of_bytes_is_an_error_or_a_message(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0u8..36) {
        for protocol in protocols() {
            let mut bytes = bytes.clone();
            let len = u16::try_from(bytes.len() + 8).unwrap_or(0).to_be_bytes();
            bytes.splice(0..0, [protocol.version.wire(), kind, len[0], len[1], 0, 0, 0, 1]);
            let _ = decode(&protocol, &bytes);
        }
    }
}

//! Random actions of every kind, whether or not they may stand in a flow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netloom_flow::action::{
    Bundle, BundleAlgorithm, Ct, CtAlg, Encap, HashFields, Learn, LearnSpec, Multipath, MultipathAlgorithm,
    Nat, NatRange, NshTlv, Operand, PacketInReason, PortSelection, Sample, SampleDirection,
};
use netloom_flow::check::{Checker, Consistency, Scope};
use netloom_flow::{
    Action, Controller, FieldId, FlowMatch, OfPort, Prerequisite, Spelling, Subfield, TableId,
};
use proptest::prelude::*;
use proptest::sample::select;

/// A list with its instructions where they belong.
pub(crate) fn list() -> impl Strategy<Value = Vec<Action>> {
    let instructions = (
        prop::option::of(1..0xffff_0001_u32),
        prop::option::of(prop::collection::vec(action(), 0..4)),
        prop::option::of((any::<u64>(), 1..u64::MAX)),
        prop::option::of(0..254_u8),
        any::<bool>(),
    );
    (prop::collection::vec(prop_oneof![4 => action(), 1 => with_list()], 0..6), instructions).prop_map(
        |(list, (meter, written, metadata, goto, clears))| {
            let written = written.filter(|list| !list.is_empty());
            let metadata = metadata.map(|(value, mask)| Action::WriteMetadata { value: value & mask, mask });
            (meter.map(Action::Meter).into_iter())
                .chain(list)
                .chain(clears.then_some(Action::ClearActions))
                .chain(written.map(|list| Action::WriteActions(list.into())))
                .chain(metadata)
                .chain(goto.map(|table| Action::GotoTable(TableId(table))))
                .collect()
        },
    )
}

/// Those that may stand in a list of this kind.
pub(crate) fn allowed(
    actions: Vec<Action>,
    matches: &FlowMatch,
    table: TableId,
    scope: Scope,
) -> Vec<Action> {
    let mut checker = Checker::new(matches, Some(table), scope, Consistency::Loose);
    let mut is_allowed = |action: &Action| {
        let mut next = checker.clone();
        let is_allowed = next.check(action).is_ok();
        if is_allowed {
            checker = next;
        }
        is_allowed
    };
    actions.into_iter().filter(|action| is_allowed(action)).collect()
}

/// An action without a list inside.
fn action() -> impl Strategy<Value = Action> {
    prop_oneof![output(), field(), stack(), simple(), learned(), tunnel()]
}

fn with_list() -> impl Strategy<Value = Action> {
    let clone = || prop::collection::vec(action(), 0..4).prop_map(|list| Action::Clone(list.into()));
    let nested = (clone(), action()).prop_map(|(inner, after)| Action::Clone([inner, after].into()));
    prop_oneof![clone(), nested, ct()]
}

fn writable() -> impl Strategy<Value = FieldId> {
    let is_free = |id: &FieldId| {
        id.field().writable
            && id.field().prerequisite == Prerequisite::None
            && !matches!(id, FieldId::InPort | FieldId::InPortOxm | FieldId::VlanVid)
    };
    select(FieldId::ALL.iter().copied().filter(is_free).collect::<Vec<_>>())
}

fn subfield() -> impl Strategy<Value = Subfield> {
    (writable(), any::<u8>(), any::<u8>()).prop_map(|(field, a, b)| {
        let all = field.field().bits;
        let offset = a % all;
        Subfield { field, offset, bits: b % (all - offset) + 1 }
    })
}

/// Two parts as wide as each other.
fn pair() -> impl Strategy<Value = (Subfield, Subfield)> {
    (subfield(), subfield()).prop_map(|(a, b)| {
        let bits = a.bits.min(b.bits);
        (Subfield { bits, ..a }, Subfield { bits, ..b })
    })
}

fn bit() -> impl Strategy<Value = Subfield> {
    subfield().prop_map(|part| Subfield { bits: 1, ..part })
}

fn port() -> impl Strategy<Value = OfPort> {
    prop_oneof![(1..0xfeff_u32).prop_map(OfPort), Just(OfPort::LOCAL), Just(OfPort::IN_PORT)]
}

fn output() -> impl Strategy<Value = Action> {
    let reserved = select(vec![OfPort::NORMAL, OfPort::FLOOD, OfPort::ALL]).prop_map(Action::Output);
    prop_oneof![
        port().prop_map(Action::Output),
        reserved,
        (port(), 14..u32::MAX).prop_map(|(port, max_len)| Action::OutputTrunc { port, max_len }),
        (port(), any::<u32>()).prop_map(|(port, queue)| Action::Enqueue { port, queue }),
        subfield().prop_map(|source| Action::OutputReg { source, max_len: u16::MAX }),
        (0..0xffff_ff01_u32).prop_map(Action::Group),
        controller(),
        bundle(),
    ]
}

fn controller() -> impl Strategy<Value = Action> {
    (
        (any::<u16>(), prop_oneof![Just(0), any::<u16>()], select(PacketInReason::ALL.to_vec())),
        (prop::collection::vec(any::<u8>(), 0..5), any::<bool>(), prop_oneof![Just(0), any::<u32>()]),
    )
        .prop_map(|((max_len, id, reason), (userdata, pause, meter_id))| {
            let userdata = userdata.into();
            Action::Controller(Controller { max_len, id, reason, userdata, pause, meter_id })
        })
}

fn hash_fields() -> impl Strategy<Value = HashFields> {
    select(HashFields::ALL.to_vec()).prop_map(|(fields, _)| fields)
}

fn bundle() -> impl Strategy<Value = Action> {
    let algorithm = select(BundleAlgorithm::ALL.to_vec()).prop_map(|(algorithm, _)| algorithm);
    let members = prop::collection::vec(prop_oneof![port(), Just(OfPort::NONE)], 0..4);
    (hash_fields(), any::<u16>(), algorithm, members, prop::option::of(subfield())).prop_map(
        |(fields, basis, algorithm, members, target)| {
            let members = members.into();
            Action::Bundle(Box::new(Bundle { fields, basis, algorithm, members, target }))
        },
    )
}

fn field() -> impl Strategy<Value = Action> {
    let any_mask = || prop_oneof![Just(u128::MAX), any::<u128>()];
    let set = (writable(), any::<u128>(), any_mask()).prop_map(|(field, value, mask)| {
        let max = field.field().max();
        let mask = if field.field().maskable && mask & max != 0 { mask & max } else { max };
        Action::SetField { field, value: value & mask, mask, spelling: Spelling::SetField }
    });
    let mods = vec![FieldId::EthSrc, FieldId::Ipv4Dst, FieldId::NwTos, FieldId::TpDst, FieldId::TunId]
        .into_iter()
        .chain([FieldId::MplsLabel, FieldId::MplsTc, FieldId::MplsTtl, FieldId::VlanPcp]);
    let modify = (select(mods.collect::<Vec<_>>()), any::<u128>()).prop_map(|(field, value)| {
        let mask = field.field().max();
        Action::SetField { field, value: value & mask, mask, spelling: Spelling::Mod }
    });
    prop_oneof![
        set,
        modify,
        (subfield(), any::<u128>()).prop_map(|(target, value)| Action::Load {
            value: value & (target.mask() >> target.offset),
            target
        }),
        pair().prop_map(|(source, target)| Action::Move { source, target }),
        any::<u16>().prop_map(|v| Action::SetVlanVid(v & 0xfff)),
        any::<u8>().prop_map(|v| Action::SetVlanPcp(v & 7)),
        select(vec![FieldId::TunMetadata0, FieldId::TunMetadata7]).prop_map(Action::DeleteField),
    ]
}

fn stack() -> impl Strategy<Value = Action> {
    let algorithm = select(MultipathAlgorithm::ALL.to_vec()).prop_map(|(algorithm, _)| algorithm);
    let multipath = (hash_fields(), any::<u16>(), algorithm, any::<u16>(), any::<u32>(), subfield());
    prop_oneof![
        subfield().prop_map(Action::StackPush),
        subfield().prop_map(Action::StackPop),
        (any::<u16>(), bit()).prop_map(|(len, target)| Action::CheckPktLarger { len, target }),
        multipath.prop_map(|(fields, basis, algorithm, links, arg, target)| {
            let max = target.mask() >> target.offset;
            let max_link = u16::try_from(u128::from(links) & max).expect("it was a u16");
            Action::Multipath(Multipath { fields, basis, algorithm, max_link, arg, target })
        }),
    ]
}

fn simple() -> impl Strategy<Value = Action> {
    let bare = vec![
        Action::PopVlan,
        Action::PopPbb,
        Action::PushPbb,
        Action::DecMplsTtl,
        Action::DecNshTtl,
        Action::CopyTtlIn,
        Action::CopyTtlOut,
        Action::PopQueue,
        Action::CtClear,
        Action::Exit,
    ];
    let resubmit = (prop::option::of((1..0xfeff_u32).prop_map(OfPort)), 0..255_u8, any::<bool>());
    prop_oneof![
        select(bare),
        prop::collection::vec(any::<u16>(), 0..3)
            .prop_map(|controllers| Action::DecTtl { controllers: controllers.into() }),
        any::<u32>().prop_map(Action::SetQueue),
        select(vec![0x8100, 0x88a8]).prop_map(|tpid| Action::PushVlan { tpid }),
        select(vec![0x8847, 0x8848]).prop_map(|ethertype| Action::PushMpls { ethertype }),
        any::<u16>().prop_map(|ethertype| Action::PopMpls { ethertype }),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| Action::Note(bytes.into())),
        resubmit.prop_map(|(port, table, ct)| Action::Resubmit { port, table: Some(TableId(table)), ct }),
        (any::<u16>(), any::<u16>()).prop_map(|(idle, hard)| Action::FinTimeout { idle, hard }),
        (any::<u32>(), 0..64_u8, 2..65_u8).prop_map(|(id, clause, n_clauses)| Action::Conjunction {
            id,
            clause: clause % n_clauses,
            n_clauses
        }),
        sample(),
    ]
}

fn sample() -> impl Strategy<Value = Action> {
    let id = || {
        prop_oneof![
            any::<u32>().prop_map(Operand::Value),
            subfield().prop_map(|part| Operand::Field(Subfield { bits: part.bits.min(32), ..part }))
        ]
    };
    let direction = select(vec![SampleDirection::Default, SampleDirection::Ingress, SampleDirection::Egress]);
    (1..=u16::MAX, any::<u32>(), id(), id(), prop::option::of(port()), direction).prop_map(
        |(probability, collector_set_id, obs_domain_id, obs_point_id, sampling_port, direction)| {
            Action::Sample(Box::new(Sample {
                probability,
                collector_set_id,
                obs_domain_id,
                obs_point_id,
                sampling_port,
                direction,
            }))
        },
    )
}

fn learned() -> impl Strategy<Value = Action> {
    let source = |part: Subfield, value: u128, other: Option<Subfield>| match other {
        Some(other) => Operand::Field(Subfield { bits: part.bits, ..other }),
        None => Operand::Value(value & (part.mask() >> part.offset)),
    };
    let spec = (subfield(), any::<u128>(), prop::option::of(subfield()), 0..3_u8);
    let spec = spec.prop_map(move |(target, value, other, kind)| {
        let other = other.filter(|other| target.bits <= other.field.field().bits - other.offset);
        match kind {
            0 => LearnSpec::Match { target, source: source(target, value, other) },
            1 => LearnSpec::Load { target, source: source(target, value, other) },
            _ => LearnSpec::Output(target),
        }
    });
    let timeouts = any::<[u16; 4]>();
    let numbers = (any::<u16>(), any::<u64>(), 0..254_u8, any::<u32>());
    let rest = (any::<[bool; 2]>(), prop::option::of(bit()), prop::collection::vec(spec, 0..4));
    (timeouts, numbers, rest).prop_map(
        |(
            [idle_timeout, hard_timeout, fin_idle_timeout, fin_hard_timeout],
            (priority, cookie, table, limit),
            ([send_flow_rem, delete_learned], result, specs),
        )| {
            Action::Learn(Box::new(Learn {
                idle_timeout,
                hard_timeout,
                fin_idle_timeout,
                fin_hard_timeout,
                priority,
                cookie,
                table: TableId(table),
                send_flow_rem,
                delete_learned,
                limit,
                result,
                specs: specs.into(),
            }))
        },
    )
}

fn ct() -> impl Strategy<Value = Action> {
    let zone = prop_oneof![
        any::<u16>().prop_map(Operand::Value),
        Just(Operand::Field(Subfield { field: FieldId::Reg3, offset: 8, bits: 16 }))
    ];
    let exec = vec![
        Action::set(FieldId::CtMark, 7),
        Action::Load { value: 5, target: Subfield { field: FieldId::CtLabel, offset: 64, bits: 8 } },
        Action::Move { source: Subfield::whole(FieldId::Reg1), target: Subfield::whole(FieldId::CtMark) },
    ];
    let alg = prop::option::of(select(vec![CtAlg::Ftp, CtAlg::Tftp]));
    let flags = (any::<bool>(), any::<bool>(), alg);
    (flags, zone, prop::option::of(0..255_u8), prop::option::of(nat()), prop::sample::subsequence(exec, 0..3))
        .prop_map(|((commit, force, alg), zone, table, nat, exec)| {
            let force = force && commit;
            let exec = if commit { exec.into() } else { Box::default() };
            Action::Ct(Box::new(Ct { commit, force, zone, table: table.map(TableId), alg, nat, exec }))
        })
}

fn nat() -> impl Strategy<Value = Nat> {
    let v4 = (any::<u32>(), any::<u32>())
        .prop_map(|(a, b)| [a.min(b), a.max(b)].map(|n| IpAddr::V4(Ipv4Addr::from(n))));
    let v6 = (any::<u128>(), any::<u128>())
        .prop_map(|(a, b)| [a.min(b), a.max(b)].map(|n| IpAddr::V6(Ipv6Addr::from(n))));
    let ports = prop::option::of((1..=u16::MAX, 1..=u16::MAX).prop_map(|(a, b)| (a.min(b), a.max(b))));
    let selection = prop::option::of(select(vec![PortSelection::Hash, PortSelection::Random]));
    let range = (prop::option::of(prop_oneof![v4, v6]), ports, selection, any::<bool>()).prop_map(
        |(addresses, ports, selection, persistent)| {
            let ports = ports.filter(|_| addresses.is_some());
            NatRange { addresses: addresses.map(|[first, last]| (first, last)), ports, selection, persistent }
        },
    );
    (range, 0..3_u8).prop_map(|(range, kind)| match kind {
        0 => Nat::Existing,
        1 => Nat::Source(range),
        _ => Nat::Destination(range),
    })
}

fn tunnel() -> impl Strategy<Value = Action> {
    let tlv = (any::<u16>(), any::<u8>(), prop::collection::vec(any::<u8>(), 0..9))
        .prop_map(|(class, kind, value)| NshTlv { class, kind, value: value.into() });
    let nsh = (prop::option::of(1..3_u8), prop::collection::vec(tlv, 0..3))
        .prop_map(|(md_type, tlvs)| Encap::Nsh { md_type, tlvs: tlvs.into() });
    let encap = prop_oneof![select(vec![Encap::Ethernet, Encap::Mpls, Encap::MplsMulticast]), nsh];
    prop_oneof![
        encap.prop_map(Action::Encap),
        prop::option::of(any::<u32>()).prop_map(|packet_type| Action::Decap { packet_type }),
    ]
}

//! What a list of actions may hold, as values: what a peer could send.

use netloom_flow::action::{
    Bundle, BundleAlgorithm, Ct, Encap, HashFields, Learn, LearnSpec, MAX_NESTING, Nat, NatRange, Operand,
    Sample, SampleDirection,
};
use netloom_flow::check::{ActionError, Consistency, Scope, check_actions};
use netloom_flow::{
    Action, Controller, FieldId, FlowMatch, OfPort, Prerequisite, Spelling, Subfield, TableId,
};

fn matching(fields: &[(FieldId, u128)]) -> FlowMatch {
    let mut matches = FlowMatch::any();
    for (field, value) in fields {
        matches.set(*field, *value);
    }
    matches
}

fn tcp() -> FlowMatch {
    matching(&[(FieldId::EthType, 0x800), (FieldId::NwProto, 6)])
}

fn check(matches: &FlowMatch, actions: &[Action]) -> Result<(), ActionError> {
    check_actions(actions, matches, Some(TableId(5)), Scope::Flow, Consistency::Strict)
}

#[track_caller]
fn refused(matches: &FlowMatch, action: Action, error: ActionError) {
    assert_eq!(check(matches, &[action]), Err(error));
}

const fn part(field: FieldId, offset: u8, bits: u8) -> Subfield {
    Subfield { field, offset, bits }
}

#[test]
fn ports_and_numbers() {
    let any = FlowMatch::any();
    for port in [OfPort::NONE, OfPort::TABLE, OfPort(0xff00), OfPort(0xffff_ff00), OfPort(0xffff_fff7)] {
        refused(&any, Action::Output(port), ActionError::BadOutPort(port));
    }
    for port in
        [OfPort(1), OfPort(0xfeff), OfPort::IN_PORT, OfPort::NORMAL, OfPort::CONTROLLER, OfPort::LOCAL]
    {
        assert_eq!(check(&any, &[Action::Output(port)]), Ok(()));
    }
    let table = [Action::Output(OfPort::TABLE)];
    assert_eq!(check_actions(&table, &any, None, Scope::PacketOut, Consistency::Strict), Ok(()));
    let flood = OfPort::FLOOD;
    refused(&any, Action::OutputTrunc { port: flood, max_len: 64 }, ActionError::BadOutPort(flood));
    refused(&any, Action::Enqueue { port: flood, queue: 1 }, ActionError::BadOutPort(flood));
    refused(&any, Action::Group(0xffff_ff01), ActionError::BadOutGroup(0xffff_ff01));
    refused(&any, Action::Meter(0), ActionError::BadMeter(0));
    refused(&any, Action::Meter(0xffff_fffe), ActionError::BadMeter(0xffff_fffe));
    let member = |port| {
        Action::Bundle(Box::new(Bundle {
            fields: HashFields::EthSrc,
            basis: 0,
            algorithm: BundleAlgorithm::ActiveBackup,
            members: [OfPort(1), port].into(),
            target: None,
        }))
    };
    assert_eq!(check(&any, &[member(OfPort::NONE)]), Ok(()));
    refused(&any, member(OfPort::TABLE), ActionError::BadOutPort(OfPort::TABLE));
}

#[test]
fn fields_exist_and_can_be_written() {
    let any = FlowMatch::any();
    let set = |field| Action::set(field, 1);
    refused(&any, set(FieldId::Ipv4Src), ActionError::NoField(FieldId::Ipv4Src, Prerequisite::Ipv4));
    refused(&any, set(FieldId::NwFrag), ActionError::ReadOnly(FieldId::NwFrag));
    refused(&any, set(FieldId::VlanVid), ActionError::NoField(FieldId::VlanVid, Prerequisite::Vlan));
    refused(&any, set(FieldId::CtMark), ActionError::OutsideCt(FieldId::CtMark));
    assert_eq!(check(&tcp(), &[set(FieldId::Ipv4Src), set(FieldId::TcpDst), set(FieldId::Reg0)]), Ok(()));
    let value =
        |value, mask| Action::SetField { field: FieldId::NwTtl, value, mask, spelling: Spelling::SetField };
    refused(&tcp(), value(0x100, 0x100), ActionError::BadValue(FieldId::NwTtl));
    refused(&tcp(), value(1, 1), ActionError::BadValue(FieldId::NwTtl));
    refused(&any, Action::SetVlanVid(0x1000), ActionError::BadValue(FieldId::DlVlan));
    let beyond = part(FieldId::Reg0, 30, 3);
    refused(&any, Action::StackPop(beyond), ActionError::BadSubfield(beyond));
    refused(
        &any,
        Action::StackPush(part(FieldId::Reg0, 0, 0)),
        ActionError::BadSubfield(part(FieldId::Reg0, 0, 0)),
    );
    let load = Action::Load { value: 4, target: part(FieldId::Reg0, 0, 2) };
    refused(&any, load, ActionError::BadValue(FieldId::Reg0));
    let source = part(FieldId::Reg0, 0, 4);
    let moved = Action::Move { source, target: part(FieldId::Reg1, 0, 5) };
    refused(&any, moved, ActionError::WidthsDiffer { source_bits: 4, target_bits: 5 });
}

#[test]
fn what_does_nothing_is_allowed_in_openflow_1_0_only() {
    let legacy =
        Action::SetField { field: FieldId::Ipv4Dst, value: 1, mask: 0xffff_ffff, spelling: Spelling::Mod };
    for (action, needs) in [
        (legacy, Prerequisite::Ipv4),
        (Action::PopVlan, Prerequisite::Vlan),
        (Action::dec_ttl(), Prerequisite::Ip),
        (Action::DecMplsTtl, Prerequisite::Mpls),
        (Action::PopMpls { ethertype: 0x800 }, Prerequisite::Mpls),
        (Action::DecNshTtl, Prerequisite::Nsh),
        (Action::FinTimeout { idle: 1, hard: 0 }, Prerequisite::Tcp),
    ] {
        let name = action.name();
        let list = [action];
        let at = |scope, consistency| check_actions(&list, &FlowMatch::any(), None, scope, consistency);
        assert_eq!(at(Scope::Flow, Consistency::Loose), Ok(()), "{name}");
        assert_eq!(at(Scope::Bucket, Consistency::Strict), Ok(()), "{name}");
        assert_eq!(at(Scope::Flow, Consistency::Strict), Err(ActionError::Inconsistent(name, needs)));
    }
}

#[test]
fn headers_that_are_pushed_are_there() {
    let any = FlowMatch::any();
    let push = || Action::PushVlan { tpid: 0x8100 };
    assert_eq!(
        check(&any, &[push(), Action::set(FieldId::VlanVid, 0x1005), push(), Action::PopVlan]),
        Ok(())
    );
    assert_eq!(check(&any, &[push(), push(), push()]), Err(ActionError::TooManyVlans));
    let gone = [push(), Action::PopVlan, Action::PopVlan];
    assert_eq!(check(&any, &gone), Err(ActionError::Inconsistent("pop_vlan", Prerequisite::Vlan)));
    refused(&any, Action::PushVlan { tpid: 0x9100 }, ActionError::BadEthertype(0x9100));
    refused(&any, Action::PushMpls { ethertype: 0x800 }, ActionError::BadEthertype(0x800));
    let mpls = [Action::PushMpls { ethertype: 0x8847 }, Action::set(FieldId::MplsLabel, 5)];
    assert_eq!(check(&tcp(), &mpls), Ok(()));
    let hidden = [Action::PushMpls { ethertype: 0x8847 }, Action::set(FieldId::TcpDst, 5)];
    assert_eq!(check(&tcp(), &hidden), Err(ActionError::NoField(FieldId::TcpDst, Prerequisite::Tcp)));
    let shown = [
        Action::PushMpls { ethertype: 0x8847 },
        Action::PopMpls { ethertype: 0x800 },
        Action::set(FieldId::Ipv4Dst, 5),
    ];
    assert_eq!(check(&any, &shown), Ok(()));
    let nsh =
        [Action::Encap(Encap::Nsh { md_type: None, tlvs: Box::default() }), Action::set(FieldId::NshSpi, 5)];
    assert_eq!(check(&tcp(), &nsh), Ok(()));
    let unwrapped =
        [Action::Decap { packet_type: None }, Action::Decap { packet_type: None }, Action::dec_ttl()];
    assert_eq!(check(&tcp(), &unwrapped), Err(ActionError::Inconsistent("dec_ttl", Prerequisite::Ip)));
}

#[test]
fn instructions_stand_in_their_order() {
    let any = FlowMatch::any();
    let metadata = || Action::WriteMetadata { value: 1, mask: 1 };
    let all = [
        Action::Meter(1),
        Action::Output(OfPort(1)),
        Action::ClearActions,
        Action::WriteActions([Action::Group(1)].into()),
        metadata(),
        Action::GotoTable(TableId(6)),
    ];
    assert_eq!(check(&any, &all), Ok(()));
    for (i, first) in all.iter().enumerate() {
        for second in &all[i + 1..] {
            let error = ActionError::Order { first: first.name(), second: second.name() };
            assert_eq!(check(&any, &[second.clone(), first.clone()]), Err(error));
        }
    }
    assert_eq!(check(&any, &[metadata(), metadata()]), Err(ActionError::Duplicate("write_metadata")));
    refused(&any, Action::GotoTable(TableId(5)), ActionError::BadGoto(TableId(5)));
    refused(&any, Action::GotoTable(TableId(254)), ActionError::BadGoto(TableId(254)));
}

#[test]
fn lists_hold_what_is_theirs() {
    let any = FlowMatch::any();
    let written = |action: Action| Action::WriteActions([action].into());
    for action in [Action::Exit, Action::StackPush(part(FieldId::Reg0, 0, 1)), Action::Clone(Box::default())]
    {
        let name = action.name();
        refused(&any, written(action), ActionError::NotAllowed(name, Scope::ActionSet));
    }
    let to_one = Controller { id: 3, ..Controller::default() };
    refused(
        &any,
        written(Action::Controller(to_one)),
        ActionError::NotAllowed("controller", Scope::ActionSet),
    );
    assert_eq!(check(&any, &[written(Action::Controller(Controller::default()))]), Ok(()));
    let cloned = Action::Clone([Action::GotoTable(TableId(9))].into());
    refused(&any, cloned, ActionError::NotAllowed("goto_table", Scope::Clone));
    let exec =
        |action: Action| Action::Ct(Box::new(Ct { commit: true, exec: [action].into(), ..Ct::default() }));
    assert_eq!(check(&tcp(), &[exec(Action::set(FieldId::CtMark, 1))]), Ok(()));
    refused(
        &tcp(),
        exec(Action::set(FieldId::Reg0, 1)),
        ActionError::NotAllowed("set_field", Scope::Connection),
    );
    refused(&tcp(), exec(Action::Exit), ActionError::NotAllowed("exit", Scope::Connection));
    let conjunction = || Action::Conjunction { id: 1, clause: 0, n_clauses: 2 };
    let note = Action::Note(Box::default());
    assert_eq!(check(&any, &[note.clone(), conjunction(), note, conjunction()]), Ok(()));
    assert_eq!(check(&any, &[conjunction(), Action::Exit]), Err(ActionError::BadConjunction("exit")));
    assert_eq!(check(&any, &[Action::Exit, conjunction()]), Err(ActionError::BadConjunction("exit")));
    let deep = (0..=MAX_NESTING).fold(Action::Exit, |inner, _| Action::Clone([inner].into()));
    refused(&any, deep, ActionError::TooDeep);
}

#[test]
fn connections() {
    let any = FlowMatch::any();
    let ct = |ct: Ct| Action::Ct(Box::new(ct));
    refused(&any, ct(Ct::default()), ActionError::Inconsistent("ct", Prerequisite::Ip));
    let force = Ct { force: true, ..Ct::default() };
    refused(&tcp(), ct(force), ActionError::BadArgument("ct", "takes force only with commit"));
    let zone = Ct { zone: Operand::Field(part(FieldId::Reg0, 0, 8)), ..Ct::default() };
    refused(&tcp(), ct(zone), ActionError::BadArgument("ct", "takes a zone of 16 bits"));
    let nat = |range| Ct { commit: true, nat: Some(Nat::Source(range)), ..Ct::default() };
    let v6 = "fe80::1".parse().expect("an address");
    let range = NatRange { addresses: Some((v6, v6)), ..NatRange::default() };
    refused(&tcp(), ct(nat(range)), ActionError::Inconsistent("ct", Prerequisite::Ipv6));
    let range = NatRange { ports: Some((1, 2)), ..NatRange::default() };
    assert!(matches!(check(&tcp(), &[ct(nat(range))]), Err(ActionError::BadArgument("ct", _))));
    let resubmit = Action::Resubmit { port: None, table: Some(TableId(9)), ct: true };
    refused(&tcp(), resubmit.clone(), ActionError::Inconsistent("resubmit", Prerequisite::Ct));
    assert_eq!(check(&matching(&[(FieldId::CtState, 0x22)]), &[resubmit]), Ok(()));
}

#[test]
fn learned_flows_match_what_their_packets_have() {
    let any = FlowMatch::any();
    let learn =
        |specs: &[LearnSpec]| Action::Learn(Box::new(Learn { specs: specs.into(), ..Learn::default() }));
    let whole = Subfield::whole;
    let is_ip = LearnSpec::Match { target: whole(FieldId::EthType), source: Operand::Value(0x800) };
    let to =
        LearnSpec::Match { target: whole(FieldId::Ipv4Dst), source: Operand::Field(whole(FieldId::Ipv4Src)) };
    assert_eq!(check(&tcp(), &[learn(&[is_ip, to])]), Ok(()));
    refused(&tcp(), learn(&[to]), ActionError::NoField(FieldId::Ipv4Dst, Prerequisite::Ipv4));
    refused(&any, learn(&[is_ip, to]), ActionError::NoField(FieldId::Ipv4Src, Prerequisite::Ipv4));
    let load = LearnSpec::Load { target: whole(FieldId::CtState), source: Operand::Value(1) };
    refused(&any, learn(&[load]), ActionError::ReadOnly(FieldId::CtState));
    let sample = |probability| {
        Action::Sample(Box::new(Sample {
            probability,
            collector_set_id: 1,
            obs_domain_id: Operand::default(),
            obs_point_id: Operand::default(),
            sampling_port: None,
            direction: SampleDirection::Default,
        }))
    };
    assert_eq!(check(&any, &[sample(1)]), Ok(()));
    assert!(matches!(check(&any, &[sample(0)]), Err(ActionError::BadArgument("sample", _))));
}

//! What a flow costs in memory, and a flow mod in allocations: an access list as ClassBench makes them.

use std::sync::Arc;

use netloom_flow::{Action, BridgeId, Epoch, FieldId, FlowMatch, FlowText, Nanos, OfPort};
use netloom_switch::config::{Bridge, Config, Origin, Uuid};
use netloom_switch::{FlowMod, Settings, Switch};

const FLOWS: u64 = 20_000;

/// The flow of a number: addresses with prefixes, and a port.
fn flow(n: u64) -> FlowText {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let bits = |from: u32, count: u32| mixed >> from & ((1 << count) - 1);
    let long = |choice: u64| [16, 20, 24, 24, 28, 32, 32, 32][usize::try_from(choice).unwrap_or(0)];
    let prefix = |len: u32| u128::from(u32::MAX << (32 - len));
    let mut matches = FlowMatch::any();
    matches.set(FieldId::EthType, 0x0800);
    matches.set_masked(FieldId::Ipv4Src, bits(32, 32).into(), prefix(long(bits(0, 3))));
    matches.set_masked(FieldId::Ipv4Dst, (bits(8, 32) ^ n).into(), prefix(long(bits(3, 3))));
    matches.set(FieldId::NwProto, 6);
    matches.set(FieldId::TcpDst, bits(6, 16).into());
    let actions = vec![Action::Output(OfPort(u32::try_from(n % 4).unwrap_or(0) + 1))].into();
    FlowText { matches, actions, ..FlowText::default() }
}

fn switch() -> (Switch, BridgeId) {
    let bridge = Bridge { uuid: Uuid::named(&["s1"]), name: "s1".into(), ..Bridge::default() };
    let mut switch = Switch::new(Settings::default(), Epoch::default());
    switch
        .reconfigure(&Config { bridges: vec![bridge], ..Config::default() }, Nanos::ZERO)
        .expect("a good one");
    let id = switch.bridges().next().expect("a bridge").0;
    (switch, id)
}

#[test]
fn a_flow_is_small_and_is_added_with_few_allocations() {
    let (mut switch, bridge) = switch();
    let origin = Arc::new(Origin::Command);
    // The log of changes and what else does not grow with the flows.
    for n in 0..2_000 {
        switch
            .flow_mod(bridge, FlowMod::add(flow(n)), Arc::clone(&origin), Nanos::ZERO)
            .expect("a good flow");
    }
    let made = allocation_counter::measure(|| {
        (2_000..2_000 + FLOWS).for_each(|n| drop(std::hint::black_box(FlowMod::add(flow(n)))));
    });
    let added = allocation_counter::measure(|| {
        for n in 2_000..2_000 + FLOWS {
            let change = FlowMod::add(flow(n));
            switch.flow_mod(bridge, change, Arc::clone(&origin), Nanos::ZERO).expect("a good flow");
        }
    });
    let bytes = added.bytes_current / FLOWS.cast_signed();
    let allocations = (added.count_total - made.count_total) * 10 / FLOWS;
    println!("{bytes} bytes a flow, {}.{} allocations to add one", allocations / 10, allocations % 10);
    assert!(bytes < 520, "{bytes} bytes a flow");
    assert!(allocations < 30, "{allocations} tenths of an allocation");
}

//! Flow mods that are read in another thread: the same events and answers, in the same order.

use netloom_flow::{Action, FieldId, FlowMatch, Nanos, OfPort};
use netloom_openflow::msg::{BundleAdd, BundleFlags, FlowMod, Message, PortConfig, PortFeatures, PortMod};
use netloom_openflow::session::{Event, Session, Settings};
use netloom_openflow::{Version, Versions, Xid};

const NOW: Nanos = Nanos::from_secs(1);

fn switch() -> Session {
    Session::new(Settings::switch(Versions::ALL), NOW)
}

/// A session of a controller that has agreed on a version, and the bytes it has sent for that.
fn controller(version: Version) -> (Session, Vec<u8>) {
    let mut controller = Session::new(Settings::controller(Versions::of(&[version])), NOW);
    let bytes = controller.take_output();
    controller.handle_bytes(NOW, &switch().take_output());
    (controller, bytes)
}

/// A flow of which many are alike.
fn flow(n: u64) -> FlowMod {
    let mut matches = FlowMatch::any();
    for (field, value) in [
        (FieldId::EthType, 0x0800),
        (FieldId::NwProto, 17),
        (FieldId::Ipv4Dst, 0x0a00_0000 + u128::from(n)),
        (FieldId::UdpDst, u128::from(n % 7)),
    ]
    .into_iter()
    .take((n % 5) as usize)
    {
        matches.set(field, value);
    }
    let port = OfPort(u32::try_from(n / 100).expect("few") + 1);
    let actions = if n.is_multiple_of(11) { Vec::new() } else { vec![Action::Output(port)] };
    FlowMod { matches, new_cookie: Some(n), actions, ..FlowMod::default() }
}

fn port_mod(n: u64) -> PortMod {
    PortMod {
        port: OfPort(u32::try_from(n).expect("few")),
        hw_addr: Default::default(),
        config: PortConfig::default(),
        mask: PortConfig::default(),
        advertise: PortFeatures::default(),
    }
}

/// Rows of flow mods and of additions to bundles, and now and then something else.
fn stream(version: Version) -> Vec<u8> {
    let (mut controller, mut bytes) = controller(version);
    for n in 0..3_000 {
        let flow = Message::FlowMod(Box::new(flow(n)));
        let sent = match n {
            700 => controller.request(&Message::BarrierRequest),
            1_800 => controller.request(&Message::EchoRequest(vec![7; 9])),
            1_000..1_700 if version >= Version::V14 => {
                let message = if n % 50 == 0 { Message::PortMod(port_mod(n)) } else { flow };
                let (flags, head) = (BundleFlags::ATOMIC, Default::default());
                let message = Box::new(message);
                controller.request(&Message::BundleAdd(BundleAdd {
                    bundle: 3,
                    flags,
                    xid: Xid(0),
                    message,
                    head,
                }))
            }
            _ => controller.request(&flow),
        };
        sent.expect("every version has it");
        if n % 400 == 399 {
            bytes.extend(controller.take_output());
            bytes.extend(broken(version));
        }
    }
    bytes.extend(controller.take_output());
    bytes
}

/// A flow mod with a command that there is not.
fn broken(version: Version) -> Vec<u8> {
    let (mut controller, _) = controller(version);
    controller.request(&Message::FlowMod(Box::new(flow(4)))).expect("every version has it");
    let mut bytes = controller.take_output();
    let at = if version == Version::V10 { 8 + 40 + 8 + 1 } else { 8 + 16 + 1 };
    bytes[at] = 9;
    bytes
}

/// What comes of a stream that arrives in pieces.
fn outcome(bytes: &[u8], piece: usize, lends: bool) -> (Vec<Event>, Vec<u8>, usize) {
    let mut session = switch();
    let (mut events, mut output, mut rows, mut lent) = (Vec::new(), Vec::new(), 0, None);
    for piece in bytes.chunks(piece).chain([&[][..]; 4]) {
        session.handle_bytes(NOW, piece);
        loop {
            if session.is_waiting() {
                session.take_back(Option::expect(lent.take(), "it waits for this"));
            }
            if lends && let Some(row) = session.lend() {
                rows += 1;
                lent = Some(std::thread::spawn(|| row.read()).join().expect("no panic"));
            }
            match session.poll_event() {
                Some(event) => events.push(event),
                None if session.is_waiting() => {}
                None => break,
            }
        }
        output.extend(session.take_output());
    }
    (events, output, rows)
}

#[test]
fn a_stream_means_the_same_wherever_it_is_read() {
    for version in Version::ALL {
        let bytes = stream(version);
        let (events, output, _) = outcome(&bytes, 1 << 16, false);
        let refused = events.iter().filter(|event| matches!(event, Event::Refused(..))).count();
        assert_eq!(refused, 7, "{version:?}");
        for piece in [1_500, 1 << 16, bytes.len()] {
            let (other_events, other_output, rows) = outcome(&bytes, piece, true);
            assert!(piece == 1_500 || rows > 3, "{version:?}: {rows} rows in pieces of {piece}");
            assert!(events == other_events, "{version:?} in pieces of {piece}");
            assert!(output == other_output, "{version:?} in pieces of {piece}");
        }
    }
}

#[test]
fn one_row_is_lent_at_a_time_and_what_follows_waits() {
    let (mut controller, mut bytes) = controller(Version::V13);
    for n in 0..1_000 {
        controller.request(&Message::FlowMod(Box::new(flow(n)))).expect("it can be said");
    }
    controller.request(&Message::BarrierRequest).expect("it can be said");
    bytes.extend(controller.take_output());
    let mut session = switch();
    session.handle_bytes(NOW, &bytes);
    let row = session.lend().expect("there are many");
    assert!(session.lend().is_none(), "one is out");
    let mut before = 0;
    while session.poll_event().is_some() {
        before += 1;
    }
    assert!(session.is_waiting() && before < 20, "{before}");
    session.take_back(row.read());
    assert!(!session.is_waiting() && session.lend().is_some(), "the next may go");
}

#[test]
fn few_and_other_messages_are_not_lent() {
    let mut session = switch();
    assert!(session.lend().is_none(), "no version is agreed");
    let (mut controller, bytes) = controller(Version::V13);
    session.handle_bytes(NOW, &bytes);
    for n in 0..20 {
        controller.request(&Message::FlowMod(Box::new(flow(n)))).expect("it can be said");
    }
    session.handle_bytes(NOW, &controller.take_output());
    assert!(session.lend().is_none(), "few");
    for n in 0..1_000 {
        controller.request(&Message::FlowMod(Box::new(flow(n)))).expect("it can be said");
        controller.request(&Message::BarrierRequest).expect("it can be said");
    }
    session.handle_bytes(NOW, &controller.take_output());
    while session.poll_event().is_some() {
        assert!(session.lend().is_none(), "never many in a row");
    }
}

//! Two sessions against each other, and one against a hostile peer; time is what the test says.

use netloom_flow::{FieldId, FlowMatch, Nanos, OfPort};
use netloom_openflow::error::Coded;
use netloom_openflow::frame::Header;
use netloom_openflow::msg::{
    ErrorMessage, FlowCommand, FlowFormat, FlowMod, FlowStats, FlowStatsRequest, MultipartReply,
    MultipartRequest,
};
use netloom_openflow::session::{CloseReason, Event, Request, Session, Settings};
use netloom_openflow::wire::{Protocol, encode};
use netloom_openflow::{Message, OfError, Version, Versions, Xid};

const START: Nanos = Nanos::from_secs(100);

fn switch(versions: &[Version]) -> Session {
    Session::new(Settings::switch(Versions::of(versions)), START)
}

fn controller(versions: &[Version]) -> Session {
    Session::new(Settings::controller(Versions::of(versions)), START)
}

/// Carries bytes both ways until nobody has any.
fn carry(a: &mut Session, b: &mut Session) {
    loop {
        let (forth, back) = (a.take_output(), b.take_output());
        if forth.is_empty() && back.is_empty() {
            return;
        }
        b.handle_bytes(START, &forth);
        a.handle_bytes(START, &back);
    }
}

fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

/// A pair that speaks `version`.
fn pair(version: Version) -> (Session, Session) {
    let (mut s, mut c) = (switch(&[version]), controller(&[version]));
    carry(&mut s, &mut c);
    assert_eq!(events(&mut s), [Event::Up(version)]);
    assert_eq!(events(&mut c), [Event::Up(version)]);
    (s, c)
}

fn received(session: &mut Session) -> Vec<(Request, Message)> {
    let all = events(session).into_iter();
    all.map(|event| match event {
        Event::Message(request, message) => (request, message),
        other => panic!("{other:?}"),
    })
    .collect()
}

#[test]
fn the_highest_common_version_wins() {
    use Version::{V10, V11, V12, V13, V14, V15};
    for (ours, theirs, version) in [
        (&Version::ALL[..], &Version::ALL[..], Some(V15)),
        (&[V10, V13], &[V10, V12, V13, V14], Some(V13)),
        (&[V10, V13], &[V10, V12, V14], Some(V10)),
        (&[V11], &[V13], None),
        (&[V13], &[V10], None),
        (&[V15], &[V10, V15], Some(V15)),
    ] {
        let (mut s, mut c) = (switch(ours), controller(theirs));
        let (hello, answer) = (c.take_output(), s.take_output());
        s.handle_bytes(START, &hello);
        c.handle_bytes(START, &answer);
        assert_eq!((s.version(), c.version()), (version, version), "{ours:?} {theirs:?}");
        if version.is_none() {
            assert!(matches!(events(&mut s)[..], [Event::Closed(CloseReason::NoCommonVersion { .. })]));
            let refused = s.take_output();
            assert_eq!(refused[1], 1, "an error");
            assert_eq!(refused[8..12], [0, 0, 0, 0], "OFPHFC_INCOMPATIBLE");
        }
    }
}

#[test]
fn a_hello_without_a_bitmap_means_the_lower_number() {
    for (number, ours, version) in [
        (1, &Version::ALL[..], Some(Version::V10)),
        (4, &Version::ALL[..], Some(Version::V13)),
        (0x63, &Version::ALL[..], Some(Version::V15)),
        (5, &[Version::V10, Version::V13][..], Some(Version::V13)),
        (3, &[Version::V10, Version::V13][..], None),
    ] {
        let mut s = switch(ours);
        s.handle_bytes(START, &Header { version: number, kind: 0, len: 8, xid: Xid(9) }.emit());
        assert_eq!(s.version(), version, "{number} {ours:?}");
    }
}

#[test]
fn what_is_no_hello_ends_the_connection() {
    let mut s = switch(&Version::ALL);
    assert!(!s.take_output().is_empty(), "our hello");
    s.handle_bytes(START, &[4, 5, 0, 8, 0, 0, 0, 9]);
    assert_eq!(events(&mut s), [Event::Closed(CloseReason::NoHello(5))]);
    assert_eq!(s.take_output()[..12], [6, 1, 0, 20, 0, 0, 0, 9, 0, 1, 0, 1], "OFPBRC_BAD_TYPE");
    let mut silent = switch(&Version::ALL);
    silent.handle_deadline(silent.deadline());
    assert_eq!(events(&mut silent), [Event::Closed(CloseReason::HelloTimeout)]);
    assert_eq!(silent.deadline(), Nanos::MAX);
    let mut broken = switch(&Version::ALL);
    broken.handle_bytes(START, &[4, 0, 0, 3, 0, 0, 0, 9]);
    assert_eq!(events(&mut broken), [Event::Closed(CloseReason::BrokenStream)]);
}

#[test]
fn echoes_are_answered_at_once_with_their_bytes() {
    let (mut s, _) = pair(Version::V13);
    s.handle_bytes(START, &[4, 2, 0, 11, 0, 0, 0, 9, 1, 2, 3]);
    assert_eq!(s.take_output(), [4, 3, 0, 11, 0, 0, 0, 9, 1, 2, 3]);
    assert_eq!(events(&mut s), []);
}

#[test]
fn silence_is_probed_and_then_believed() {
    let (mut s, mut c) = pair(Version::V10);
    let probe = s.deadline();
    assert_eq!(probe, START + Nanos::from_secs(5));
    s.handle_deadline(probe - Nanos(1));
    assert_eq!(s.output_len(), 0);
    s.handle_deadline(probe);
    let question = s.take_output();
    assert_eq!(question[1], 2, "an echo request");
    // Answered: all is well for another interval.
    c.handle_bytes(probe, &question);
    s.handle_bytes(probe + Nanos::from_secs(1), &c.take_output());
    assert!(matches!(events(&mut s)[..], [Event::EchoReply(_)]));
    assert_eq!(s.deadline(), probe + Nanos::from_secs(6));
    // Not answered: the end.
    s.handle_deadline(s.deadline());
    s.handle_deadline(s.deadline());
    assert_eq!(events(&mut s), [Event::Closed(CloseReason::Silent)]);
}

#[test]
fn messages_keep_their_order_and_ids_wherever_the_bytes_break() {
    let (mut s, mut c) = pair(Version::V13);
    let first = c.request(&Message::FeaturesRequest).expect("in every version");
    let flow = Message::FlowMod(Box::default());
    let second = c.request(&flow).expect("in every version");
    let third = c.request(&Message::BarrierRequest).expect("in every version");
    for byte in c.take_output() {
        s.handle_bytes(START, &[byte]);
    }
    let seen: Vec<_> =
        received(&mut s).into_iter().map(|(request, message)| (request.xid, message)).collect();
    let add = FlowMod { new_cookie: Some(0), ..FlowMod::default() };
    assert_eq!(
        seen,
        [
            (first, Message::FeaturesRequest),
            (second, Message::FlowMod(Box::new(add))),
            (third, Message::BarrierRequest)
        ]
    );
}

#[test]
fn errors_bear_the_request() {
    let (mut s, mut c) = pair(Version::V13);
    let actions = vec![netloom_flow::Action::Output(OfPort(1)); 3];
    let long = FlowMod { actions, ..FlowMod::default() };
    let xid = c.request(&Message::FlowMod(Box::new(long))).expect("in every version");
    carry(&mut s, &mut c);
    let (request, _) = received(&mut s).remove(0);
    s.refuse(&request, OfError::FmfcTableFull);
    carry(&mut s, &mut c);
    let (answer, message) = received(&mut c).remove(0);
    assert_eq!(answer.xid, xid);
    let Message::Error(ErrorMessage { error, data }) = message else { panic!("{message:?}") };
    assert_eq!(error, Coded::Known(OfError::FmfcTableFull));
    assert_eq!((data.len(), data[1]), (112, 14), "the flow mod");
}

#[test]
fn what_cannot_be_read_is_answered_and_told() {
    let (mut s, _) = pair(Version::V13);
    for (bytes, error, code) in [
        (&[4, 99, 0, 8, 0, 0, 0, 7][..], OfError::BrcBadType, [0, 1, 0, 1]),
        (&[4, 14, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0], OfError::BrcBadLen, [0, 1, 0, 6]),
        (&[4, 18, 0, 16, 0, 0, 0, 7, 0, 99, 0, 0, 0, 0, 0, 0], OfError::BrcBadStat, [0, 1, 0, 2]),
    ] {
        s.handle_bytes(START, bytes);
        assert!(
            matches!(events(&mut s)[..], [Event::Refused(ref request, e)] if (request.xid, e) == (Xid(7), error))
        );
        let answer = s.take_output();
        assert_eq!((answer[1], &answer[4..8], &answer[8..12]), (1, &[0, 0, 0, 7][..], &code[..]));
        assert_eq!(&answer[12..], bytes);
    }
    // Nothing is said to an error that cannot be read: two such peers would go on for ever.
    s.handle_bytes(START, &[4, 1, 0, 9, 0, 0, 0, 7, 0]);
    assert!(matches!(events(&mut s)[..], [Event::Refused(..)]));
    assert_eq!(s.output_len(), 0);
    // Another version than agreed: refused, and the end.
    s.handle_bytes(START, &[1, 5, 0, 8, 0, 0, 0, 7]);
    assert_eq!(events(&mut s), [Event::Closed(CloseReason::WrongVersion(1))]);
    assert_eq!(s.take_output()[8..12], [0, 1, 0, 0]);
}

fn any_flow() -> FlowStatsRequest {
    FlowStatsRequest {
        table: None,
        matches: FlowMatch::any(),
        out_port: OfPort::NONE,
        out_group: u32::MAX,
        cookie: 0,
        cookie_mask: 0,
    }
}

fn flow(port: u128) -> FlowStats {
    let mut matches = FlowMatch::any();
    matches.set(FieldId::InPortOxm, port);
    FlowStats {
        table: netloom_flow::TableId(0),
        priority: 1,
        matches,
        cookie: 0,
        idle_timeout: 0,
        hard_timeout: 0,
        importance: 0,
        flags: Default::default(),
        counts: Default::default(),
        idle_age: None,
        hard_age: None,
        actions: Vec::new(),
        is_triggered: false,
    }
}

#[test]
fn long_replies_are_cut_and_put_together_again() {
    for version in Version::ALL {
        let (mut s, mut c) = pair(version);
        let asked = c.request(&Message::MultipartRequest(MultipartRequest::Flow(Box::new(any_flow()))));
        carry(&mut s, &mut c);
        let (request, _) = received(&mut s).remove(0);
        let flows: Vec<_> = (1..3000).map(flow).collect();
        s.reply(&request, &Message::MultipartReply(MultipartReply::Flow(flows.clone())))
            .expect("in every version");
        assert!(s.output_len() > 0x1_0000, "more than one frame");
        carry(&mut s, &mut c);
        let (answer, message) = received(&mut c).remove(0);
        assert_eq!(Ok(answer.xid), asked);
        assert_eq!(message, Message::MultipartReply(MultipartReply::Flow(flows)), "{version}");
    }
}

#[test]
fn flows_of_1_0_are_told_in_the_form_they_were_asked_for() {
    let (mut s, mut c) = pair(Version::V10);
    for (format, kind) in [(FlowFormat::OpenFlow10, [0, 1]), (FlowFormat::Nxm, [0xff, 0xff])] {
        c.set_flow_format(format);
        c.request(&Message::MultipartRequest(MultipartRequest::Flow(Box::new(any_flow()))))
            .expect("both forms");
        carry(&mut s, &mut c);
        let (request, _) = received(&mut s).remove(0);
        s.reply(&request, &Message::MultipartReply(MultipartReply::Flow(vec![flow(1)]))).expect("both forms");
        let bytes = s.take_output();
        assert_eq!(bytes[8..10], kind);
        c.handle_bytes(START, &bytes);
        assert_eq!(
            received(&mut c).remove(0).1,
            Message::MultipartReply(MultipartReply::Flow(vec![flow(1)]))
        );
    }
}

/// A part of a request for the features of tables, without content.
fn part(xid: u32, more: bool) -> Vec<u8> {
    let mut bytes = Header { version: 4, kind: 18, len: 16, xid: Xid(xid) }.emit().to_vec();
    bytes.extend([0, 12, 0, u8::from(more), 0, 0, 0, 0]);
    bytes
}

#[test]
fn requests_in_parts_wait_for_the_last_one_but_not_for_ever() {
    let (mut s, _) = pair(Version::V13);
    for _ in 0..3 {
        s.handle_bytes(START, &part(7, true));
    }
    assert_eq!(events(&mut s), []);
    s.handle_bytes(START, &part(7, false));
    let (request, message) = received(&mut s).remove(0);
    assert_eq!(message, Message::MultipartRequest(MultipartRequest::TableFeatures(Vec::new())));
    assert_eq!(request.xid, Xid(7));
    s.handle_bytes(START, &part(8, true));
    assert_eq!(s.deadline(), START + Nanos::from_secs(1));
    s.handle_deadline(s.deadline());
    assert_eq!(s.take_output()[4..8], [0, 0, 0, 8], "refused");
    // Too many at once.
    for xid in 10..40 {
        s.handle_bytes(START, &part(xid, true));
    }
    let refused = events(&mut s);
    assert_eq!(refused.len(), 14);
    assert!(matches!(refused[0], Event::Refused(_, OfError::BrcMultipartBufferOverflow)));
}

#[test]
fn what_comes_faster_than_it_is_handled_is_read_later_and_in_order() {
    let (mut s, mut c) = pair(Version::V13);
    let ids: Vec<Xid> =
        (0..1_000).map(|_| c.request(&Message::BarrierRequest).expect("in every version")).collect();
    c.request(&Message::EchoRequest(vec![7])).expect("in every version");
    s.handle_bytes(START, &c.take_output());
    assert!(s.take_output().is_empty(), "the echo comes after the barriers");
    let seen: Vec<Xid> = received(&mut s).into_iter().map(|(request, _)| request.xid).collect();
    assert_eq!(seen, ids);
    assert_eq!(s.take_output()[8..], [7]);
    // A stream that breaks ends after what came before.
    c.request(&Message::BarrierRequest).expect("in every version");
    let barrier = c.take_output();
    s.handle_bytes(START, &[barrier.repeat(100), vec![4, 5, 0, 3, 0, 0, 0, 9]].concat());
    assert!(!s.is_closed());
    let all = events(&mut s);
    assert_eq!(all.len(), 101);
    assert_eq!(all.last(), Some(&Event::Closed(CloseReason::BrokenStream)));
}

#[test]
fn settings_change_how_the_next_bytes_are_read() {
    let (mut s, mut c) = pair(Version::V10);
    let add = Message::FlowMod(Box::new(FlowMod {
        command: FlowCommand::Add,
        table: Some(netloom_flow::TableId(5)),
        new_cookie: Some(1),
        ..FlowMod::default()
    }));
    c.request(&Message::FlowModTableId(true)).expect("in 1.0");
    c.set_flow_mod_table_id(true);
    c.request(&add).expect("in 1.0");
    carry(&mut s, &mut c);
    let Message::FlowMod(read) = received(&mut s).remove(1).1 else { panic!("a flow mod") };
    assert_eq!(read.table, Some(netloom_flow::TableId(5)));
}

#[test]
fn what_answers_nothing_has_no_id() {
    let (mut s, _) = pair(Version::V13);
    s.send(&Message::BarrierReply).expect("in every version");
    assert_eq!(s.take_output(), [4, 21, 0, 8, 0, 0, 0, 0]);
    let mut bytes = Vec::new();
    let protocol = Protocol::new(Version::V10);
    assert!(
        encode(&protocol, Xid(1), &Message::GetAsyncRequest, &mut bytes).is_err(),
        "1.0 has no such message"
    );
    assert_eq!(s.send(&Message::FlowMonitorPaused), Ok(()), "1.3 has it as an extension");
}

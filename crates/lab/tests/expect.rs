//! Runs of expectations with a manual clock: when they ask, when they ask again, what they decide.

use std::path::Path;

use netloom_flow::Nanos;
use netloom_lab::address::Family;
use netloom_lab::expect::{
    LostDetail, Order, Outcome, PairResult, Probe, ProbeKind, ProbeResult, ReachProbe, ReachResult, Run,
    Verdict, report,
};
use netloom_lab::lab::{Happening, Lab};
use netloom_lab::{load, resolve};

const LAB: &str = "
netloom: 1
settle: 1s
tenants: { red: {}, blue: {} }
nodes: { red/web: {}, red/db: {}, blue/h1..2: {} }
switches: { s1: {}, s2: {} }
links:
  - red/web -- s1
  - red/db -- s2
  - blue/h1..2 -- s1
  - { link: s1 -- s2, name: core }
";

fn lab(rest: &str) -> Lab {
    let source = format!("{LAB}{rest}");
    let file =
        load(&source, Path::new("a.loom.yml"), &[]).unwrap_or_else(|e| panic!("{}", e.render(&source)));
    resolve(&file).unwrap_or_else(|e| panic!("{}", e.render(&source)))
}

fn ms(n: u64) -> Nanos {
    Nanos::from_millis(n)
}

/// An answer to a reach probe in which `arrives` says what becomes of each pair.
fn answer(probe: &ReachProbe, arrives: impl Fn(u32, u32) -> bool) -> ProbeResult {
    let count = |list: &[String]| u32::try_from(list.len()).expect("a small lab");
    let all = (0..count(&probe.from)).flat_map(|f| (0..count(&probe.to)).map(move |t| (f, t)));
    let other = |(f, t): &(u32, u32)| probe.from[*f as usize] != probe.to[*t as usize];
    let pairs: Vec<_> = probe.pairs.clone().unwrap_or_else(|| all.filter(other).collect());
    let one = |(from, to): (u32, u32), kind: ProbeKind| PairResult {
        from,
        to,
        kind,
        family: Family::Ipv4,
        sent: probe.packets,
        arrived: if arrives(from, to) { probe.packets } else { 0 },
        rtt: arrives(from, to).then_some(ms(3)),
        lost: (!arrives(from, to)).then(|| {
            Box::new(LostDetail {
                last_hop: Some("s1 port 4 (s1-eth4)".into()),
                drop: Some("link down".into()),
                error: None,
            })
        }),
    };
    let pairs: Vec<_> = pairs.iter().flat_map(|p| probe.kinds.iter().map(move |k| one(*p, *k))).collect();
    let lost = pairs.iter().filter(|p| p.arrived == 0).map(|p| u64::from(p.sent)).sum();
    ProbeResult::Reach(ReachResult { pairs, drops: vec![("tenant".into(), lost)] })
}

fn reach(probe: &Probe) -> &ReachProbe {
    match probe {
        Probe::Reach(reach) => reach,
        other => panic!("not a reach probe: {other:?}"),
    }
}

/// The probes among orders.
fn probes(orders: Vec<Order>) -> Vec<(usize, Probe)> {
    orders.into_iter().filter_map(|o| if let Order::Probe(i, p) = o { Some((i, p)) } else { None }).collect()
}

fn outcomes(run: &Run) -> Vec<(&str, &Outcome)> {
    run.outcomes().map(|(text, outcome)| (text, outcome.expect("decided"))).collect()
}

#[test]
fn a_sentence_is_asked_again_until_it_holds() {
    let lab = lab("expect: [all can reach all]");
    let mut run = Run::new(&lab, &lab.expect, true, ms(0)).expect("a run");
    let orders = probes(run.poll(ms(0)));
    let [(0, probe)] = orders.as_slice() else { panic!("{orders:?}") };
    assert_eq!((reach(probe).from.len(), reach(probe).packets), (4, 1));
    run.result(0, &answer(reach(probe), |f, t| (f, t) != (0, 1)), ms(10));
    assert_eq!(run.deadline(), Some(ms(30)));
    assert!(run.poll(ms(29)).is_empty());
    let again = probes(run.poll(ms(30)));
    assert_eq!(reach(&again[0].1).pairs, Some(vec![(0, 1)]), "only what failed");
    run.result(0, &answer(reach(&again[0].1), |_, _| true), ms(31));
    assert!(run.poll(ms(31)).is_empty());
    assert!(run.finished());
    let text = report::lines(&outcomes(&run)).join("\n");
    assert_eq!(text, "  ok  all can reach all    12 of 12 probes arrived, slowest 3.00 ms");
}

#[test]
fn what_never_holds_fails_when_settle_ends_and_says_why() {
    let lab = lab("expect: [red/web can reach red/db, red cannot reach blue]");
    let mut run = Run::new(&lab, &lab.expect, true, ms(0)).expect("a run");
    let mut now = ms(0);
    let mut asked = 0;
    while !run.finished() {
        for (i, probe) in probes(run.poll(now)) {
            asked += 1;
            run.result(i, &answer(reach(&probe), |_, _| false), now);
        }
        now = run.deadline().unwrap_or(now);
    }
    assert_eq!(now, ms(1_000), "settle");
    assert!((5..12).contains(&asked), "{asked}");
    insta::assert_snapshot!(report::lines(&outcomes(&run)).join("\n"));
    assert_eq!(report::summary(&outcomes(&run)), "1 of 2 hold");
}

#[test]
fn isolation_is_tried_with_everything_and_needs_something_sent() {
    let lab = lab("expect: [red cannot reach blue, red/web cannot reach red/db tcp/23]");
    let mut run = Run::new(&lab, &lab.expect, true, ms(0)).expect("a run");
    let orders = probes(run.poll(ms(0)));
    assert_eq!(reach(&orders[0].1).kinds.len(), 4);
    assert!(reach(&orders[0].1).every_address);
    assert_eq!(reach(&orders[1].1).kinds, [ProbeKind::Tcp(23)]);
    let ProbeResult::Reach(mut dead) = answer(reach(&orders[0].1), |_, _| false) else { panic!() };
    dead.pairs.iter_mut().for_each(|p| p.sent = 0);
    run.result(0, &ProbeResult::Reach(dead), ms(2_000));
    let outcome = outcomes_of(&run, 0).expect("decided");
    assert_eq!(outcome.verdict, Verdict::Fails, "a dead lab is no firewall");
    assert!(outcome.explain[0].contains("nothing could be sent"), "{:?}", outcome.explain);
    run.result(1, &ProbeResult::Reach(ReachResult::default()), ms(2_000));
    assert_eq!(outcomes_of(&run, 1).expect("decided").measured, "impossible to tell");
}

fn outcomes_of(run: &Run, i: usize) -> Option<&Outcome> {
    run.outcomes().nth(i).and_then(|(_, o)| o)
}

#[test]
fn events_come_at_their_time_and_before_the_sentences_of_that_moment() {
    let lab = lab("
events:
  - { at: 2s, link: core, state: down }
  - { every: 1500ms, node: red/web, do: restart }
expect:
  - red/web can reach red/db
  - at 2s, red/web can reach red/db within 1s
  - from 1s to 2s, blue/h1 can reach blue/h2
");
    let mut run = Run::new(&lab, &lab.expect, true, ms(100)).expect("a run");
    let (_, probe) = probes(run.poll(ms(100))).remove(0);
    run.result(0, &answer(reach(&probe), |_, _| true), ms(500));
    assert!(run.poll(ms(500)).is_empty(), "clock 0 is at 500 ms");
    assert_eq!(run.deadline(), Some(ms(1_500)));
    let mut log = Vec::new();
    let mut now = ms(1_500);
    while !run.finished() {
        for order in run.poll(now) {
            match order {
                Order::Event(Happening::Link { link, forth, .. }) => {
                    log.push(format!("{} {link} {:?}", now.0 / 1_000_000, forth.up))
                }
                Order::Event(other) => {
                    log.push(format!("{} {}", now.0 / 1_000_000, matches!(other, Happening::Node { .. })))
                }
                Order::Probe(i, probe) => {
                    if i == 1 {
                        log.push(format!("{} probe", now.0 / 1_000_000));
                    }
                    run.result(i, &answer(reach(&probe), |_, _| i == 2 || now >= ms(2_600)), now);
                }
            }
        }
        now = run.deadline().unwrap_or(now);
    }
    assert_eq!(
        log,
        ["2000 true", "2500 core Some(false)", "2500 probe", "2520 probe", "2560 probe", "2640 probe"]
    );
    let lines = report::lines(&outcomes(&run));
    assert!(lines[1].ends_with("healed in 140 ms"), "{lines:?}");
    assert!(lines[2].contains("held "), "{lines:?}");
}

#[test]
fn measurements_come_last_and_alone() {
    let lab = lab("
expect:
  - throughput red/web -> red/db >= 90Mbit udp for 1s
  - rtt red/web -> red/db < 5ms
  - red/web can reach red/db
");
    let mut run = Run::new(&lab, &lab.expect, true, ms(0)).expect("a run");
    let first = probes(run.poll(ms(0)));
    assert_eq!(first.iter().map(|(i, _)| *i).collect::<Vec<_>>(), [2]);
    run.result(2, &answer(reach(&first[0].1), |_, _| true), ms(1));
    let second = probes(run.poll(ms(1)));
    assert!(
        matches!(second.as_slice(), [(0, Probe::Measure(m))] if m.offer == Some(99_000_000)),
        "{second:?}"
    );
    run.result(0, &ProbeResult::Measure { value: 97_430_000, sent: 9 }, ms(1_001));
    assert_eq!(outcomes_of(&run, 0).expect("decided").measured, "97.4 Mbit/s for 1 s");
    let third = probes(run.poll(ms(1_001)));
    assert_eq!(third[0].0, 1);
    run.result(1, &ProbeResult::Impossible("the daemon is gone".into()), ms(9_000));
    assert!(run.poll(ms(9_000)).is_empty());
    assert!(run.finished());
    assert_eq!(outcomes_of(&run, 1).expect("decided").explain, ["the daemon is gone"]);
}

#[test]
fn commands_are_judged_by_exit_code_and_output() {
    let lab = lab("expect: [{ node: red/web, run: curl localhost, prints: Welcome, within: 1s }]");
    let mut run = Run::new(&lab, &lab.expect, true, ms(0)).expect("a run");
    assert!(matches!(probes(run.poll(ms(0))).as_slice(), [(0, Probe::Command { .. })]));
    run.result(0, &ProbeResult::Command { exit: Some(7), output: "curl: (7) refused\n".into() }, ms(2_000));
    let outcome = outcomes_of(&run, 0).expect("decided");
    assert_eq!(
        outcome.explain,
        ["it ended with 7, not 0", "it did not print \"Welcome\"", "| curl: (7) refused"]
    );
}

#[test]
fn without_play_only_untimed_sentences_are_tried() {
    let lab = lab("
events: [{ at: 1s, link: core, state: down }]
expect: ['at 1s, red/web can reach red/db']
");
    let mut run = Run::new(&lab, &lab.expect, false, ms(0)).expect("a run");
    assert!(run.poll(ms(0)).is_empty());
    assert!(run.finished());
    assert_eq!(run.outcomes().count(), 0);
}

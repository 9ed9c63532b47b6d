//! Plans: what an edit of a file makes to be done, in which order, and that nothing else is touched.

use std::path::Path;

use netloom_flow::{LinkSettings, Nanos, PortId};
use netloom_lab::apply::{ApplyError, Executor, Labs, Silent, apply};
use netloom_lab::lab::{FailMode, Lab, Vlan};
use netloom_lab::plan::{
    Action, ByHand, Drifted, Phase, Plan, Present, PresentControl, PresentLink, PresentVlan, Step,
    kept_vlans, plan,
};
use netloom_lab::{config, load, resolve_after};

const BASE: &str = "
netloom: 1
tenants: { red: {}, blue: {} }
nodes:
  red/web: { run: httpd, privileged: true }
  red/db: {}
  blue/h1..2: {}
  gw: { forward: true, ip: { eth0: 192.0.2.1/24, eth1: 198.51.100.1/24 } }
switches:
  s1: {}
  s2: { flows: ['priority=5,tcp,actions=drop', 'actions=normal'] }
links:
  - red/web -- s1
  - { link: red/db -- s2, vlan: 10 }
  - blue/h1..2 -- s1
  - { link: s1 -- s2, name: core, delay: 20ms, back: { rate: 50Mbit } }
  - gw -- s1
  - gw -- s2
";

fn lab(source: &str, running: Option<&Lab>) -> Lab {
    let file =
        load(source, Path::new("dir/shop.loom.yml"), &[]).unwrap_or_else(|e| panic!("{}", e.render(source)));
    resolve_after(&file, running).unwrap_or_else(|e| panic!("{}", e.render(source)))
}

fn planned(from: Option<&Lab>, to: &Lab) -> Plan {
    plan(from, to, &Present::default(), Drifted::Keep)
}

#[test]
fn a_vlan_changed_by_hand_is_kept_unless_the_file_changes_it_or_it_is_reset() {
    let before = lab(BASE, None);
    let port =
        before.switches.iter().flat_map(|it| &it.ports).find(|it| it.vlan == Vlan::Access(10)).unwrap();
    let vlan = Vlan::Trunk { vlans: vec![20, 30], native: Some(12) };
    let by_hand = vec![PresentVlan { link: port.link.clone(), left: port.left, vlan }];
    let present = Present { vlans: by_hand.clone(), ..Present::default() };
    let to = |after: &Lab, drifted| {
        let plan = plan(Some(&before), after, &present, drifted).to_string();
        (plan, kept_vlans(&before, after, &by_hand, drifted))
    };
    let (shown, kept) = to(&before, Drifted::Keep);
    assert!(shown.contains("! port    s2-eth1  changed by hand: trunk 20,30 native 12"), "{shown}");
    assert!(shown.contains("0 to change") && kept == by_hand, "{shown}");
    let (shown, kept) = to(&before, Drifted::Reset);
    assert!(shown.contains("~ port    s2-eth1  trunk 20,30 native 12 -> vlan 10"), "{shown}");
    assert!(kept.is_empty());
    // The file has the last word on what it changes itself.
    let after = lab(&BASE.replace("vlan: 10", "vlan: 11"), Some(&before));
    let (shown, kept) = to(&after, Drifted::Keep);
    assert!(shown.contains("~ switch  s2") && shown.contains("vlan 11") && kept.is_empty(), "{shown}");
    let gone = lab(&BASE.replace("  - { link: red/db -- s2, vlan: 10 }\n", ""), Some(&before));
    assert_eq!(to(&gone, Drifted::Keep).1, []);
    // What is done is what is said.
    let there = before.with_vlans(&by_hand);
    assert_eq!(by_hand[0].port(&there).unwrap().vlan, by_hand[0].vlan);
    assert_eq!(there.with_vlans(&[PresentVlan { vlan: Vlan::Access(10), ..by_hand[0].clone() }]), before);
}

#[test]
fn controllers_changed_by_hand_are_kept_unless_the_file_changes_them_or_they_are_reset() {
    let source = "netloom: 1\nname: c\nnodes: { h1: {} }\nswitches: { s1: { controller: 'tcp:10.0.0.1' }, s2: {} }\nlinks: [ h1 -- s1, s1 -- s2 ]\n";
    let before = lab(source, None);
    let own = PresentControl::of(&before, before.switch("s1").unwrap());
    assert!(!own.differs_in(&before), "{own:?}");
    let mut now = own.clone();
    now.targets.insert("tcp:10.0.0.2:6633".to_owned());
    now.fail_mode = FailMode::Secure;
    let by_hand = ByHand { controls: vec![now.clone()], ..ByHand::default() };
    let present = Present { controls: by_hand.controls.clone(), ..Present::default() };
    let to = |after: &Lab, drifted| {
        let plan = plan(Some(&before), after, &present, drifted).to_string();
        (plan, by_hand.kept(&before, after, drifted))
    };
    let (shown, kept) = to(&before, Drifted::Keep);
    assert!(shown.contains("! switch  s1  changed by hand: controller tcp:10.0.0.1"), "{shown}");
    assert!(
        shown.contains("tcp:10.0.0.2:6633, fail_mode secure") && shown.contains("0 to change"),
        "{shown}"
    );
    assert_eq!(kept, by_hand);
    let (shown, kept) = to(&before, Drifted::Reset);
    assert!(shown.contains("~ switch  s1") && shown.contains("fail_mode standalone"), "{shown}");
    assert!(kept.is_empty());
    // The file has the last word on what it changes itself, and says nothing of a switch that is gone.
    let after = lab(&source.replace("10.0.0.1", "10.0.0.3"), Some(&before));
    assert!(to(&after, Drifted::Keep).1.is_empty());
    let gone = lab(
        &source.replace("s1: { controller: 'tcp:10.0.0.1' }, ", "").replace("h1 -- s1, s1 -- s2", "h1 -- s2"),
        None,
    );
    assert!(to(&gone, Drifted::Keep).1.is_empty());
    // What is done is what is said; the file's own controller is found again, and the other one made.
    let there = before.with(&by_hand);
    assert_eq!(PresentControl::of(&there, there.switch("s1").unwrap()), now);
    assert_eq!(there.controllers.len(), before.controllers.len() + 1);
    assert_eq!(before.with(&ByHand { controls: vec![own], ..ByHand::default() }), before);
}

#[test]
fn a_first_plan_makes_everything() {
    insta::assert_snapshot!(planned(None, &lab(BASE, None)).to_string());
}

#[test]
fn an_end_is_the_plan_for_an_empty_lab() {
    let lab = lab(BASE, None);
    insta::assert_snapshot!(planned(Some(&lab), &Lab::empty("shop")).to_string());
}

#[test]
fn nothing_changed_is_nothing_to_do() {
    let before = lab(BASE, None);
    // Comments, order of expectations and moved lines are nothing to do.
    let after =
        lab(&format!("# a comment\n{BASE}\nexpect: [red/web can reach red/db]\nsettle: 3s\n"), Some(&before));
    assert_ne!(before, after);
    let plan = planned(Some(&before), &after);
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(plan.to_string(), "nothing to do: 14 nodes, switches and links stay as they are\n");
}

#[test]
fn an_edit_touches_only_what_it_changes() {
    let before = lab(BASE, None);
    let edited = BASE
        .replace("run: httpd, privileged: true", "run: httpd -v")
        .replace("blue/h1..2: {}", "blue/h1..3: {}")
        .replace("  - blue/h1..2 -- s1\n", "  - blue/h2..3 -- s1\n  - blue/h1 -- s2\n")
        .replace("delay: 20ms", "delay: 40ms")
        .replace("'actions=normal'", "'priority=1,actions=normal'");
    let after = lab(&edited, Some(&before));
    let plan = planned(Some(&before), &after);
    insta::assert_snapshot!(plan.to_string());
    let touched: Vec<_> =
        plan.steps.iter().filter(|s| s.label().contains("red/db") || s.label().contains("gw")).collect();
    assert!(touched.is_empty(), "{touched:?}");
    assert_eq!(lab(&edited, Some(&before)), after);
    let order: Vec<_> = plan.phases().map(|(phase, _)| phase).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn drift_is_kept_unless_the_file_changes_it_or_it_is_reset() {
    let before = lab(BASE, None);
    let core = &before.links_named("core")[0];
    let by_hand = LinkSettings { delay: Nanos::from_millis(99), rate: Some(1_000_000), ..core.forth.clone() };
    let present = Present {
        links: vec![PresentLink { link: "core".into(), forth: by_hand.clone(), back: core.back.clone() }],
        flows: vec![("s2".into(), "+flow actions=drop".into())],
        ..Present::default()
    };
    let kept = plan(Some(&before), &before, &present, Drifted::Keep);
    assert!(kept.is_empty());
    assert_eq!(kept.drift.len(), 2);
    let after = lab(&BASE.replace("delay: 20ms", "delay: 40ms"), Some(&before));
    let changed = plan(Some(&before), &after, &present, Drifted::Keep);
    let [Step { action: Action::ShapeLink { to, .. }, .. }] = changed.steps.as_slice() else {
        panic!("{changed}")
    };
    assert_eq!(
        to.forth,
        LinkSettings { delay: Nanos::from_millis(40), ..by_hand },
        "the rate set by hand stays"
    );
    assert_eq!(to.back.delay, Nanos::from_millis(40));
    insta::assert_snapshot!(plan(Some(&before), &before, &present, Drifted::Reset).to_string());
}

#[test]
fn a_link_that_moves_is_detached_and_attached() {
    let before = lab(BASE, None);
    let after = lab(&BASE.replace("{ link: red/db -- s2, vlan: 10 }", "red/db -- s1"), Some(&before));
    let labels: Vec<_> = planned(Some(&before), &after).steps.iter().map(Step::label).collect();
    for label in ["detach link red/db--s2", "attach link red/db--s1", "change switch s1", "change switch s2"]
    {
        assert!(labels.contains(&label.to_owned()), "{labels:?}");
    }
}

#[test]
fn every_step_but_a_reset_has_its_undo_and_plans_survive_json() {
    let plan = planned(None, &lab(BASE, None));
    for step in &plan.steps {
        let undo = step.action.undo().expect("a way back");
        assert_eq!(undo.undo().as_ref(), Some(&step.action));
    }
    let text = serde_json::to_string(&plan).expect("plain data");
    assert_eq!(serde_json::from_str::<Plan>(&text).expect("read back"), plan);
}

/// Keeps what was done, and fails at a label.
#[derive(Default)]
struct Recorder {
    log: Vec<String>,
    fail: Option<&'static str>,
    obstacle: Option<&'static str>,
}

impl Executor for Recorder {
    fn validate(&mut self, _: &Plan, _: Labs<'_>) -> Vec<String> {
        self.obstacle.iter().map(ToString::to_string).collect()
    }

    fn run(
        &mut self,
        _: Phase,
        steps: &[Step],
        labs: Labs<'_>,
        progress: &mut dyn FnMut(usize),
    ) -> Vec<Result<(), String>> {
        let mut out = Vec::new();
        for step in steps {
            let label = step.label();
            // What is added is in the lab that is gone to.
            if let Action::AddNode(name) = &step.action {
                assert!(labs.to.node(name).is_some(), "{name}");
            }
            if self.fail.is_some_and(|fail| label == fail) {
                out.push(Err("no space left".to_owned()));
            } else {
                self.log.push(label);
                out.push(Ok(()));
            }
            progress(out.len());
        }
        out
    }
}

#[test]
fn a_failure_is_undone_in_reverse() {
    let wanted =
        lab("netloom: 1\nnodes: { a: {}, b: {} }\nswitches: { s1: {} }\nlinks: [a -- s1, b -- s1]\n", None);
    let from = Lab::empty("shop");
    let plan = planned(None, &wanted);
    let mut recorder = Recorder { fail: Some("attach link b--s1"), ..Recorder::default() };
    let error = apply(&plan, &from, &wanted, &mut recorder, &mut Silent).expect_err("fails");
    assert_eq!(error.to_string(), "Could not attach link b--s1: no space left; 4 steps were undone");
    assert_eq!(
        recorder.log,
        [
            "make node a",
            "make node b",
            "make switch s1",
            "attach link a--s1",
            "detach link a--s1",
            "remove switch s1",
            "remove node b",
            "remove node a"
        ]
    );
    let mut recorder = Recorder { obstacle: Some("/dev/net/tun is closed"), ..Recorder::default() };
    let error = apply(&plan, &from, &wanted, &mut recorder, &mut Silent).expect_err("cannot");
    assert_eq!(error, ApplyError::Invalid(vec!["/dev/net/tun is closed".into()]));
    assert_eq!(recorder.log, [""; 0]);
}

#[test]
fn switches_are_configured_as_the_lab_says() {
    let lab = lab(BASE, None);
    let index = |id: &str| lab.links.iter().position(|l| l.id == id).and_then(|i| u32::try_from(i).ok());
    let ids = |id: &str, left: bool| index(id).map(|i| PortId(2 * i + u32::from(!left)));
    let config = config::config(&lab, &ids);
    assert_eq!(config.bridges.len(), 2);
    let s2 = &config.bridges[1];
    assert_eq!(
        s2.ports.iter().map(|p| p.interfaces[0].ofport_request).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3)]
    );
    assert_eq!((s2.ports[0].tag, s2.ports[0].tenant.map(|t| t.0)), (Some(10), Some(1)));
    assert_eq!(s2.ports[1].tenant, None);
    let (near, far) = (s2.ports[1].interfaces[0].dp_port, s2.ports[1].interfaces[0].peer);
    assert_eq!(
        config.bridges[0]
            .ports
            .iter()
            .find(|p| p.interfaces[0].peer == Some(near))
            .map(|p| p.interfaces[0].dp_port),
        far
    );
    assert_eq!(s2.flows[0].origin.to_string(), "dir/shop.loom.yml:11");
    let owners = config::owners(&lab, &ids);
    assert_eq!(owners.owners.len(), 6);
    assert!(owners.owners.iter().all(|o| !o.addresses.is_empty()));
}

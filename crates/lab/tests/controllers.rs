//! Controllers in the lab file: read, looked up, planned; and every mistake told with its place.

use std::path::Path;

use netloom_lab::lab::{ControllerPlace, Lab};
use netloom_lab::plan::{Drifted, Present, plan};
use netloom_lab::{config, load, resolve};

fn lab(source: &str) -> Lab {
    try_lab(source).unwrap_or_else(|errors| panic!("{errors}"))
}

fn try_lab(source: &str) -> Result<Lab, String> {
    let path = Path::new("shop.loom.yml");
    let file = load(source, path, &[]).map_err(|errors| errors.render(source))?;
    resolve(&file).map_err(|errors| errors.render(source))
}

const HEAD: &str = "netloom: 1\nnodes: { h1: { ip: 10.0.0.9/24 } }\nlinks: [ h1 -- s1 ]\n";

fn with(controllers: &str, switches: &str) -> String {
    format!("{HEAD}controllers: {controllers}\nswitches: {switches}\n")
}

#[test]
fn every_way_to_a_controller_is_read() {
    let source = with(
        "{ a: tcp:127.0.0.1, b: [unix:/x, 'ptcp:6654'], c: { run: 'app $NETLOOM_OPENFLOW' }, d: learn, \
         e: { node: h1, port: 99, probe: 0, backoff: 2s, auxiliary: 3, in-band: true }, \
         f: { target: ssl:10.0.0.1, key: k.pem, certificate: c.pem, ca: a.pem }, g: tcp:10.9.9.9 }",
        "{ s1: { controller: [a, b, c, d, e, f], openflow: [OpenFlow13, OpenFlow10], dpid: 0x2a }, \
           s2: { controller: tcp:127.0.0.1:7000 }, s3: { controller: none }, s4: { controller: learn } }",
    );
    let lab = lab(&source);
    let names: Vec<_> = lab.controllers.iter().map(|c| (c.name.as_str(), c.words())).collect();
    let words = |name: &str, words: &str| (name.to_owned(), words.to_owned());
    assert_eq!(
        names.iter().map(|(a, b)| words(a, b)).collect::<Vec<_>>(),
        [
            words("a", "tcp:127.0.0.1:6653"),
            words("b", "unix:/x, ptcp:6654"),
            words("c", "app $NETLOOM_OPENFLOW"),
            words("d", "learn"),
            words("e", "port 99 of h1"),
            words("f", "ssl:10.0.0.1:6653"),
            words("tcp:127.0.0.1:7000", "tcp:127.0.0.1:7000"),
            words("learn", "learn"),
        ],
        "one that no switch has is left out"
    );
    let e = lab.controller("e").expect("there");
    assert_eq!((e.probe.0, e.backoff.0, e.auxiliary, e.in_band), (0, 2_000_000_000, 3, true));
    assert!(matches!(&e.place, ControllerPlace::Node { addresses, .. }
        if addresses.first() == Some(&[10, 0, 0, 9].into())));
    let config = config::config(&lab, &|_, _| None);
    assert_eq!(
        config.bridges[0].controller,
        ["tcp:127.0.0.1:6653", "unix:/x", "ptcp:6654", "c", "d", "e", "ssl:10.0.0.1:6653"]
    );
    assert_eq!(config.bridges[0].in_band, ["10.0.0.9:99".parse().expect("an address")], "others are not");
    assert_eq!(config.bridges[0].protocols, ["OpenFlow10", "OpenFlow13"]);
    assert_eq!(config.bridges[0].other_config["datapath-id"], "000000000000002a");
    assert!(config.bridges[2].controller.is_empty());
}

#[test]
fn a_switch_takes_what_it_does_not_say_from_the_defaults() {
    let source = format!(
        "{HEAD}controllers: {{ c0: tcp:127.0.0.1 }}\ndefaults: {{ switch: {{ controller: c0 }} }}\n\
         switches: {{ s1: {{}}, s2: {{ controller: none }} }}\n"
    );
    let lab = lab(&source);
    assert_eq!(lab.switches[0].controllers, ["c0"]);
    assert!(lab.switches[1].controllers.is_empty());
}

#[test]
fn mistakes_are_told_with_their_place_and_what_to_do() {
    let cases = [
        with("{ c0: tpc:127.0.0.1 }", "{ s1: { controller: c0 } }"),
        with("{ c0: tcp:127.0.0.1 }", "{ s1: { controller: c1 } }"),
        with("{}", "{ s1: { controller: tcp:example.org } }"),
        with("{ c0: { node: h2 } }", "{ s1: { controller: c0 } }"),
        with("{ c0: { run: x, node: h1 } }", "{ s1: { controller: c0 } }"),
        with("{ c0: {} }", "{ s1: { controller: c0 } }"),
        with("{ c0: { target: tcp:10.0.0.1, port: 3 } }", "{ s1: { controller: c0 } }"),
        with("{ c0: ssl:127.0.0.1 }", "{ s1: { controller: c0 } }"),
        with("{ c0: { target: ssl:127.0.0.1, key: k.pem } }", "{ s1: { controller: c0 } }"),
        with("{ none: tcp:127.0.0.1 }", "{ s1: {} }"),
        with("{ h1: tcp:127.0.0.1 }", "{ s1: { controller: h1 } }"),
        with("{ c0: 'ptcp:6653' }", "{ s1..2: { controller: c0 } }"),
        with("{ c0: { tagret: tcp:127.0.0.1 } }", "{ s1: { controller: c0 } }"),
        with("{}", "{ s1: { openflow: [OpenFlow16], dpid: xyz } }"),
    ];
    let told: Vec<_> = cases.iter().map(|source| try_lab(source).expect_err(source)).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn files_of_tls_must_be_there() {
    let source = with(
        "{ c0: { target: ssl:127.0.0.1, key: k.pem, certificate: c.pem, ca: a.pem } }",
        "{ s1: { controller: c0 } }",
    );
    let exists = |path: &Path| path != Path::new("dir/c.pem");
    let errors = netloom_lab::check(&source, Path::new("dir/shop.loom.yml"), &[], &exists);
    let text = errors.expect_err("one is missing").render(&source);
    assert!(text.contains("there is no file `c.pem`"), "{text}");
}

#[test]
fn a_changed_controller_is_a_change_in_place() {
    let before = lab(&with("{ c0: tcp:127.0.0.1 }", "{ s1: { controller: c0 } }"));
    let plan_to = |controllers: &str, switches: &str| {
        let wanted = lab(&with(controllers, switches));
        plan(Some(&before), &wanted, &Present::default(), Drifted::Keep).to_string()
    };
    let plans = [
        plan_to("{ c0: tcp:127.0.0.1 }", "{ s1: { controller: c0 } }"),
        plan_to("{ c0: { target: tcp:127.0.0.1:7000, probe: 1s } }", "{ s1: { controller: c0 } }"),
        plan_to("{ c0: tcp:127.0.0.1, c1: { run: app } }", "{ s1: { controller: [c0, c1], dpid: 1 } }"),
        plan_to("{}", "{ s1: { openflow: OpenFlow13 } }"),
    ];
    insta::assert_snapshot!(plans.join("\n"));
}

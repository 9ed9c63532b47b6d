//! Loading lab files: the grammar as documented, and everything that is wrong with a bad one.

use std::path::Path;

use netloom_lab::{Errors, LabFile, load};

fn try_load(source: &str) -> Result<LabFile, Errors> {
    load(source, Path::new("dir/shop.loom.yml"), &[])
}

fn errors(source: &str) -> String {
    try_load(source).expect_err("a bad file").render(source)
}

const GOOD: &str = r"
netloom: 1
name: shop
seed: 42
vars: { delay: 20ms, n: 4 }
defaults:
  node: { mtu: 1400 }
  switch: { fail_mode: standalone }
  link: { delay: 1ms }
tenants: { red: {}, blue: }
networks:
  red/lan: { subnet: 10.0.0.0/24 }
  blue/lan: { subnet: [10.0.0.0/24, fd00:1::/64] }
nodes:
  red/web: { networks: [lan], run: 'httpd -p $PORT', restart: on-failure, env: { PORT: 80 } }
  red/db: { networks: [lan], netns: db, port: tap, privileged: true }
  blue/h1..$n: {}
  gw:
    forward: true
    ip: { eth0: 192.0.2.1/24, eth1: [198.51.100.1/24, 2001:db8::1/64] }
    mac: { eth0: '02:00:00:00:00:01' }
    routes: [default via 192.0.2.254]
    sysctl: { net.ipv4.conf.all.rp_filter: 0 }
    files: { /etc/fw.nft: fw.nft }
  r1..2: { forward: true, routes: auto, gateway: none }
switches:
  s1: {}
  s2:
    controller: none
    flows:
      - priority=200,tcp,tp_dst=23,actions=drop
      - priority=0,actions=normal
links:
  - blue/h1..4 -- s1
  - { link: gw:eth1 -- s2, trunk: [10, 20..29], native: 10 }
  - { link: s1:p1 -- s2:p1, name: core, delay: $delay, jitter: 2ms, distribution: pareto, loss: 0.1%, queue: 100KiB, back: { rate: 50Mbit } }
  - { link: s1 -- s2, loss: { gilbert-elliott: { p: 1%, r: 10% } }, reorder: 1%, duplicate: 1%, corrupt: 1%, mtu: 1500, state: down }
  - { link: r1 -- r2, subnet: 192.0.2.0/30 }
events:
  - { at: 10s, link: core, state: down }
  - { at: 12s, link: core, state: up, delay: 40ms }
  - { every: 1s, node: red/web, run: 'true' }
  - { at: 1s, node: blue/h1..2, do: pause }
expect:
  - red/web can reach red/db tcp/5432 with rtt < $delay
  - red cannot reach blue
  - { node: red/web, run: curl -fsS localhost, prints: Welcome, exit: 0 }
loops: ecmp
arp: flood
workers: 2
settle: 5s
fidelity: strict
filesystem: shared
subnet: 10.0.0.0/8
";

#[test]
fn the_whole_grammar_of_this_version_is_read() {
    let file = try_load(GOOD).unwrap_or_else(|e| panic!("{}", e.render(GOOD)));
    assert_eq!(file.name, "shop");
}

#[test]
fn a_lab_is_called_as_its_file_unless_it_says() {
    let name = |path: &str| load("netloom: 1", Path::new(path), &[]).expect("a lab").name;
    assert_eq!(name("a/My Lab.loom.yml"), "my-lab");
    assert_eq!(name("x.yml"), "x");
    assert_eq!(name("/"), "lab");
}

#[test]
fn all_errors_of_a_file_come_in_one_run() {
    let source = "\
netloom: 1
nodez: {}
nodes:
  h1: { mtu: 9, forwrad: true }
  h_2: {}
links:
  - { link: h1 -- s1, dealy: 5ms, rate: 10Mbps, delay: 10, loss: 3 }
  - h1--s1
  - { delay: 5ms }
expect:
  - h1 can raech h2
loops: treee
";
    insta::assert_snapshot!(errors(source));
}

#[test]
fn features_to_come_are_refused_by_name() {
    let source = "\
netloom: 1
acl: []
hosts: []
";
    let text = errors(source);
    assert_eq!(text.matches("not yet supported: ").count(), 2, "{text}");
    assert_eq!(text.lines().filter(|l| !l.contains("hint")).count(), 2, "{text}");
}

#[test]
fn a_flow_list_torn_at_its_commas_is_explained() {
    let source = "netloom: 1\nswitches: { s1: { flows: [priority=200,tcp,actions=drop] } }\n";
    assert!(errors(source).contains("YAML has split this list of flows"), "{}", errors(source));
    let quoted =
        "netloom: 1\nswitches: { s1: { flows: ['priority=200,tcp,actions=drop', \"actions=normal\"] } }\n";
    assert!(try_load(quoted).is_ok());
}

#[test]
fn sentences_torn_at_their_commas_are_explained() {
    let source = "netloom: 1\nexpect: [at 5s, a can reach b]\n";
    assert!(errors(source).contains("YAML has split these sentences"), "{}", errors(source));
}

fn check(source: &str) -> String {
    let exists = |path: &Path| path == Path::new("dir/x.conf");
    let checked = netloom_lab::check(source, Path::new("dir/shop.loom.yml"), &[], &exists);
    checked.map_or_else(|errors| errors.render(source), |lab| lab.summary())
}

#[test]
fn files_that_are_not_there_are_found_with_their_place() {
    let source = "netloom: 1\nnodes: { a: { files: { /etc/x: x.conf, /etc/y: y.conf } } }\n";
    let errors = check(source);
    assert!(errors.starts_with("dir/shop.loom.yml:2:48: there is no file `y.conf`"), "{errors}");
}

#[test]
fn what_only_names_tell_is_found_in_the_same_run() {
    let source = "netloom: 1\nacl: []\nnodes: { a: { ip: 10.0.0.1/24 }, b: { ip: 10.0.0.1/24 } }\n\
                  switches: { s1: { flows: [ 'actions=nromal' ] } }\n\
                  links: [ { link: a -- s1, delay: 10 }, b -- s1, a -- s9 ]\n\
                  expect: [ a can reach c, a cna reach b ]\n";
    let errors = check(source);
    for wanted in ["`acl`", "10.0.0.1", "nromal", "lacks its unit", "s9", "`c`", "`cna`"] {
        assert!(errors.contains(wanted), "{wanted}: {errors}");
    }
}

#[test]
fn a_missing_thing_is_not_reported_by_all_that_refer_to_it() {
    let source = "netloom: 1\nnodes: { a_b: {}, c: {} }\nlinks: [ a_b -- c ]\nexpect: [ c can reach d ]\n";
    let errors = check(source);
    assert!(errors.contains("`a_b` is not a name") && !errors.contains("there is no"), "{errors}");
    let misspelt = check("netloom: 1\nndoes: { a: {} }\nexpect: [ a can reach a ]\n");
    assert!(misspelt.contains("did you mean `nodes`?") && !misspelt.contains("there is no"), "{misspelt}");
}

#[test]
fn sets_override_variables_and_only_those() {
    let source = "netloom: 1\nvars: { d: 5ms }\nsettle: $d\n";
    let sets = |name: &str, value: &str| load(source, Path::new("a.yml"), &[(name.into(), value.into())]);
    assert!(sets("d", "7ms").is_ok_and(|f| f != try_load(source).expect("good")));
    assert!(sets("d", "x").is_err());
    assert!(sets("dd", "7ms").is_err_and(|e| e.render(source).contains("did you mean `d`")));
}

#[test]
fn nothing_makes_it_panic() {
    for end in 0..=GOOD.len() {
        if let Some(part) = GOOD.get(..end) {
            let _ = try_load(part);
        }
    }
    for junk in [
        "",
        "\0",
        "- ",
        "a",
        "[",
        "{",
        "? ",
        "&a *a",
        "!!x y",
        "netloom: [1]",
        "- - - a",
        "netloom: 1\nlinks: 3",
    ] {
        let _ = try_load(junk);
    }
}

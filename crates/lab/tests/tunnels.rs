//! Tunnels: what the file says of them, and what it means.

use std::path::Path;

use netloom_lab::plan::{Drifted, Present, plan};
use netloom_lab::tunnel::{Tunnel, TunnelKeyOut, TunnelLocal, TunnelType, warnings};
use netloom_lab::{Lab, load, resolve};

fn try_lab(tunnels: &str) -> Result<Lab, String> {
    let source = format!(
        "netloom: 1
tenants: {{ red: {{}}, blue: {{}} }}
nodes: {{ red/h1: {{}}, red/h2: {{ mtu: 1500 }} }}
switches: {{ s1: {{}}, s2: {{}} }}
links: [red/h1..2 -- s1]
tunnels:
{tunnels}
"
    );
    let file = load(&source, Path::new("t.loom.yml"), &[]).map_err(|e| e.render(&source))?;
    resolve(&file).map_err(|e| e.render(&source))
}

fn lab(tunnels: &str) -> Lab {
    try_lab(tunnels).unwrap_or_else(|errors| panic!("{errors}"))
}

fn tunnels(lab: &Lab) -> Vec<(&str, &Tunnel)> {
    lab.links.iter().filter_map(|link| Some((link.id.as_str(), link.tunnel.as_ref()?))).collect()
}

#[test]
fn what_is_left_out_is_as_in_ovs() {
    let lab = lab("  - { link: s1 -- 192.0.2.2, type: vxlan }");
    let [(id, tunnel)] = tunnels(&lab)[..] else { panic!("{lab:?}") };
    assert_eq!(id, "s1--192.0.2.2");
    assert_eq!(
        (tunnel.kind, tunnel.dst_port, tunnel.df, tunnel.csum),
        (TunnelType::Vxlan, 4789, true, false)
    );
    assert_eq!((tunnel.in_key, tunnel.out_key), (Some(0), TunnelKeyOut::None));
    assert_eq!((tunnel.local, tunnel.ttl.value, tunnel.tos.value), (TunnelLocal::Any, 64, 0));
    assert!(!tunnel.is_flow_based() && !tunnel.v6);
    let port = &lab.switches[0].ports[2];
    assert_eq!((port.name.as_str(), port.tenant.as_deref()), ("s1-eth3", Some("red")));
}

#[test]
fn a_key_for_each_tenant_makes_a_tunnel_for_each() {
    let lab = lab("  - { link: s1:vx -- 2001:db8::2, type: geneve, name: over, key: { red: 7, blue: 8 } }");
    let found: Vec<_> = tunnels(&lab).into_iter().map(|(id, t)| (id, t.in_key, t.v6)).collect();
    assert_eq!(found, [("over-red", Some(7), true), ("over-blue", Some(8), true)]);
    let ports: Vec<_> =
        lab.switches[0].ports.iter().skip(2).map(|p| (p.name.as_str(), p.tenant.as_deref())).collect();
    assert_eq!(ports, [("vx-red", Some("red")), ("vx-blue", Some("blue"))]);
}

#[test]
fn nodes_get_the_mtu_that_is_left_unless_they_have_their_own() {
    let lab = lab(
        "  - { link: s1 -- 192.0.2.2, type: vxlan, key: 1 }\n  - { link: s1 -- 2001:db8::2, type: gre, key: 1 }",
    );
    let mtus: Vec<_> = lab.nodes.iter().map(|node| node.interfaces[0].mtu).collect();
    assert_eq!(mtus, [1438, 1500]);
    let said = warnings(&lab);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("red/h2:eth0 (1500)") && said[0].contains("s1--192.0.2.2, which takes 1450"));
    let clamped = self::lab("  - { link: s1 -- 192.0.2.2, type: vxlan, mss_clamp: true }");
    assert!(warnings(&clamped).is_empty());
    let jumbo = self::lab("  - { link: s1 -- 192.0.2.2, type: vxlan, underlay_mtu: 9000 }");
    assert_eq!(jumbo.nodes[0].interfaces[0].mtu, 1500);
}

#[test]
fn stt_has_64_bits_of_key_and_cuts_its_frames_itself() {
    let lab = lab(&format!("  - {{ link: s1 -- 192.0.2.2, type: stt, key: {} }}", u64::MAX));
    let [(_, tunnel)] = tunnels(&lab)[..] else { panic!("{lab:?}") };
    assert_eq!((tunnel.kind, tunnel.dst_port), (TunnelType::Stt, 7471));
    assert_eq!((tunnel.in_key, tunnel.out_key), (Some(u64::MAX), TunnelKeyOut::Fixed(u64::MAX)));
    assert_eq!((tunnel.overhead(), tunnel.mtu()), (20 + 20 + 18 + 14, 65_535 - 72));
    let mtus: Vec<_> = lab.nodes.iter().map(|node| node.interfaces[0].mtu).collect();
    assert_eq!(mtus, [1_500, 1_500]);
    assert!(warnings(&lab).is_empty());
}

#[test]
fn two_switches_of_the_lab_are_joined_by_a_link() {
    let lab = lab("  - { link: s1 -- s2, type: vxlan, key: 77 }");
    assert!(tunnels(&lab).is_empty());
    let link = lab.links.iter().find(|link| link.id == "s1--s2").unwrap();
    let fused = link.fused.as_ref().unwrap();
    assert_eq!((fused.key(true), fused.key(false), fused.mtu()), (Some(77), Some(77), Some(1450)));
    assert_eq!(fused.words(), "vxlan, key 77, mtu 1450");
    assert_eq!(lab.nodes[0].interfaces[0].mtu, 1450);
}

#[test]
fn both_ends_of_a_tunnel_within_the_lab_have_their_keys() {
    let fused = |tunnel: &str| {
        let lab = lab(&format!("  - {{ link: s1 -- s2, type: gre, {tunnel} }}"));
        lab.links.iter().find_map(|link| link.fused.clone()).unwrap()
    };
    let apart = fused("in_key: 5, out_key: flow");
    assert_eq!((apart.key(true), apart.key(false)), (None, Some(5)));
    let none = fused("df_default: false");
    assert_eq!((none.key(true), none.key(false), none.mtu()), (Some(0), Some(0), None));
    let tenants = fused("key: { red: 1, blue: 2 }");
    assert_eq!(tenants.keys, [("red".to_owned(), 1), ("blue".to_owned(), 2)]);
    let wrong = try_lab("  - { link: red/h1 -- s2, type: gre }").unwrap_err();
    assert!(wrong.contains("a tunnel joins two switches"), "{wrong}");
}

#[test]
fn another_key_is_another_tunnel() {
    let [old, new] =
        [1, 2].map(|key| lab(&format!("  - {{ link: s1 -- 192.0.2.2, type: vxlan, key: {key} }}")));
    let rows = |plan: &netloom_lab::plan::Plan| -> Vec<String> {
        plan.rows().map(|row| format!("{}{} {}", row.sign, row.kind, row.name)).collect()
    };
    let change = plan(Some(&old), &new, &Present::default(), Drifted::Keep);
    assert_eq!(rows(&change), ["-link s1--192.0.2.2", "+link s1--192.0.2.2"]);
    assert!(plan(Some(&old), &old, &Present::default(), Drifted::Keep).is_empty());
}

#[test]
fn what_cannot_be_is_said() {
    for (tunnel, said) in [
        ("{ type: vxlan }", "a tunnel lacks its two ends"),
        ("{ link: s1 -- 192.0.2.2 }", "a tunnel lacks its type"),
        ("{ link: s1 - 192.0.2.2, type: vxlan }", "is not a tunnel"),
        ("{ link: s1 -- 192.0.2.222222, type: vxlan }", "is not an IP address"),
        ("{ link: s1 -- 224.0.0.1, type: vxlan }", "is not the address of one machine"),
        ("{ link: s9 -- 192.0.2.2, type: vxlan }", "begins at `s9`, which does not exist"),
        ("{ link: red/h1 -- 192.0.2.2, type: vxlan }", "which is no switch"),
        ("{ link: s1..2 -- 192.0.2.2, type: vxlan }", "a tunnel begins at one switch"),
        ("{ link: s1 -- 192.0.2.2, type: vxlan, key: 16777216 }", "out of range"),
        ("{ link: s1 -- 192.0.2.2, type: erspan, key: 1024 }", "out of range"),
        ("{ link: s1 -- 192.0.2.2, type: vxlann }", "not possible here"),
        ("{ link: s1 -- 192.0.2.2, type: vxlan, local_ip: '2001:db8::1' }", "are of two families"),
        ("{ link: s1 -- 192.0.2.2, type: gre, exts: gbp }", "are extensions of VXLAN"),
        ("{ link: s1 -- 192.0.2.2, type: vxlan, seq: true }", "is an option of GRE"),
        ("{ link: s1 -- 192.0.2.2, type: vxlan, underlay_mtu: 600 }", "leaves no room"),
        ("{ link: s1 -- 192.0.2.2, type: vxlan, key: { green: 1 } }", "there is no tenant `green`"),
    ] {
        let errors = try_lab(&format!("  - {tunnel}")).expect_err(tunnel);
        assert!(errors.contains(said), "{tunnel}: {errors}");
    }
    let twice = "  - { link: s1 -- 192.0.2.2, type: vxlan, key: 1 }\n  - { link: s2 -- 192.0.2.2, type: vxlan, key: 1 }";
    assert!(try_lab(twice).unwrap_err().contains("has the same key and ends"));
    let mixed = "  - { link: s1 -- 192.0.2.2, type: vxlan, dst_port: 9 }\n  - { link: s1 -- 192.0.2.2, type: geneve, dst_port: 9 }";
    assert!(try_lab(mixed).unwrap_err().contains("speaks something else at port 9"));
}

#[test]
fn whose_a_tunnel_is_must_be_said_where_there_are_several() {
    let source = "netloom: 1
tenants: { red: {}, blue: {} }
nodes: { red/h1: {}, blue/h1: {} }
switches: { s1: {} }
links: [red/h1 -- s1, blue/h1 -- s1]
tunnels: [{ link: s1 -- 192.0.2.2, type: vxlan, key: 1 }]
";
    let file = load(source, Path::new("t.loom.yml"), &[]).unwrap();
    let errors = resolve(&file).unwrap_err().render(source);
    assert!(errors.contains("does not say whose packets it carries"), "{errors}");
    assert!(errors.contains("tenant: red"), "{errors}");
}

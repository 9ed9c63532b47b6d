//! The example files of the repository, and the published schema.

use std::path::Path;

use netloom_lab::expect::{Check, Timing};
use netloom_lab::lab::Lab;
use netloom_lab::{load, resolve, schema};

fn example(name: &str) -> (String, Lab) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let source = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let file = load(&source, &path, &[]).unwrap_or_else(|e| panic!("{}", e.render(&source)));
    let lab = resolve(&file).unwrap_or_else(|e| panic!("{}", e.render(&source)));
    (source, lab)
}

#[test]
fn quickstart_is_what_the_readme_shows() {
    let (_, lab) = example("quickstart.loom.yml");
    assert_eq!((lab.nodes.len(), lab.switches.len(), lab.links.len(), lab.tenants.len() - 1), (6, 2, 8, 2));
    let texts: Vec<_> = lab.expect.iter().map(|e| e.sentence.text.as_str()).collect();
    assert_eq!(
        texts,
        [
            "red/web can reach red/db tcp/5432 with rtt < 15ms",
            "throughput red/web -> red/db >= 90Mbit",
            "red cannot reach blue",
            "at 2s, red/web can reach red/db within 1s",
        ]
    );
    let addresses = |tenant: &str| -> Vec<_> {
        let of = lab.nodes.iter().filter(|n| n.tenant == tenant);
        of.flat_map(|n| n.addresses().map(|a| a.to_string())).collect()
    };
    assert_eq!(addresses("red"), addresses("blue"), "overlapping addresses");
    assert!(lab.links.iter().filter(|l| !l.forth.is_plain()).count() >= 3);
}

#[test]
fn every_lab_file_in_the_documentation_is_good() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut seen = 0;
    for name in
        ["lab-file.md", "limits.md", "links.md", "networks.md", "outside.md", "qos.md", "sriov.md", "vms.md"]
    {
        let text = std::fs::read_to_string(docs.join(name)).expect("the page");
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let checked = netloom_lab::check(block, Path::new(name), &[], &|_| true);
            assert!(checked.is_ok(), "{}", checked.unwrap_err().render(block));
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen}");
}

#[test]
fn every_example_resolves() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("examples") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if name.ends_with(".loom.yml") {
            let (_, lab) = example(&name);
            assert_eq!(format!("{}.loom.yml", lab.name), name);
            assert!(!lab.expect.is_empty(), "{name} says what must hold");
            count += 1;
        }
    }
    assert!(count >= 7, "{count}");
}

#[test]
fn routers_have_both_families_and_a_way_to_every_subnet() {
    let (_, lab) = example("routers.loom.yml");
    let routes = |node: &str| -> Vec<_> {
        lab.node(node).expect(node).routes.iter().map(|r| format!("{} via {:?}", r.to, r.via)).collect()
    };
    assert_eq!(routes("l1"), ["0.0.0.0/0 via Some(192.0.2.254)", "::/0 via Some(2001:db8:1::ff)"]);
    assert!(
        routes("east").contains(&"198.51.100.0/24 via Some(203.0.113.2)".to_owned()),
        "{:?}",
        routes("east")
    );
    assert!(
        routes("north").contains(&"2001:db8:1::/64 via Some(fd00::1)".to_owned()),
        "{:?}",
        routes("north")
    );
}

#[test]
fn the_campus_is_a_campus_and_the_broken_lab_has_its_drop() {
    let (_, campus) = example("campus.loom.yml");
    assert_eq!((campus.nodes.len(), campus.switches.len()), (20, 4));
    let (_, broken) = example("broken.loom.yml");
    assert!(broken.switches[0].flows.iter().any(|f| f.text.contains("tp_dst=80") && f.text.contains("drop")));
    let (_, torus) = example("torus.loom.yml");
    assert!(torus.expect.iter().any(|e| matches!(e.sentence.timing, Timing::At(_))));
    assert!(torus.expect.iter().any(|e| e.sentence.check == Check::NoLoops));
}

/// Checks a value against the part of JSON Schema that ours uses.
fn fits(schema: &serde_json::Value, value: &serde_json::Value) -> bool {
    use serde_json::Value;
    let of_type = |name: &Value| match name.as_str().unwrap_or_default() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        _ => false,
    };
    if schema.get("not").is_some() {
        return false;
    }
    if let Some(any) = schema["anyOf"].as_array() {
        return any.iter().any(|s| fits(s, value));
    }
    if let Some(words) = schema["enum"].as_array() {
        return words.contains(value);
    }
    let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    let inside = match value {
        Value::Object(map) => map.iter().all(|(key, value)| match &schema["properties"][key] {
            Value::Null => {
                schema["additionalProperties"].is_object() && fits(&schema["additionalProperties"], value)
            }
            inner => fits(inner, value),
        }),
        Value::Array(items) => items.iter().all(|item| fits(&schema["items"], item)),
        _ => true,
    };
    types.iter().any(of_type) && inside
}

#[test]
fn the_schema_knows_every_key_and_refuses_others() {
    let schema = schema();
    let fits = |value: serde_json::Value| fits(&schema, &value);
    assert!(fits(serde_json::json!({
        "netloom": 1,
        "nodes": { "a": { "ip": ["10.0.0.1/24"], "forward": true }, "b": null },
        "links": ["a -- b", { "link": "a -- b", "delay": "5ms", "back": { "rate": "1Mbit" } }],
        "topology": { "linear": 4 },
    })));
    assert!(!fits(serde_json::json!({ "netloom": 1, "nodez": {} })));
    assert!(!fits(serde_json::json!({ "netloom": 1, "nodes": { "a": { "vm": "x" } } })));
    assert!(fits(
        serde_json::json!({ "netloom": 1, "nodes": { "a": { "vm": { "virt": "full" } }, "b": { "vm": null } } })
    ));
    assert!(!fits(serde_json::json!({ "netloom": 1, "nodes": { "a": { "vm": { "uri": "x" } } } })));
    assert!(!fits(serde_json::json!({ "netloom": 1, "acl": {} })));
    let text = serde_json::to_string(&schema).expect("json");
    assert!(text.contains("Not yet supported: security groups."));
}

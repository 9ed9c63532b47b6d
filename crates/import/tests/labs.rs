//! What is made is a lab file.

use netloom_import::{Nothing, compose, containerlab};

fn lab(text: &str) -> netloom_lab::Lab {
    netloom_lab::check(text, "made.loom.yml".as_ref(), &[], &|_| true)
        .unwrap_or_else(|errors| panic!("{}\n{text}", errors.render(text)))
}

#[test]
fn what_is_made_is_a_lab() {
    let source = include_str!("shop.compose.yml").replace("env_file: web.env", "labels: {}");
    let shop = lab(&compose(&source, "x", &Nothing).expect("a Compose file").text);
    assert_eq!(shop.summary(), "5 containers  2 networks  1 gateway  6 links");
    let web = shop.nodes.iter().find(|node| node.name == "web").expect("a node");
    assert_eq!(web.interfaces[0].addresses[0].to_string(), "10.5.0.10/24");
    assert_eq!(web.env["GREETING"], "costs $5: ");
    let app = shop.nodes.iter().find(|node| node.name == "app-server2").expect("a node");
    assert_eq!(
        app.container.as_ref().and_then(|c| c.entrypoint.clone()).expect("one"),
        ["/app", "--port", "80"]
    );

    let fabric = lab(&containerlab(include_str!("fabric.clab.yml"), "x", &Nothing).expect("a topology").text);
    assert_eq!(fabric.summary(), "4 containers  1 switch  1 network  1 gateway  8 links");
    let r1 = &fabric.nodes.iter().find(|node| node.name == "r1").expect("a node").interfaces;
    let of = |name: &str| r1.iter().find(|i| i.name == name).map(|i| i.addresses.len());
    assert_eq!((of("eth0"), of("eth1")), (Some(1), Some(2)));
}

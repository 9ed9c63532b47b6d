//! What cloud-init in a guest is told: the files of its NoCloud source.
//!
//! Source: cloud-init, `doc/rtd/reference/datasources/nocloud.rst`; its network configuration in version 2, of which JSON is
//! a form.

use serde_json::{Map, Value, json};

use crate::guest::{GuestConfig, GuestInterface};
use crate::iso::iso;

/// The CD for a guest. `instance` is its name for ever: a guest that knows it is not set up again.
#[must_use]
pub fn seed(instance: &str, config: &GuestConfig, user_data: Vec<u8>) -> Option<Vec<u8>> {
    let about = json!({ "instance-id": instance, "local-hostname": config.hostname });
    let text = |value: &Value| format!("{value}\n").into_bytes();
    iso(
        "cidata",
        &[("meta-data", text(&about)), ("network-config", text(&network(config))), ("user-data", user_data)],
    )
}

fn network(config: &GuestConfig) -> Value {
    let lines = config.resolver.as_deref().unwrap_or_default().lines();
    let servers: Vec<&str> =
        lines.filter_map(|line| line.strip_prefix("nameserver ")).map(str::trim).collect();
    let all: Map<String, Value> = config
        .interfaces
        .iter()
        .map(|interface| (interface.name.clone(), card(config, interface, &servers)))
        .collect();
    json!({ "version": 2, "ethernets": all })
}

fn card(config: &GuestConfig, interface: &GuestInterface, servers: &[&str]) -> Value {
    let mac = interface.mac.map(|byte| format!("{byte:02x}")).join(":");
    let addresses: Vec<String> =
        interface.addresses.iter().map(|(address, length)| format!("{address}/{length}")).collect();
    let here = config.routes.iter().filter(|route| match &route.dev {
        Some(dev) => *dev == interface.name,
        // One without an interface goes with the first.
        None => config.interfaces.first() == Some(interface),
    });
    let routes: Vec<Value> = here
        .map(|route| {
            let (to, length) = route.to;
            let mut row = Map::from_iter([("to".to_owned(), json!(format!("{to}/{length}")))]);
            row.extend(route.via.map(|via| ("via".to_owned(), json!(via.to_string()))));
            row.extend(route.metric.map(|metric| ("metric".to_owned(), json!(metric))));
            Value::Object(row)
        })
        .collect();
    json!({
        "match": { "macaddress": mac },
        "set-name": interface.name,
        "mtu": interface.mtu,
        "dhcp4": addresses.is_empty(),
        "addresses": addresses,
        "routes": routes,
        "nameservers": { "addresses": servers },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::GuestRoute;

    #[test]
    fn a_guest_is_told_its_name_addresses_routes_and_name_servers() {
        let interface = GuestInterface {
            mac: [2, 0, 0, 0, 0, 0xa],
            driver: None,
            name: "eth0".to_owned(),
            mtu: 1_500,
            addresses: vec![("10.0.0.2".parse().unwrap(), 24)],
            neighbours: Vec::new(),
        };
        let route = GuestRoute {
            to: ("0.0.0.0".parse().unwrap(), 0),
            via: Some("10.0.0.1".parse().unwrap()),
            dev: None,
            metric: None,
        };
        let config = GuestConfig {
            hostname: "web".to_owned(),
            interfaces: vec![interface],
            routes: vec![route],
            resolver: Some("nameserver 10.0.0.1\nsearch lab\n".to_owned()),
            ..GuestConfig::default()
        };
        let wanted = json!({ "version": 2, "ethernets": { "eth0": {
            "match": { "macaddress": "02:00:00:00:00:0a" }, "set-name": "eth0", "mtu": 1500, "dhcp4": false,
            "addresses": ["10.0.0.2/24"], "routes": [{ "to": "0.0.0.0/0", "via": "10.0.0.1" }],
            "nameservers": { "addresses": ["10.0.0.1"] },
        }}});
        assert_eq!(network(&config), wanted);
        let cd = seed("shop/web", &config, b"#cloud-config\n".to_vec()).unwrap();
        let has = |text: &[u8]| cd.windows(text.len()).any(|bytes| bytes == text);
        assert!(has(b"#cloud-config\n") && has(b"\"local-hostname\":\"web\"") && has(b"USER-DATA.;1"));
    }
}

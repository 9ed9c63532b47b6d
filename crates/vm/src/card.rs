//! Network cards that come and go while a machine runs: what each is called, and what QEMU is told for it, in order.
//!
//! On a board of type q35 a device can only come into a port made for it, a `pcie-root-port`, or leave one; the guest learns of it by
//! ACPI. All ports are functions of one device, so that the firmware finds them at once.
//!
//! ```text
//! comes: add-fd, chardev-add (rings) or getfd (datagrams) ─► netdev_add ─► device_add
//! goes:  device_del ─► the guest lets go of it ─► netdev_del ─► chardev-remove, remove-fd
//! ```
//!
//! Source: QEMU, `docs/pcie.txt`; `qapi/net.json`, `qapi/char.json`, `qapi/misc.json`.

use serde_json::{Map, Value, json};

use crate::spec::Virt;

/// What a card is called.
#[must_use]
pub fn card(number: u32) -> String {
    format!("card{number}")
}

/// What carries its frames.
pub(crate) fn netdev(number: u32) -> String {
    format!("n{number}")
}

/// The socket of who serves its rings.
pub(crate) fn chardev(number: u32) -> String {
    format!("c{number}")
}

/// The port it is in.
pub(crate) fn bus(number: u32) -> String {
    format!("slot{number}")
}

/// The set in which QEMU keeps its descriptor.
const fn set(number: u32) -> u32 {
    16 + number
}

/// The device that is a slot.
pub(crate) fn slot(number: u32) -> String {
    format!(
        "pcie-root-port,id={},chassis={},bus=pcie.0,addr=0x10.{number},multifunction=on",
        bus(number),
        number + 1
    )
}

/// QEMU's name of the device.
pub(crate) const fn driver(virt: Virt) -> &'static str {
    match virt {
        Virt::Para => "virtio-net-pci",
        Virt::Full => "e1000e",
    }
}

/// What is said of a card, wherever it is.
pub(crate) fn properties(number: u32, mac: [u8; 6], is_served: bool) -> Vec<(&'static str, String)> {
    let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
    let mut all =
        vec![("id", card(number)), ("netdev", netdev(number)), ("mac", mac), ("romfile", String::new())];
    // QEMU 7.2 under emulation crashes when a vhost-user interface uses MSI-X; with plain interrupts it works.
    all.extend(is_served.then(|| ("vectors", "0".to_owned())));
    all
}

/// A command for QEMU, with its arguments.
pub type Command = (&'static str, Value);

/// What a descriptor for a card is given with: the folder of a socket stays one of QEMU's own, and its answer says which; one end of a
/// pair is taken by the card.
#[must_use]
pub fn give(number: u32, is_served: bool) -> Command {
    if is_served {
        ("add-fd", json!({ "fdset-id": set(number), "opaque": card(number) }))
    } else {
        ("getfd", json!({ "fdname": card(number) }))
    }
}

/// What makes a card of a given descriptor: `socket` is where its rings are served, if they are.
#[must_use]
pub fn come(virt: Virt, number: u32, mac: [u8; 6], socket: Option<&str>) -> Vec<Command> {
    let (netdev, chardev) = (netdev(number), chardev(number));
    let mut all = Vec::new();
    match socket {
        Some(path) => {
            let address = json!({ "type": "unix", "data": { "path": path } });
            let data = json!({ "addr": address, "server": false, "reconnect": 1 });
            all.push((
                "chardev-add",
                json!({ "id": chardev, "backend": { "type": "socket", "data": data } }),
            ));
            all.push(("netdev_add", json!({ "type": "vhost-user", "id": netdev, "chardev": chardev })));
        }
        None => {
            let local = json!({ "type": "fd", "str": card(number) });
            all.push(("netdev_add", json!({ "type": "dgram", "id": netdev, "local": local })));
        }
    }
    let said = properties(number, mac, socket.is_some()).into_iter().map(|(key, value)| {
        let value = value.parse::<u32>().map_or_else(|_| json!(value), |number| json!(number));
        (key.to_owned(), value)
    });
    let mut device: Map<String, Value> = said.collect();
    device.insert("driver".to_owned(), json!(driver(virt)));
    device.insert("bus".to_owned(), json!(bus(number)));
    all.push(("device_add", Value::Object(device)));
    all
}

/// What asks the guest to let go of a card.
#[must_use]
pub fn leave(number: u32) -> Command {
    ("device_del", json!({ "id": card(number) }))
}

/// What clears away what was behind a card that is gone. Of these some may be refused: nothing of the kind was there.
#[must_use]
pub fn clear(number: u32) -> [Command; 3] {
    [
        ("netdev_del", json!({ "id": netdev(number) })),
        ("chardev-remove", json!({ "id": chardev(number) })),
        ("remove-fd", json!({ "fdset-id": set(number) })),
    ]
}

/// What asks for the names of all devices that have one.
#[must_use]
pub fn devices() -> Command {
    ("qom-list", json!({ "path": "/machine/peripheral" }))
}

/// Whether the answer names the card.
#[must_use]
pub fn is_there(answer: &Value, number: u32) -> bool {
    let name = card(number);
    answer.as_array().is_some_and(|all| all.iter().any(|device| device["name"] == name.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xb];

    #[test]
    fn one_whose_rings_are_served_comes_with_its_socket() {
        let all = come(Virt::Para, 3, MAC, Some("/proc/self/fd/9/vhost"));
        let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["chardev-add", "netdev_add", "device_add"]);
        assert_eq!(all[0].1["backend"]["data"]["addr"]["data"]["path"], "/proc/self/fd/9/vhost");
        assert_eq!(all[1].1, json!({ "type": "vhost-user", "id": "n3", "chardev": "c3" }));
        let device = json!({ "driver": "virtio-net-pci", "id": "card3", "netdev": "n3", "mac": "02:00:00:00:00:0b",
            "romfile": "", "vectors": 0, "bus": "slot3" });
        assert_eq!(all[2].1, device);
        assert_eq!(give(3, true).1["fdset-id"], 19);
    }

    #[test]
    fn one_that_is_emulated_takes_a_pair_of_sockets() {
        let all = come(Virt::Full, 0, MAC, None);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].1["local"], json!({ "type": "fd", "str": "card0" }));
        assert_eq!(give(0, false), ("getfd", json!({ "fdname": "card0" })));
        assert_eq!(all[1].1["driver"], "e1000e");
        assert!(all[1].1.get("vectors").is_none());
    }

    #[test]
    fn a_card_is_there_while_qemu_names_it() {
        let answer =
            json!([{ "name": "type", "type": "string" }, { "name": "card1", "type": "child<e1000e>" }]);
        assert!(is_there(&answer, 1));
        assert!(!is_there(&answer, 11) && !is_there(&answer, 0) && !is_there(&Value::Null, 1));
    }
}

//! A machine that moves while it runs: what QEMU is told at either end, in order, and what it says of how far it is.
//!
//! Memory is copied while the guest goes on, what it has written meanwhile is copied again, round by round, until the rest takes
//! less time than the guest may stand still. Then it stops, the rest and its devices follow, and the other QEMU has all of it.
//! That one says so (`return-path`), so what QEMU tells as the time without a guest includes its reading.
//!
//! Sources: QEMU, `docs/devel/migration`, `qapi/migration.json`, `qapi/crypto.json`; `docs/system/tls` for keys of both sides.

use serde_json::{Value, json};

use crate::card::Command;

/// How long a guest may stand still, as QEMU plans for it, in milliseconds.
pub const PAUSE_MS: u64 = 30;
/// The name by which QEMU knows the socket it sends by.
pub const SOCKET: &str = "move";
/// The file of a key in its folder (`keys.psk`: a name, a colon, hexadecimal digits).
pub const KEY_FILE: &str = "keys.psk";
/// The name in that file. It is what QEMU says unless it is told another one.
pub const KEY_NAME: &str = "qemu";

/// The credentials, once there are some.
const CREDENTIALS: &str = "move-key";
/// Bytes a second at most: as many as there can be. QEMU's own limit is 128 MiB.
const BANDWIDTH: u64 = 100 << 30;

/// What a QEMU is told that was started to wait for a machine (`-incoming defer`); `key`: the folder with the key.
#[must_use]
pub fn receive(uri: &str, key: Option<&str>) -> Vec<Command> {
    let mut all: Vec<Command> = key.map(|key| credentials(key, "server")).into_iter().collect();
    all.push(("migrate-set-capabilities", capabilities()));
    all.extend(key.map(|_| ("migrate-set-parameters", json!({ "tls-creds": CREDENTIALS }))));
    all.push(("migrate-incoming", json!({ "uri": uri })));
    all
}

/// What a QEMU is told whose machine is to go, and that was given the socket [`SOCKET`].
#[must_use]
pub fn send(key: Option<&str>) -> Vec<Command> {
    let mut all: Vec<Command> = key.map(|key| credentials(key, "client")).into_iter().collect();
    all.push(("migrate-set-capabilities", capabilities()));
    let tls = if key.is_some() { CREDENTIALS } else { "" };
    // A name has to be given, and is not looked at where both have a key.
    let name = if key.is_some() { "netloom" } else { "" };
    let parameters = json!({
        "downtime-limit": PAUSE_MS,
        "max-bandwidth": BANDWIDTH,
        "tls-creds": tls,
        "tls-hostname": name,
    });
    all.push(("migrate-set-parameters", parameters));
    all.push(("migrate", json!({ "uri": format!("fd:{SOCKET}") })));
    all
}

/// What takes back what [`send`] has made, after it came to nothing.
#[must_use]
pub fn forget(is_encrypted: bool) -> Vec<Command> {
    // A snapshot that is taken later must not be kept from going into a pipe.
    let mut all = vec![
        ("migrate-set-parameters", json!({ "tls-creds": "", "tls-hostname": "" })),
        ("migrate-set-capabilities", switched(false)),
    ];
    all.extend(is_encrypted.then(|| ("object-del", json!({ "id": CREDENTIALS }))));
    all
}

fn credentials(folder: &str, endpoint: &str) -> Command {
    (
        "object-add",
        json!({ "qom-type": "tls-creds-psk", "id": CREDENTIALS, "endpoint": endpoint, "dir": folder }),
    )
}

fn capabilities() -> Value {
    switched(true)
}

/// A guest that writes faster than the network carries is slowed down until it does not.
fn switched(on: bool) -> Value {
    let one = |name: &str, state: bool| json!({ "capability": name, "state": state });
    json!({ "capabilities": [
        one("events", true),
        one("x-ignore-shared", false),
        one("return-path", on),
        one("auto-converge", on),
    ] })
}

/// How far QEMU is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes of memory.
    pub total: u64,
    /// Bytes still to be copied, as far as is known.
    pub left: u64,
    /// Bytes that went over the network.
    pub transferred: u64,
    /// How often all that was written since the last time was gathered.
    pub rounds: u64,
    /// Bytes a second that the guest writes to other pages.
    pub dirty_bytes_per_second: u64,
    /// How long the guest would stand still if it stopped now, in milliseconds.
    pub expected_ms: u64,
    /// How long it has stood still, in milliseconds, once it is over.
    pub pause_ms: Option<u64>,
    /// How long it took, in milliseconds.
    pub total_ms: u64,
}

impl Progress {
    /// Of QEMU's answer to `query-migrate`. What is not there is 0.
    #[must_use]
    pub fn parse(said: &Value) -> Self {
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let ram = &said["ram"];
        let page = ram["page-size"].as_u64().unwrap_or(4_096);
        Self {
            total: number(&ram["total"]),
            left: number(&ram["remaining"]),
            transferred: number(&ram["transferred"]),
            rounds: number(&ram["dirty-sync-count"]),
            dirty_bytes_per_second: number(&ram["dirty-pages-rate"]).saturating_mul(page),
            expected_ms: number(&said["expected-downtime"]),
            pause_ms: said["downtime"].as_u64(),
            total_ms: number(&said["total-time"]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_says_of_how_far_it_is() {
        let said = json!({
            "status": "active", "total-time": 812, "expected-downtime": 47,
            "ram": { "total": 268_435_456, "remaining": 4_096_000, "transferred": 9_000, "dirty-sync-count": 3,
                     "dirty-pages-rate": 250, "page-size": 4_096, "mbps": 730.5 },
        });
        let progress = Progress::parse(&said);
        assert_eq!((progress.total, progress.left, progress.rounds), (268_435_456, 4_096_000, 3));
        assert_eq!(progress.dirty_bytes_per_second, 1_024_000);
        assert_eq!((progress.expected_ms, progress.pause_ms, progress.total_ms), (47, None, 812));
        assert_eq!(Progress::parse(&json!([1, "x"])), Progress::default());
        assert_eq!(Progress::parse(&json!({ "ram": { "dirty-pages-rate": u64::MAX } })).rounds, 0);
    }

    #[test]
    fn keys_are_there_before_they_are_used() {
        let words = |all: Vec<Command>| all.into_iter().map(|(command, _)| command).collect::<Vec<_>>();
        let plain = receive("fd:7", None);
        assert_eq!(words(plain), ["migrate-set-capabilities", "migrate-incoming"]);
        let with_key = receive("fd:7", Some("/proc/self/fd/9"));
        assert_eq!(with_key[0].1["endpoint"], "server");
        assert_eq!(with_key[2].1["tls-creds"], with_key[0].1["id"]);
        let sent = send(Some("/k"));
        assert_eq!(
            words(sent),
            ["object-add", "migrate-set-capabilities", "migrate-set-parameters", "migrate"]
        );
        assert_eq!(send(None)[1].1["tls-creds"], "");
        assert_eq!(words(forget(true)).last(), Some(&"object-del"));
    }
}

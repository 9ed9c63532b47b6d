//! Killed at random moments of a load: whatever was acknowledged is there afterwards, and no file is refused.
//!
//! `NETLOOM_KILLS` says how often; `cargo xtask chaos --database` sets it.

use std::io::Write as _;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netloom_daemon::ovs::socket::connect;
use serde_json::{Value, json};

use super::server::{Server, Whose};
use crate::place::eventually;

/// How often, unless the environment says otherwise.
const KILLS: u32 = 10;
/// Clients at a time.
const CLIENTS: usize = 3;

/// A connection, asked one request at a time.
struct Client {
    stream: std::os::unix::net::UnixStream,
    messages: serde_json::StreamDeserializer<
        'static,
        serde_json::de::IoRead<std::os::unix::net::UnixStream>,
        Value,
    >,
}

impl Client {
    fn connect(server: &Server) -> Option<Self> {
        let stream = connect(&server.path("db.sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let messages = serde_json::Deserializer::from_reader(stream.try_clone().unwrap()).into_iter();
        Some(Self { stream, messages })
    }

    /// The result; `None`: the server is gone.
    fn transact(&mut self, operations: &[Value]) -> Option<Value> {
        let params: Vec<Value> =
            [json!("Open_vSwitch")].into_iter().chain(operations.iter().cloned()).collect();
        let request = json!({"id": 1, "method": "transact", "params": params});
        self.stream.write_all(request.to_string().as_bytes()).ok()?;
        self.messages.next()?.ok().map(|reply| reply["result"].clone())
    }
}

fn start(server: &Server) -> Child {
    let mut command = Command::new(server.program());
    command.args(["conf.db", "--remote=punix:db.sock", "--unixctl=ctl", "-vconsole:off"]);
    let child = server.at_home(&mut command).spawn().unwrap();
    eventually("it serves", || Client::connect(server).map(drop));
    child
}

/// Writes as one client in one round until the server is gone; how much of it was acknowledged. Even numbers are new
/// rows, odd ones take the place of the one before; every seventh must be on the disk.
fn write(server: &Server, round: u32, who: usize) -> u64 {
    // It may be gone before anybody came: 1 stands for nothing.
    let Some(mut client) = Client::connect(server) else { return 1 };
    let mut row = Value::Null;
    for n in 2.. {
        let name =
            json!(["map", [["round", round.to_string()], ["client", who.to_string()], ["n", n.to_string()]]]);
        let operation = match n % 2 {
            0 => json!({"op": "insert", "table": "Queue", "row": {"external_ids": name}}),
            _ => {
                json!({"op": "update", "table": "Queue", "row": {"external_ids": name}, "where": [["_uuid", "==", row]]})
            }
        };
        let durable = json!({"op": "commit", "durable": n % 7 == 0});
        let Some(result) = client.transact(&[operation, durable]) else { return n - 1 };
        assert!(result[0].get("error").is_none() && result.get(2).is_none(), "{result}");
        row = result[0]["uuid"].clone();
    }
    unreachable!("it writes until the server is gone")
}

/// Of all rows: round, client, number; in order.
fn rows(client: &mut Client) -> Vec<(u64, u64, u64)> {
    let select = json!({"op": "select", "table": "Queue", "where": [], "columns": ["external_ids"]});
    let result = client.transact(&[select]).unwrap();
    let read = |row: &Value| {
        let pairs = row["external_ids"][1].as_array().unwrap();
        let of = |key: &str| {
            pairs.iter().find(|pair| pair[0] == key).unwrap()[1].as_str().unwrap().parse().unwrap()
        };
        (of("round"), of("client"), of("n"))
    };
    let mut rows: Vec<_> = result[0]["rows"].as_array().unwrap().iter().map(read).collect();
    rows.sort_unstable();
    rows
}

/// What must be there when everything up to `last` was acknowledged: the odd ones, and `last` if it is even.
fn expected(last: u64) -> Vec<u64> {
    (2..=last).filter(|n| n % 2 == 1 || *n == last).collect()
}

fn compacts(server: &Server, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = connect(&server.path("ctl")) else { continue };
        let asked = stream.write_all(br#"{"id":0,"method":"ovsdb-server/compact","params":[]}"#);
        let mut answer = [0; 256];
        // It may die meanwhile, which is what this is about.
        let _ = asked.and_then(|()| std::io::Read::read(&mut stream, &mut answer));
    }
}

#[test]
fn nothing_acknowledged_is_lost() {
    let Some(server) = Server::prepare(Whose::Ours) else { return };
    let kills =
        std::env::var_os("NETLOOM_KILLS").and_then(|kills| kills.to_str()?.parse().ok()).unwrap_or(KILLS);
    let mut random = 1_u64;
    let mut next = move |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let mut acknowledged = 0;
    for round in 0..kills {
        let mut child = start(&server);
        let stop = AtomicBool::new(false);
        let pause = Duration::from_micros(1_000 + next(60_000));
        let last: Vec<u64> = std::thread::scope(|scope| {
            let writers: Vec<_> = (0..CLIENTS)
                .map(|who| {
                    scope.spawn({
                        let server = &server;
                        move || write(server, round, who)
                    })
                })
                .collect();
            // In every other round its file is also replaced all the time.
            if round % 2 == 1 {
                scope.spawn(|| compacts(&server, &stop));
            }
            // The moment is what is random here.
            std::thread::sleep(pause);
            child.kill().unwrap();
            child.wait().unwrap();
            stop.store(true, Ordering::Relaxed);
            writers.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let mut child = start(&server);
        let mut client = Client::connect(&server).unwrap();
        let rows = rows(&mut client);
        assert!(rows.iter().all(|row| row.0 == u64::from(round)), "what was deleted is back: {rows:?}");
        for (who, &last) in last.iter().enumerate() {
            let found: Vec<u64> = rows.iter().filter(|row| row.1 == who as u64).map(|row| row.2).collect();
            // One more may have been done and not acknowledged.
            assert!(
                found == expected(last) || found == expected(last + 1),
                "round {round}: {found:?} up to {last}"
            );
            acknowledged += last - 1;
        }
        client.transact(&[json!({"op": "delete", "table": "Queue", "where": []})]).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(acknowledged > 0);
    server.ok("ovsdb-tool show-log conf.db > /dev/null");
    eprintln!("{kills} kills, {acknowledged} transactions acknowledged, none lost");
}

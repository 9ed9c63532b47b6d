//! Open vSwitch's clients at our server.

use std::process::Stdio;

use super::server::{SCHEMA, Server, Whose};
use crate::place::eventually;

#[test]
fn ovs_vsctl_configures_a_switch() {
    let Some(server) = Server::start(Whose::Ours) else { return };
    server.ok("ovs-vsctl --no-wait init");
    server.ok("ovs-vsctl --no-wait add-br br0 -- add-port br0 p1 -- set Interface p1 type=internal");
    server.ok("ovs-vsctl --no-wait set Bridge br0 other-config:hwaddr=00:00:00:00:00:01 fail_mode=secure");
    assert_eq!(server.ok("ovs-vsctl list-ports br0"), "p1\n");
    assert_eq!(server.ok("ovs-vsctl get Interface p1 type"), "internal\n");
    assert_eq!(server.run("ovs-vsctl br-exists br1").code, 2);
    let shown = server.ok("ovs-vsctl show");
    assert!(shown.contains("    Bridge br0\n        fail_mode: secure\n"), "{shown}");
    let again = server.run("ovs-vsctl --no-wait add-br br0");
    assert!(again.code == 1 && again.text.contains("a bridge named br0 already exists"), "{again:?}");
    server.ok("ovs-vsctl --no-wait del-br br0");
    assert_eq!(server.ok("ovs-vsctl list Interface"), "", "what nothing refers to is gone");
}

#[test]
fn ovsdb_client_looks_changes_waits_and_monitors() {
    let Some(server) = Server::start(Whose::Ours) else { return };
    assert_eq!(server.ok("ovsdb-client list-dbs"), "Open_vSwitch\n_Server\n");
    server.ok("ovsdb-client wait Open_vSwitch connected --timeout=10");
    server.ok("ovs-vsctl --no-wait init");
    let mut monitor = std::process::Command::new("ovsdb-client");
    monitor.args([
        "monitor",
        "Open_vSwitch",
        "Bridge",
        "name,datapath_type",
        "--format=csv",
        "--no-headings",
    ]);
    let log = std::fs::File::create(server.path("monitored")).unwrap();
    let mut monitor = server.at_home(&mut monitor).stdout(log).stderr(Stdio::null()).spawn().unwrap();
    let seen = |what: &str| std::fs::read_to_string(server.path("monitored")).unwrap().contains(what);
    server.ok("ovs-vsctl --no-wait add-br br0");
    eventually("the monitor tells of the bridge", || {
        seen("insert,\"br0\"").then_some(()).or(seen("insert,br0").then_some(()))
    });
    server.ok("ovs-vsctl --no-wait del-br br0");
    eventually("and of its end", || (seen("delete,\"br0\"") || seen("delete,br0")).then_some(()));
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    let saved = server.run("ovsdb-client backup > saved");
    assert_eq!(saved.code, 0, "{saved:?}");
    server.ok("ovs-vsctl --no-wait add-br br1");
    server.ok("ovsdb-client restore < saved");
    assert_eq!(server.ok("ovs-vsctl list-br"), "");
    assert_eq!(server.ok(&format!("ovsdb-client needs-conversion {SCHEMA}")), "no\n");
    server.ok(&format!("sed 's/8\\.3\\.1/8.3.2/; s/\"next_cfg\"/\"extra\": {{\"type\": \"string\"}}, \"next_cfg\"/; /cksum/d' {SCHEMA} > new"));
    server.ok("ovsdb-client convert new");
    assert_eq!(server.ok("ovsdb-client get-schema-version"), "8.3.2\n");
    server.ok(r#"ovsdb-client transact '["Open_vSwitch",{"op":"update","table":"Open_vSwitch","where":[],"row":{"extra":"here"}}]'"#);
    assert_eq!(server.ok("ovsdb-tool query conf.db '[\"Open_vSwitch\",{\"op\":\"select\",\"table\":\"Open_vSwitch\",\"where\":[],\"columns\":[\"extra\"]}]'").trim(), "[{\"rows\":[{\"extra\":\"here\"}]}]");
}

#[test]
fn ovs_appctl_commands_it() {
    let Some(server) = Server::start(Whose::Ours) else { return };
    let ctl = |words: &str| server.run(&format!("ovs-appctl -t ovsdb-server {words}"));
    assert!(ctl("version").text.starts_with("ovsdb-server (netloom) "));
    let listed = ctl("list-commands").text;
    for command in ["exit", "memory/show", "ovsdb-server/add-db", "vlog/set", "ovsdb-server/sync-status"] {
        assert!(listed.contains(command), "{command}: {listed}");
    }
    assert_eq!(ctl("ovsdb-server/sync-status").text, "state: active\n");
    server.ok("ovs-vsctl --no-wait init");
    assert!(ctl("memory/show").text.starts_with("cells:"));
    assert_eq!(ctl("vlog/set ovsdb_server:file:dbg").code, 0);
    let log = std::fs::read_to_string(server.path("ovsdb-server.log")).unwrap();
    assert!(log.contains("|00001|vlog|INFO|opened log file "), "{log}");
    assert!(!log.contains("|WARN|") && !log.contains("|ERR|"), "{log}");
    assert_eq!(ctl("exit").code, 0);
    eventually("it is gone with its files", || {
        let names = || std::fs::read_dir(server.path("")).unwrap().flatten().map(|file| file.file_name());
        let left = |end: &str| names().any(|name| name.to_string_lossy().ends_with(end));
        (!left(".pid") && !left(".ctl") && !left(".sock")).then_some(())
    });
}

#[test]
fn netloom_serves_too_and_ends_with_a_command_or_a_signal() {
    let Some(server) = Server::prepare(Whose::Ours) else { return };
    let netloom = env!("CARGO_BIN_EXE_netloom");
    let line = |command: &str| {
        format!(
            "{netloom} ovsdb-server conf.db -vconsole:off --unixctl=none --remote=punix:x.sock --run='{command}'"
        )
    };
    let done = server.run(&line("ovsdb-client list-dbs unix:x.sock"));
    assert_eq!((done.code, done.text.as_str()), (0, "Open_vSwitch\n_Server\n"));
    assert_eq!(server.run(&line("exit 7")).code, 1);
    assert!(!server.path("x.sock").exists());
    server.serve("conf.db --monitor");
    let second = server.try_serve("conf.db");
    assert!(second.code == 1 && second.text.contains("failed to lock lockfile"), "{second:?}");
    let pid = server.pid().unwrap();
    server.ok(&format!("kill -TERM {pid}"));
    eventually("it leaves nothing", || {
        (!server.path("ovsdb-server.pid").exists() && !server.path("db.sock").exists()).then_some(())
    });
}

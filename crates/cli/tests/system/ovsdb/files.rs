//! The files of our server, by Open vSwitch's tool; several of them; bad ones.

use super::server::{SCHEMA, Server, Whose};

const SELECT: &str =
    r#"'["Open_vSwitch",{"op":"select","table":"Bridge","where":[],"columns":["name","datapath_id"]}]'"#;

#[test]
fn ovsdb_tool_reads_what_we_write_and_ephemeral_columns_do_not_last() {
    let Some(server) = Server::start(Whose::Ours) else { return };
    server.ok("ovs-vsctl --no-wait init -- add-br br0 -- set bridge br0 datapath_id=0123");
    server.ok("ovs-vsctl --no-wait set Bridge br0 external_ids:a=b");
    assert_eq!(server.ok("ovs-vsctl get bridge br0 datapath_id"), "\"0123\"\n");
    let log = server.ok("ovsdb-tool -m show-log conf.db");
    assert!(log.contains("ovs-vsctl --no-wait set Bridge br0 external_ids:a=b"), "{log}");
    let rows = r#"[{"rows":[{"datapath_id":["set",[]],"name":"br0"}]}]"#;
    assert_eq!(server.ok(&format!("ovsdb-tool query conf.db {SELECT}")).trim(), rows);
    let before = std::fs::metadata(server.path("conf.db")).unwrap().len();
    (0..50).for_each(|n| _ = server.ok(&format!("ovs-vsctl --no-wait set Bridge br0 external_ids:a={n}")));
    server.ok("ovs-appctl -t ovsdb-server ovsdb-server/compact");
    assert!(std::fs::metadata(server.path("conf.db")).unwrap().len() < before + 2000);
    assert_eq!(server.ok(&format!("ovsdb-tool query conf.db {SELECT}")).trim(), rows);
    let compact = server.run("ovsdb-tool compact conf.db");
    assert!(compact.code != 0 && compact.text.contains("lock"), "it is ours: {compact:?}");
    server.ok("ovs-appctl -t ovsdb-server exit");
    crate::place::eventually("it has ended", || server.pid().is_none().then_some(()));
    server.ok("ovsdb-tool compact conf.db");
    server.serve("conf.db");
    assert_eq!(server.ok("ovs-vsctl list-br"), "br0\n");
    assert_eq!(server.ok("ovs-vsctl get bridge br0 datapath_id"), "[]\n");
}

#[test]
fn databases_come_and_go() {
    let Some(server) = Server::start(Whose::Ours) else { return };
    server.ok("ovsdb-tool create local.db /usr/share/openvswitch/local-config.ovsschema");
    let ctl = |words: &str| server.run(&format!("ovs-appctl -t ovsdb-server ovsdb-server/{words}"));
    assert_eq!(ctl(&format!("add-db {}", server.path("local.db").display())).text, "");
    assert_eq!(ctl("list-dbs").text, "Local_Config\nOpen_vSwitch\n_Server\n");
    assert_eq!(server.ok("ovsdb-client get-schema-version unix:db.sock Local_Config"), "1.0.0\n");
    let again = ctl(&format!("add-db {}", server.path("local.db").display()));
    assert!(again.text.contains("already open"), "{again:?}");
    assert_eq!(ctl("remove-db Local_Config").code, 0);
    assert!(ctl("remove-db Local_Config").text.starts_with("Failed to find the database."));
    assert!(ctl("remove-db _Server").text.starts_with("Cannot remove reserved database."));
    assert_eq!(server.ok("ovsdb-client list-dbs"), "Open_vSwitch\n_Server\n");
}

#[test]
fn a_torn_record_is_cut_off_and_told_and_damage_is_refused() {
    let Some(server) = Server::prepare(Whose::Ours) else { return };
    server.ok(r#"ovsdb-tool transact conf.db '["Open_vSwitch",{"op":"insert","table":"Open_vSwitch","row":{"system_type":"x"}}]'"#);
    let whole = std::fs::read(server.path("conf.db")).unwrap();
    server.ok(r#"ovsdb-tool transact conf.db '["Open_vSwitch",{"op":"update","table":"Open_vSwitch","where":[],"row":{"system_type":"y"}}]'"#);
    let more = std::fs::read(server.path("conf.db")).unwrap();
    let torn = &more[..more.len() - 20];
    std::fs::write(server.path("conf.db"), torn).unwrap();
    server.serve("conf.db --log-file");
    assert_eq!(server.ok("ovs-vsctl get Open_vSwitch . system_type"), "x\n");
    assert_eq!(std::fs::read(server.path("conf.db")).unwrap(), whole);
    let log = std::fs::read_to_string(server.path("ovsdb-server.log")).unwrap();
    assert!(log.contains("|ovsdb_log|WARN|conf.db: the last record is torn and was cut off: "), "{log}");
    server.ok("ovs-appctl -t ovsdb-server exit");
    crate::place::eventually("it has ended", || server.pid().is_none().then_some(()));
    let mut damaged = more.clone();
    let at = whole.len() - 30;
    damaged[at] ^= 1;
    std::fs::write(server.path("conf.db"), &damaged).unwrap();
    let refused = server.try_serve("conf.db");
    assert!(refused.code == 1 && refused.text.contains("is damaged: its SHA-1 hash"), "{refused:?}");
    assert_eq!(std::fs::read(server.path("conf.db")).unwrap(), damaged, "and left alone");
    assert!(std::path::Path::new(SCHEMA).exists());
}

#[test]
fn a_full_disk_makes_clients_wait_and_loses_nothing() {
    let Some(server) = Server::prepare(Whose::Ours) else { return };
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root mounts a small disk");
        return;
    }
    // In a mount namespace of its own, so that it goes with the server.
    let line = "mkdir disk && mount -t tmpfs -o size=128k none disk && cp conf.db disk/ && exec \"$0\" disk/conf.db \
                --remote=punix:db.sock --pidfile --unixctl=ctl --log-file -vconsole:off";
    let mut command = std::process::Command::new("unshare");
    command.args(["-m", "sh", "-c", line]).arg(server.program());
    let mut child = server.at_home(&mut command).spawn().unwrap();
    let pid =
        crate::place::eventually("it serves", || server.pid().filter(|_| server.path("db.sock").exists()));
    server.ok("ovs-vsctl --no-wait init");
    let disk = server.path("disk");
    let ballast = std::path::PathBuf::from(format!("/proc/{pid}/root{}/ballast", disk.display()));
    let filled = std::fs::write(&ballast, vec![0; 256 << 10]);
    assert!(filled.is_err(), "the disk is small");
    let size = std::fs::metadata(&ballast).unwrap().len();
    std::fs::File::options().write(true).open(&ballast).unwrap().set_len(size - 8192).unwrap();
    let set = |n: usize| {
        let text = "x".repeat(2000);
        server.run(&format!("ovs-vsctl --no-wait --timeout=2 set Open_vSwitch . external_ids:n{n}={text}"))
    };
    let refused = (0..20).find(|n| set(*n).code != 0).unwrap();
    assert!(refused > 0, "there was room for one");
    let log = || std::fs::read_to_string(server.path("ovsdb-server.log")).unwrap();
    assert!(
        log().contains("|ovsdb_log|ERR|Open_vSwitch: cannot be written: clients wait until it can"),
        "{}",
        log()
    );
    std::fs::remove_file(&ballast).unwrap();
    crate::place::eventually("clients go on", || (set(99).code == 0).then_some(()));
    let kept = server.ok("ovs-vsctl --bare get Open_vSwitch . external_ids");
    assert!((0..refused).all(|n| kept.contains(&format!("n{n}="))), "{refused}: {kept}");
    child.kill().unwrap();
    child.wait().unwrap();
}

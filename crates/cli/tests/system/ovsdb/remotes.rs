//! Who is let in, and called, as the database says; TLS.

use std::net::TcpListener;

use super::server::{Server, Whose};
use crate::place::eventually;

#[test]
fn managers_of_the_database_are_waited_for_and_told_of() {
    let Some(server) = Server::start(Whose::Ours) else { return };
    server.ok("ovs-vsctl --no-wait init -- set-manager ptcp:0:127.0.0.1");
    let port = eventually("the port is told", || {
        let told = server.run("ovs-vsctl get Manager . status:bound_port").text;
        told.trim().trim_matches('"').parse::<u16>().ok()
    });
    assert_eq!(server.ok("ovs-vsctl get Manager . is_connected"), "false\n");
    server.ok(&format!("ovsdb-client list-dbs tcp:127.0.0.1:{port}"));
    server.ok("ovs-vsctl --no-wait del-manager");
    eventually("it is waited for no more", || {
        (server.run(&format!("ovsdb-client --timeout=5 list-dbs tcp:127.0.0.1:{port}")).code != 0)
            .then_some(())
    });
    let remotes = server.ok("ovs-appctl -t ovsdb-server ovsdb-server/list-remotes");
    assert_eq!(remotes, "db:Open_vSwitch,Open_vSwitch,manager_options\npunix:db.sock\n");
}

#[test]
fn managers_are_called_until_they_answer() {
    let Some(server) = Server::start(Whose::Ours) else { return };
    // Free now; the manager comes later.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    server.ok(&format!("ovs-vsctl --no-wait init -- set-manager tcp:127.0.0.1:{port}"));
    eventually("it cannot be reached", || {
        server.run("ovs-vsctl get Manager . status:state").text.contains("BACKOFF").then_some(())
    });
    let manager = server.run(&format!("ovsdb-client --timeout=20 list-dbs ptcp:{port}:127.0.0.1"));
    assert!(manager.code == 0 && manager.text.starts_with("Open_vSwitch\n_Server\n"), "{manager:?}");
}

#[test]
fn tls_lets_in_whom_the_authority_has_signed() {
    let Some(server) = Server::prepare(Whose::Ours) else { return };
    if std::process::Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: there is no openssl");
        return;
    }
    for name in ["ca", "other"] {
        server.ok(&format!("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.pem 2>/dev/null"));
    }
    for (name, ca) in [("server", "ca"), ("client", "ca"), ("stranger", "other")] {
        server.ok(&format!("openssl req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr 2>/dev/null && printf 'basicConstraints=CA:FALSE\\n' > ext && openssl x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days 2 -extfile ext -out {name}.pem 2>/dev/null"));
    }
    server.serve("conf.db --remote=pssl:0:127.0.0.1 --log-file --private-key=server.key --certificate=server.pem --ca-cert=ca.pem");
    let log = std::fs::read_to_string(server.path("ovsdb-server.log")).unwrap();
    let port = log.split("listening on port ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let list = |who: &str| {
        server.run(&format!(
            "ovsdb-client --timeout=10 -p {who}.key -c {who}.pem -C ca.pem list-dbs ssl:127.0.0.1:{port}"
        ))
    };
    let client = list("client");
    assert_eq!((client.code, client.text.as_str()), (0, "Open_vSwitch\n_Server\n"));
    assert_ne!(list("stranger").code, 0);
    // The files may be named by the database.
    server.ok("ovs-appctl -t ovsdb-server exit");
    eventually("it has ended", || server.pid().is_none().then_some(()));
    server.serve("conf.db --remote=db:Open_vSwitch,Open_vSwitch,manager_options --log-file \
                  --private-key=db:Open_vSwitch,SSL,private_key --certificate=db:Open_vSwitch,SSL,certificate \
                  --bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert");
    let place = server.path("");
    let place = place.display();
    server.ok(&format!("ovs-vsctl --no-wait init -- set-ssl {place}/server.key {place}/server.pem {place}/ca.pem -- set-manager pssl:0:127.0.0.1"));
    let port = eventually("the port is told", || {
        let told = server.run("ovs-vsctl get Manager . status:bound_port").text;
        told.trim().trim_matches('"').parse::<u16>().ok()
    });
    let second = server.run(&format!(
        "ovsdb-client --timeout=10 -p client.key -c client.pem -C ca.pem list-dbs ssl:127.0.0.1:{port}"
    ));
    assert_eq!((second.code, second.text.as_str()), (0, "Open_vSwitch\n_Server\n"));
}

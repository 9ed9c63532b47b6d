//! A lab that does not exist, behind a real server, and the real binary asked about it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use netloom_api::stream::Frame;
use netloom_api::{
    ApiError, Applied, Command as Ask, ConnectionRow, DirectionRow, DownReport, DropRow, EndRow, ErrorKind,
    Fidelity, Finding, FlowRow, Graph, GroupRow, InterfaceRow, LabRow, LinkRow, Listing, MeasureRow,
    MeterRow, NodeRow, PingReport, PingRow, Place, PlanReply, PlanStep, Progress, Reply, Shown,
    SwitchPortRow, SwitchRow, TenantRow, TestReport, TestRow, TopRow, Trace, TraceChange, TraceDrop,
    TraceLookup, TraceRule, TraceStep, TraceWhat, Verdict,
};
use netloom_daemon::http::Server;
use netloom_daemon::{Conn, Engine, Homes, Identity, Sink};

/// Two hosts of two tenants on two switches.
pub(crate) fn graph() -> Graph {
    let node = |name: &str, tenant: &str, peer: &str| NodeRow {
        name: name.into(),
        tenant: tenant.into(),
        kind: "host".into(),
        state: "up".into(),
        interfaces: vec![InterfaceRow {
            name: "eth0".into(),
            mac: "02:00:00:00:00:01".into(),
            addresses: vec!["10.0.0.1/24".into(), "fd00::1/64".into()],
            peer: Some(peer.into()),
            up: true,
            mtu: 1500,
            rx_packets: 12_345,
            ..InterfaceRow::default()
        }],
        ..NodeRow::default()
    };
    let switch = |name: &str, peers: &[&str]| SwitchRow {
        name: name.into(),
        state: "up".into(),
        flows: 1,
        macs: 2,
        drops: 40_000,
        fail_mode: "standalone".into(),
        ports: (1..)
            .zip(peers)
            .map(|(number, peer)| SwitchPortRow {
                number,
                name: format!("{name}-eth{number}"),
                peer: Some((*peer).into()),
                state: "forwarding".into(),
                ..SwitchPortRow::default()
            })
            .collect(),
        ..SwitchRow::default()
    };
    let end = |node: &str, interface: &str, switch| EndRow {
        node: node.into(),
        interface: interface.into(),
        switch,
    };
    let link = |name: &str, a: EndRow, b: EndRow| LinkRow {
        name: name.into(),
        a,
        b,
        up: true,
        ..LinkRow::default()
    };
    let shaped = DirectionRow {
        settings: [("delay", "20ms"), ("loss", "1%")].map(|(k, v)| (k.into(), v.into())).into(),
        packets: 900,
        lost: 9,
        late_p99_ms: Some(0.05),
        ..DirectionRow::default()
    };
    Graph {
        lab: LabRow {
            name: "shop".into(),
            state: "up".into(),
            owner: "ann".into(),
            file: "/labs/shop.loom.yml".into(),
            nodes: 2,
            hosts: 2,
            switches: 2,
            links: 3,
            tenants: 2,
            mode: "tap with offloads".into(),
            pid: Some(4242),
            age_s: 130.0,
        },
        nodes: vec![node("red/web", "red", "s1:s1-eth1"), node("blue/h1", "blue", "s2:s2-eth2")],
        switches: vec![
            switch("s1", &["red/web:eth0", "s2:s2-eth1"]),
            switch("s2", &["s1:s1-eth2", "blue/h1:eth0"]),
        ],
        links: vec![
            link("red/web--s1", end("red/web", "eth0", false), end("s1", "s1-eth1", true)),
            LinkRow {
                forth: shaped.clone(),
                back: shaped,
                drift: true,
                ..link("core", end("s1", "s1-eth2", true), end("s2", "s2-eth1", true))
            },
            LinkRow {
                up: false,
                ..link("blue/h1--s2", end("blue/h1", "eth0", false), end("s2", "s2-eth2", true))
            },
        ],
    }
}

fn tested(sentence: &str, verdict: Verdict) -> TestRow {
    TestRow {
        sentence: sentence.into(),
        verdict,
        measured: "3.2 ms".into(),
        ms: 12.0,
        place: "shop.loom.yml:9".into(),
        details: vec!["last hop seen: s1".into()],
        trace: (verdict == Verdict::Fails).then(|| Box::new(trace())),
    }
}

/// A packet that a rule of the file drops.
fn trace() -> Trace {
    let rule = TraceRule {
        priority: 200,
        matches: "tcp,tp_dst=23".into(),
        cookie: 5,
        actions: "drop".into(),
        origin: "shop.loom.yml:41".into(),
    };
    let dropped = TraceDrop {
        place: "s2:s2-eth1".into(),
        reason: "dropped by a flow".into(),
        rule: Some(rule.clone()),
    };
    let changed = vec![TraceChange { field: "tp_dst".into(), before: "24".into(), after: "23".into() }];
    let link = |from: &str, to: &str, settings: &str| TraceWhat::Link {
        from: from.into(),
        to: to.into(),
        settings: settings.into(),
        cut: None,
    };
    let switch =
        |switch: &str, port: &str| TraceWhat::Switch { switch: switch.into(), port: port.into(), number: 1 };
    let steps = [
        (0, TraceWhat::Node { node: "red/web".into(), text: "sends a SYN for port 24 to 10.0.0.2".into() }),
        (1, link("red/web:eth0", "s1:s1-eth1", "")),
        (0, switch("s1", "s1-eth1")),
        (
            1,
            TraceWhat::Table {
                table: 0,
                rule: Some(TraceRule { origin: "command".into(), ..TraceRule::default() }),
            },
        ),
        (2, TraceWhat::Action { text: "mod_tp_dst:23".into(), changed }),
        (2, TraceWhat::Action { text: "NORMAL".into(), changed: vec![] }),
        (3, TraceWhat::Decision { text: "learned at s1-eth2".into() }),
        (3, link("s1:s1-eth2", "s2:s2-eth1", "delay 10ms")),
        (0, switch("s2", "s2-eth1")),
        (1, TraceWhat::Table { table: 0, rule: Some(rule) }),
        (2, TraceWhat::Action { text: "drop".into(), changed: vec![] }),
        (3, TraceWhat::Drop(dropped.clone())),
    ];
    Trace {
        packet: "tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=49152,tp_dst=24,tcp_flags=syn".into(),
        from: "red/web:eth0".into(),
        to: Some("red/db".into()),
        steps: steps.into_iter().map(|(depth, what)| TraceStep { depth, what }).collect(),
        drops: vec![dropped],
        lookups: vec![TraceLookup {
            at: "s1:s1-eth1".into(),
            megaflow: "in_port=s1:s1-eth1,tcp,tp_dst=24".into(),
            actions: "drop".into(),
        }],
        notes: vec!["the answer of red/db would be lost at s2:s2-eth2: tenant".into()],
        ..Trace::default()
    }
}

fn group() -> GroupRow {
    GroupRow {
        switch: "s1".into(),
        group: 1,
        text: "group_id=1,type=select,bucket=weight:1,actions=output:1,bucket=weight:1,actions=output:2"
            .into(),
        packets: 30,
        bytes: 1_800,
        buckets: vec![10, 20],
        flows: 1,
    }
}

fn meter() -> MeterRow {
    MeterRow {
        switch: "s1".into(),
        meter: 1,
        text: "meter=1,kbps,bands=type=drop,rate=1000".into(),
        packets: 30,
        bytes: 1_800,
        bands: vec![4],
        flows: 1,
    }
}

/// Answers from [`graph`]; writes down what it was asked.
struct Fake {
    asked: Arc<Mutex<Vec<Ask>>>,
    daemon: Mutex<Child>,
}

impl Engine for Fake {
    fn command(&self, command: Ask, sink: &Sink) -> Result<Reply, ApiError> {
        self.asked.lock().unwrap().push(command.clone());
        let lab = graph();
        Ok(match command {
            Ask::Status => Reply::Labs(vec![lab.lab]),
            Ask::Apply { .. } => {
                Reply::Applied(Applied { lab: lab.lab, changed: 2, ms: 3.0, ..Applied::default() })
            }
            Ask::Plan { .. } => {
                let step = |sign, name: &str| PlanStep {
                    sign,
                    kind: "link".into(),
                    name: name.into(),
                    detail: "delay 20ms -> 40ms".into(),
                };
                Reply::Plan(PlanReply {
                    steps: vec![step('~', "core")],
                    drift: vec![step('~', "edge")],
                    notes: vec![],
                })
            }
            Ask::Down { .. } => {
                self.daemon.lock().unwrap().kill().unwrap();
                Reply::Down(DownReport { lab: "shop".into(), removed: 7, ms: 28.0, left: vec![] })
            }
            Ask::Ls { what: Listing::Nodes } => Reply::Nodes(lab.nodes),
            Ask::Ls { what: Listing::Switches } => Reply::Switches(lab.switches),
            Ask::Ls { what: Listing::Links } => Reply::Links(lab.links),
            Ask::Ls { what: Listing::Tenants } => Reply::Tenants(vec![TenantRow {
                name: "red".into(),
                nodes: 1,
                networks: vec!["lan 10.0.0.0/24".into()],
                isolated: 3,
                quota: Some("cpu 2, nodes 4".into()),
                lacking: vec![],
            }]),
            Ask::Ls { what: Listing::Drops } => Reply::Drops(vec![DropRow {
                place: "core".into(),
                reason: "link loss".into(),
                packets: 18,
                intended: true,
            }]),
            Ask::Ls { what: Listing::Conntrack } => Reply::Conntrack(vec![ConnectionRow {
                switch: "s1".into(),
                zone: 5,
                protocol: "tcp".into(),
                original: "10.0.0.1:5000 > 10.0.0.2:80".into(),
                reply: "10.0.0.2:80 > 192.0.2.1:5000".into(),
                state: "ESTABLISHED".into(),
                answered: true,
                mark: 7,
                label: "0x0".into(),
                timeout: 86_399,
                packets: 3,
                reply_packets: 2,
                ..ConnectionRow::default()
            }]),
            Ask::Show { name: None } => Reply::Graph(Box::new(lab)),
            Ask::Show { name: Some(name) } => shown(&lab, &name)?,
            Ask::Graph => Reply::Graph(Box::new(lab)),
            Ask::Link { link, .. } => {
                Reply::Links(lab.links.into_iter().filter(|row| row.name == link).collect())
            }
            Ask::FlowLs { switch, .. } => Reply::Flows(vec![FlowRow {
                switch,
                table: 0,
                priority: 200,
                text: "table=0, n_packets=3, n_bytes=180, priority=200,tcp,tp_dst=23 actions=drop".into(),
                packets: 3,
                bytes: 180,
                origin: "shop.loom.yml:41".into(),
            }]),
            Ask::FlowAdd { flows, .. } => add(&flows)?,
            Ask::Trace { .. } => Reply::Trace(Box::new(trace())),
            Ask::GroupLs { .. } => Reply::Groups(vec![group()]),
            Ask::Groups { groups, .. } => Reply::GroupsChanged(groups.len() as u64),
            Ask::MeterLs { .. } => Reply::Meters(vec![meter()]),
            Ask::Meters { meters, .. } => Reply::MetersChanged(meters.len() as u64),
            Ask::FlowMod { .. } | Ask::FlowRm { .. } => Reply::FlowsChanged(1),
            Ask::Ping { pair, count, .. } => pings(pair, count),
            Ask::Measure { from, to, .. } => Reply::Measured(MeasureRow {
                from,
                to,
                protocol: "tcp".into(),
                sent_bps: 9.6e6,
                received_bps: 9.5e6,
                seconds: 5.0,
                ..MeasureRow::default()
            }),
            Ask::Test { sentences } => {
                let mut items = Vec::new();
                for sentence in sentences.unwrap_or_else(|| vec!["red cannot reach blue".into()]) {
                    let verdict = if sentence.contains("doubt") {
                        Verdict::NotTrusted
                    } else if sentence.contains("mars") {
                        Verdict::Fails
                    } else {
                        Verdict::Holds
                    };
                    let row = tested(&sentence, verdict);
                    sink.send(Progress::Tested { row: row.clone() });
                    items.push(row);
                }
                let fidelity = Fidelity {
                    faithful: true,
                    strict: false,
                    p99_ms: 0.05,
                    limit_ms: 1.0,
                    worst: None,
                    details: vec![],
                };
                Reply::Tested(TestReport { items, fidelity: Some(fidelity), ms: 20.0 })
            }
            Ask::Play | Ask::Node { .. } => Reply::Done {},
            other => return Err(ApiError::new(ErrorKind::Unsupported, format!("No {}.", other.word()))),
        })
    }

    fn stream(&self, command: Ask, conn: &mut Conn) -> Result<(), ApiError> {
        self.asked.lock().unwrap().push(command.clone());
        match command {
            Ask::Exec { node, argv, .. } if node == "red/web" => program(&argv, conn),
            Ask::Exec { node, .. } => {
                return Err(ApiError::new(ErrorKind::NotFound, format!("There is no node {node}."))
                    .hint("did you mean red/web?"));
            }
            Ask::Logs { .. } => {
                conn.send(&Frame::Stdout(b"web: ready\n".to_vec())).unwrap();
                conn.send(&Frame::Exit(0)).unwrap();
            }
            Ask::Capture { .. } => {
                conn.send(&Frame::Stdout(b"\x0a\x0d\x0d\x0apackets".to_vec())).unwrap();
                conn.send(&Frame::Exit(0)).unwrap();
            }
            Ask::Top { .. } => {
                let row =
                    TopRow { kind: "link".into(), name: "core".into(), bps: 9.5e6, ..TopRow::default() };
                let text = serde_json::to_string(&[row]).unwrap();
                while conn.send(&Frame::Event(text.clone())).is_ok() {}
            }
            _ => {}
        }
        Ok(())
    }
}

/// `cat`, `exit N`, `echo WORD ..`: enough of a shell.
fn program(argv: &[String], conn: &mut Conn) {
    let words: Vec<_> = argv.iter().map(String::as_str).collect();
    let status = match words.as_slice() {
        ["exit", status] => status.parse().unwrap(),
        ["echo", words @ ..] => {
            conn.send(&Frame::Stdout(format!("{}\n", words.join(" ")).into_bytes())).unwrap();
            conn.send(&Frame::Stderr(b"to stderr\n".to_vec())).unwrap();
            0
        }
        ["sh", "-c", script] => {
            conn.send(&Frame::Stdout(format!("$ {script}\n").into_bytes())).unwrap();
            0
        }
        ["cat"] => {
            while let Ok(Some(frame)) = conn.receive() {
                match frame {
                    Frame::Stdin(bytes) if bytes.is_empty() => break,
                    Frame::Stdin(bytes) => conn.send(&Frame::Stdout(bytes)).unwrap(),
                    _ => {}
                }
            }
            0
        }
        _ => 127,
    };
    conn.send(&Frame::Exit(status)).unwrap();
}

fn shown(lab: &Graph, name: &str) -> Result<Reply, ApiError> {
    let links: Vec<_> =
        lab.links.iter().filter(|link| link.a.node == name || link.b.node == name).cloned().collect();
    let node = lab.nodes.iter().find(|row| row.name == name).cloned();
    let switch = lab.switches.iter().find(|row| row.name == name).cloned();
    let link = lab.links.iter().find(|row| row.name == name).cloned();
    let shown = match (node, switch, link) {
        (Some(node), ..) => Shown::Node { node, links },
        (_, Some(switch), _) => Shown::Switch { switch, links },
        (.., Some(link)) => Shown::Link(link),
        _ => {
            return Err(ApiError::new(
                ErrorKind::NotFound,
                format!("There is nothing called {name} in lab shop."),
            )
            .hint("`netloom ls` lists what there is"));
        }
    };
    Ok(Reply::Shown(Box::new(shown)))
}

fn add(flows: &[String]) -> Result<Reply, ApiError> {
    let Some((n, bad)) = flows.iter().enumerate().find(|(_, flow)| flow.contains("tcp_dts")) else {
        return Ok(Reply::FlowsChanged(flows.len() as u64));
    };
    let start = bad.find("tcp_dts").unwrap();
    let place = Place { file: "flow".into(), line: 1, column: start as u32 + 1, start, end: start + 7 };
    let finding = Finding {
        message: "Unknown field `tcp_dts`".into(),
        hint: Some("did you mean `tcp_dst`?".into()),
        place,
    };
    Err(ApiError::new(ErrorKind::InvalidFile, format!("Flow {} is wrong; none was added.", n + 1))
        .findings(vec![finding]))
}

fn pings(pair: Option<(String, String)>, count: u32) -> Reply {
    let row = |from: &str, to: &str, received| PingRow {
        from: from.into(),
        to: to.into(),
        address: "10.0.0.1".into(),
        family: "ipv4".into(),
        sent: count,
        received,
        min_ms: (received > 0).then_some(0.1),
        avg_ms: (received > 0).then_some(0.2),
        max_ms: (received > 0).then_some(0.3),
        mdev_ms: (received > 0).then_some(0.0),
        reason: (received == 0).then(|| "tenant".into()),
    };
    let (rows, answered) = match pair {
        Some((a, b)) if b == "blue/h1" => (vec![row(&a, &b, 0)], 0),
        Some((a, b)) => (vec![row(&a, &b, count)], 1),
        None => (vec![], 1),
    };
    let received = u64::from(answered * count);
    Reply::Pings(PingReport {
        nodes: graph().nodes.into_iter().map(|node| node.name).collect(),
        pairs: 1,
        answered: answered.into(),
        sent: count.into(),
        received,
        ms: 4.0,
        rows,
    })
}

/// A state directory, and in it a lab `shop` that is up.
pub(crate) struct World {
    place: tempfile::TempDir,
    pub(crate) asked: Arc<Mutex<Vec<Ask>>>,
}

impl World {
    /// No lab.
    pub(crate) fn empty() -> Self {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("work")).unwrap();
        Self { place, asked: Arc::default() }
    }

    /// One lab.
    pub(crate) fn shop() -> Self {
        let world = Self::empty();
        let home = Homes::at(world.place.path().join("run")).home("shop").unwrap();
        home.create().unwrap();
        let listener = UnixListener::bind(home.socket()).unwrap();
        // Whose end `down` waits for.
        let daemon = Command::new("sleep").arg("600").spawn().unwrap();
        Identity::of(daemon.id()).unwrap().write(&home.pid_file()).unwrap();
        let engine = Arc::new(Fake { asked: world.asked.clone(), daemon: Mutex::new(daemon) });
        let killer = engine.clone();
        std::thread::spawn(move || {
            let server = Server { listener, home, group: false };
            server.serve(engine, || ()).unwrap();
            let _ = killer.daemon.lock().unwrap().wait();
        });
        world
    }

    /// Writes a file beside which the commands run.
    pub(crate) fn file(&self, name: &str, text: &str) {
        std::fs::write(self.work().join(name), text).unwrap();
    }

    pub(crate) fn work(&self) -> std::path::PathBuf {
        self.place.path().join("work")
    }

    /// The binary, in this world and no other.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netloom"));
        command
            .args(words(line))
            .current_dir(self.work())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("NETLOOM_RUN_DIR", self.place.path().join("run"))
            .env("XDG_STATE_HOME", self.place.path().join("state"))
            .env("COLUMNS", "100");
        command
    }

    /// A transcript of one command: what it printed and its exit code.
    pub(crate) fn run(&self, line: &str) -> String {
        self.run_with(line, "")
    }

    /// The same with text on standard input.
    pub(crate) fn run_with(&self, line: &str, input: &str) -> String {
        let mut child = self
            .command(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
        // Beside the reading of what comes back; a program that does not want it all is no failure.
        let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
        let out = child.wait_with_output().unwrap();
        writer.join().unwrap();
        let mut text = format!("$ netloom {line}\n");
        text.push_str(&self.plain(&out.stdout));
        for line in self.plain(&out.stderr).lines() {
            writeln!(text, "! {line}").unwrap();
        }
        match out.status.code() {
            Some(0) => {}
            code => writeln!(text, "[exit {}]", code.map_or("by a signal".into(), |code| code.to_string()))
                .unwrap(),
        }
        text
    }

    fn plain(&self, bytes: &[u8]) -> String {
        let place = self.place.path().to_string_lossy().into_owned();
        String::from_utf8_lossy(bytes).replace(&place, "/world")
    }

    /// Kills what is left of the lab, so that its directory is that of a dead one.
    pub(crate) fn pretend_dead(&self) {
        let home = Homes::at(self.place.path().join("run")).home("gone").unwrap();
        home.create().unwrap();
        let me = Identity::mine().unwrap();
        Identity { start: me.start + 1, ..me }.write(&home.pid_file()).unwrap();
    }

    pub(crate) fn is_empty(&self) -> bool {
        !Path::new(&self.place.path().join("run")).exists()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Ends the server and the process that stands for the daemon.
        let _ = self.command("down --all").stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

/// Words of a command line; double quotes hold words together.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![];
    for (n, part) in line.split('"').enumerate() {
        if n % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

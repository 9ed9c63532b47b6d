//! A real ovsdb-server and our own, asked the same.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use netloom_ovsdb::{Database, Now, Schema, Server, SessionId, SessionSettings, UuidSource};
use serde_json::{Value, json};

/// Whether Open vSwitch's database programs are here; says so aloud if not.
pub(crate) fn missing() -> bool {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let missing = !there("ovsdb-server") || !there("ovsdb-tool");
    if missing {
        eprintln!("SKIPPED: ovsdb-server or ovsdb-tool is not installed");
    }
    missing
}

/// A folder that goes away.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("netloom-ovsdb-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&path));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Runs ovsdb-tool; what it printed.
pub(crate) fn tool(args: &[&str]) -> String {
    let output = Command::new("ovsdb-tool").args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "ovsdb-tool {args:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "ovsdb-tool {args:?}");
    text(&output.stdout)
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Sessions with some server, asked one request at a time.
pub(crate) trait Peer {
    /// Sends a request; returns what every session then received, its reply included.
    fn ask(&mut self, session: usize, id: u64, method: &str, params: &Value) -> Vec<Vec<Value>>;
}

/// The real server.
pub(crate) struct Real {
    child: Child,
    streams: Vec<UnixStream>,
    messages: Vec<serde_json::StreamDeserializer<'static, serde_json::de::IoRead<UnixStream>, Value>>,
    _folder: Folder,
}

impl Real {
    pub(crate) fn start(name: &str, schema: &Value, sessions: usize) -> Self {
        let folder = Folder::new(name);
        let (db, socket, ctl) = (folder.file("db"), folder.file("sock"), folder.file("ctl"));
        std::fs::write(folder.file("schema"), schema.to_string()).unwrap();
        tool(&["create", path(&db), path(&folder.file("schema"))]);
        let child = Command::new("ovsdb-server")
            .arg(&db)
            .arg(format!("--remote=punix:{}", path(&socket)))
            .arg(format!("--unixctl={}", path(&ctl)))
            .args(["--no-chdir", "-vconsole:off"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let connect = || {
            for _ in 0..500 {
                match UnixStream::connect(&socket) {
                    Ok(stream) => return stream,
                    // It does not listen yet, and says nothing when it does.
                    Err(_) => std::thread::sleep(Duration::from_millis(10)),
                }
            }
            panic!("ovsdb-server does not listen");
        };
        let streams: Vec<UnixStream> = (0..sessions).map(|_| connect()).collect();
        let reader = |stream: &UnixStream| {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            serde_json::Deserializer::from_reader(stream.try_clone().unwrap()).into_iter::<Value>()
        };
        let messages = streams.iter().map(reader).collect();
        Self { child, streams, messages, _folder: folder }
    }

    fn send(&mut self, session: usize, id: &Value, method: &str, params: &Value) {
        let request = json!({"id": id, "method": method, "params": params});
        self.streams[session].write_all(request.to_string().as_bytes()).unwrap();
    }

    fn until(&mut self, session: usize, id: &Value) -> Vec<Value> {
        let mut received = Vec::new();
        loop {
            let message = self.messages[session].next().unwrap().unwrap();
            let last = message["id"] == *id && message.get("method").is_none();
            received.push(message);
            if last {
                return received;
            }
        }
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Peer for Real {
    fn ask(&mut self, session: usize, id: u64, method: &str, params: &Value) -> Vec<Vec<Value>> {
        self.send(session, &json!(id), method, params);
        let mut received: Vec<Vec<Value>> = vec![Vec::new(); self.streams.len()];
        received[session] = self.until(session, &json!(id));
        for (other, received) in received.iter_mut().enumerate() {
            self.send(other, &json!("sync"), "echo", &json!([]));
            let mut more = self.until(other, &json!("sync"));
            more.pop();
            received.extend(more);
        }
        received
    }
}

/// Our server.
pub(crate) struct Ours {
    server: Server,
    sessions: Vec<SessionId>,
}

impl Ours {
    pub(crate) fn start(schema: &Value, sessions: usize) -> Self {
        let now = Now::default();
        let mut server = Server::new(UuidSource::new([11, 12]));
        server.add_database(now, Database::new(Schema::from_json(schema).unwrap()), true);
        let sessions = (0..sessions).map(|_| server.connect(now, SessionSettings::default())).collect();
        Self { server, sessions }
    }
}

impl Peer for Ours {
    fn ask(&mut self, session: usize, id: u64, method: &str, params: &Value) -> Vec<Vec<Value>> {
        let request = json!({"id": id, "method": method, "params": params});
        self.server.handle_bytes(Now::default(), self.sessions[session], request.to_string().as_bytes());
        while self.server.poll_write().is_some() {}
        let sessions = self.sessions.clone();
        let take = |&id: &SessionId| {
            assert_eq!(self.server.closed(id), None);
            let output = self.server.output(id).to_vec();
            self.server.sent(Now::default(), id, output.len());
            serde_json::Deserializer::from_slice(&output).into_iter().map(Result::unwrap).collect()
        };
        sessions.iter().map(take).collect()
    }
}

/// The UUIDs of one side, by the order in which inserts made them.
#[derive(Default)]
pub(crate) struct Names {
    names: BTreeMap<String, String>,
    pub(crate) uuids: Vec<String>,
}

impl Names {
    /// Learns the rows that a transaction inserted.
    pub(crate) fn learn(&mut self, result: &Value) {
        for uuid in result.as_array().into_iter().flatten().filter_map(|one| one["uuid"][1].as_str()) {
            self.names.insert(uuid.to_owned(), format!("<row {}>", self.uuids.len()));
            self.uuids.push(uuid.to_owned());
        }
    }

    /// Replaces UUIDs in a text by names.
    fn text(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = (0..rest.len().saturating_sub(35))
            .find(|&at| rest.get(at..at + 36).is_some_and(|part| part.parse::<netloom_ovsdb::Uuid>().is_ok()))
        {
            out.push_str(&rest[..at]);
            let uuid = &rest[at..at + 36];
            out.push_str(self.names.get(uuid).map_or("<uuid>", String::as_str));
            rest = &rest[at + 36..];
        }
        out + rest
    }

    /// A message whose UUIDs are names, and in which what has no order has one.
    pub(crate) fn normalise(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => {
                let mut items: Vec<Value> = items.iter().map(|item| self.normalise(item)).collect();
                if let [Value::String(tag), Value::Array(inner)] = &mut items[..]
                    && matches!(tag.as_str(), "set" | "map")
                {
                    inner.sort_by_key(Value::to_string);
                }
                Value::Array(items)
            }
            Value::Object(object) => {
                let member = |(key, value): (&String, &Value)| {
                    let mut value = self.normalise(value);
                    if key == "rows"
                        && let Value::Array(rows) = &mut value
                    {
                        rows.sort_by_key(Value::to_string);
                    }
                    match self.text(key) {
                        // Two rows without a name are told apart by what is in them.
                        unknown if unknown == "<uuid>" => (format!("<uuid> {value}"), value),
                        key => (key, value),
                    }
                };
                object.iter().map(member).collect()
            }
            // The real one writes 15 digits, we as many as it takes to read the same number back.
            Value::Number(number) if number.is_f64() => {
                json!(format!("{:.14e}", number.as_f64().unwrap()).parse::<f64>().unwrap())
            }
            other => other.clone(),
        }
    }
}

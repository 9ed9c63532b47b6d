//! QEMU's control protocol, as a state machine: bytes in, what was said out.
//!
//! Every message is a line of JSON. QEMU greets; after `qmp_capabilities` commands can be sent, each with an `id` that its
//! answer carries; events come at any time.
//!
//! Source: QEMU, `docs/interop/qmp-spec`.

use serde_json::{Map, Value, json};

/// The longest line that is read, in bytes.
pub const MAX_LINE: usize = 1 << 20;

/// What QEMU said.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Commands are taken; its version.
    Ready(String),
    /// The command with this number was done.
    Done(u64, Value),
    /// The command with this number was not done, and why.
    Refused(u64, String),
    /// Something happened in the machine.
    Event(String, Value),
}

/// The other side does not speak the protocol; nothing after it can be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum QmpError {
    /// Longer than [`MAX_LINE`].
    #[error("A line of more than {MAX_LINE} bytes")]
    TooLong,
    /// Not a JSON object.
    #[error("A line that is no JSON object")]
    NoObject,
    /// The first line is no greeting.
    #[error("The first line is no greeting")]
    NoGreeting,
}

/// A session.
#[derive(Debug, Default)]
pub struct Qmp {
    line: Vec<u8>,
    phase: Phase,
    next: u64,
    /// Commands that wait until the session is ready.
    waiting: Vec<u8>,
    out: Vec<u8>,
    bad: Option<QmpError>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
enum Phase {
    #[default]
    Greeting,
    /// The capabilities are being agreed on; QEMU's version.
    Agreeing(String),
    Ready,
}

/// The number of `qmp_capabilities`; ours begin above.
const AGREE: u64 = 0;

impl Qmp {
    /// Takes what was read in any pieces; `each` gets what was said, in order.
    ///
    /// # Errors
    /// [`QmpError`], now and ever after.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Said)) -> Result<(), QmpError> {
        if let Some(bad) = self.bad {
            return Err(bad);
        }
        let done = self.lines(bytes, &mut each);
        self.bad = done.err();
        done
    }

    fn lines(&mut self, bytes: &[u8], each: &mut dyn FnMut(Said)) -> Result<(), QmpError> {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + part.len() > MAX_LINE {
                return Err(QmpError::TooLong);
            }
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                if !line.trim_ascii().is_empty() {
                    self.handle(&line, each)?;
                }
            }
        }
        Ok(())
    }

    /// Asks for a command; its answer carries the number that is returned. It is sent once the session is ready.
    pub fn command(&mut self, name: &str, arguments: Value) -> u64 {
        self.next += 1;
        let mut message = json!({ "execute": name, "id": self.next });
        if let (Some(message), false) = (message.as_object_mut(), arguments.is_null()) {
            message.insert("arguments".to_owned(), arguments);
        }
        let to = if self.phase == Phase::Ready { &mut self.out } else { &mut self.waiting };
        to.extend_from_slice(format!("{message}\n").as_bytes());
        self.next
    }

    /// What is to be sent; the caller takes away what it has sent.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn handle(&mut self, line: &[u8], each: &mut dyn FnMut(Said)) -> Result<(), QmpError> {
        let Ok(Value::Object(message)) = serde_json::from_slice(line) else { return Err(QmpError::NoObject) };
        match &self.phase {
            Phase::Greeting => {
                let greeting = message.get("QMP").ok_or(QmpError::NoGreeting)?;
                self.phase = Phase::Agreeing(version(greeting));
                let agree = json!({ "execute": "qmp_capabilities", "id": AGREE });
                self.out.extend_from_slice(format!("{agree}\n").as_bytes());
            }
            Phase::Agreeing(version) if id(&message) == Some(AGREE) => {
                each(Said::Ready(version.clone()));
                self.phase = Phase::Ready;
                self.out.append(&mut self.waiting);
            }
            Phase::Agreeing(_) | Phase::Ready => {
                if let Some(said) = said(message) {
                    each(said);
                }
            }
        }
        Ok(())
    }
}

/// An answer or an event; what is neither is for later versions.
fn said(mut message: Map<String, Value>) -> Option<Said> {
    if let Some(Value::String(event)) = message.remove("event") {
        return Some(Said::Event(event, message.remove("data").unwrap_or(Value::Null)));
    }
    let id = id(&message)?;
    if let Some(error) = message.get("error") {
        let why = error.get("desc").and_then(Value::as_str).unwrap_or("it says not why");
        return Some(Said::Refused(id, why.to_owned()));
    }
    message.remove("return").map(|value| Said::Done(id, value))
}

fn id(message: &Map<String, Value>) -> Option<u64> {
    message.get("id").and_then(Value::as_u64)
}

/// `7.2.22`
fn version(greeting: &Value) -> String {
    let part = |name: &str| greeting["version"]["qemu"][name].as_u64().unwrap_or(0);
    format!("{}.{}.{}", part("major"), part("minor"), part("micro"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREETING: &str = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n";

    fn all(qmp: &mut Qmp, text: &str) -> Vec<Said> {
        let mut said = Vec::new();
        qmp.push(text.as_bytes(), |one| said.push(one)).unwrap();
        said
    }

    fn sent(qmp: &mut Qmp) -> String {
        String::from_utf8(std::mem::take(qmp.output())).unwrap()
    }

    fn ready() -> Qmp {
        let mut qmp = Qmp::default();
        assert!(all(&mut qmp, GREETING).is_empty());
        sent(&mut qmp);
        assert_eq!(all(&mut qmp, "{\"return\": {}, \"id\": 0}\r\n"), [Said::Ready("7.2.22".to_owned())]);
        qmp
    }

    #[test]
    fn commands_wait_for_the_capabilities() {
        let mut qmp = Qmp::default();
        assert_eq!(qmp.command("stop", Value::Null), 1);
        assert_eq!(sent(&mut qmp), "");
        all(&mut qmp, GREETING);
        assert_eq!(sent(&mut qmp), "{\"execute\":\"qmp_capabilities\",\"id\":0}\n");
        all(&mut qmp, "{\"return\": {}, \"id\": 0}\n");
        assert_eq!(sent(&mut qmp), "{\"execute\":\"stop\",\"id\":1}\n");
        qmp.command("human-monitor-command", json!({ "command-line": "info" }));
        assert!(sent(&mut qmp).contains("\"arguments\":{\"command-line\":\"info\"}"));
    }

    #[test]
    fn answers_and_events_are_told_apart() {
        let mut qmp = ready();
        let text = "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\n{\"return\": 7, \"id\": 3}\n\
            {\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": 4}\n{\"later\": 1}\n";
        let expected = [
            Said::Event("SHUTDOWN".to_owned(), json!({ "guest": true })),
            Said::Done(3, json!(7)),
            Said::Refused(4, "no".to_owned()),
        ];
        // Whatever the pieces.
        for size in [1, 7, 1000] {
            let mut said = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                qmp.push(piece, |one| said.push(one)).unwrap();
            }
            assert_eq!(said, expected, "{size}");
        }
    }

    #[test]
    fn who_does_not_speak_it_is_not_listened_to_again() {
        for (text, error) in [
            ("hello\n", QmpError::NoObject),
            ("[1]\n", QmpError::NoObject),
            ("{\"return\": {}}\n", QmpError::NoGreeting),
        ] {
            let mut qmp = Qmp::default();
            assert_eq!(qmp.push(text.as_bytes(), |_| ()), Err(error), "{text}");
            assert_eq!(qmp.push(GREETING.as_bytes(), |_| ()), Err(error));
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let mut qmp = ready();
        let piece = vec![b'x'; 64 << 10];
        let end = (0..100).map(|_| qmp.push(&piece, |_| ())).find(Result::is_err);
        assert_eq!(end, Some(Err(QmpError::TooLong)));
        assert!(qmp.line.len() <= MAX_LINE);
    }
}

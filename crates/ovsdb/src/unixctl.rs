//! The control connection of Open vSwitch's daemons: JSON-RPC 1.0 whose method is a command and whose parameters are
//! its words. `ovs-appctl` is the client.
//!
//! ```text
//! {"id":0,"method":"fdb/show","params":["br0"]}
//! {"id":0,"result":"text, printed as it is","error":null}     or "result":null,"error":"why not"
//! ```
//!
//! Source: ovs-appctl(8); what it says to wrong requests is Open vSwitch's `lib/unixctl.c`, as seen on its socket.

use serde_json::Value;

use crate::json::{Limits, MessageReader, StreamError, text};
use crate::rpc::{self, Message};

/// A request: a command with its words.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    id: Value,
    /// The command, such as `fdb/show`.
    pub command: String,
    /// What follows it.
    pub words: Vec<String>,
}

/// A control connection, seen from the daemon.
#[derive(Debug)]
pub struct Session {
    reader: MessageReader,
    out: Vec<u8>,
}

impl Default for Session {
    /// Requests of at most 1 MiB: words of a command line.
    fn default() -> Self {
        let limits = Limits { message_bytes: 1 << 20, ..Limits::default() };
        Self { reader: MessageReader::new(limits), out: Vec::new() }
    }
}

impl Session {
    /// Takes what the client sent.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.reader.push(bytes);
    }

    /// The next request that is complete. One with a word that is no text is answered at once.
    ///
    /// # Errors
    /// What makes the stream worthless: the connection is to be closed.
    pub fn next_request(&mut self) -> Result<Option<Request>, StreamError> {
        while let Some(message) = self.reader.next(Message::read)? {
            let Message::Request { id, method, params } = message else {
                return Err(StreamError::NotRpc("a control connection takes requests only".to_owned()));
            };
            let words = params.as_array().into_iter().flatten();
            let words: Option<Vec<String>> = words.map(|word| word.as_str().map(str::to_owned)).collect();
            match words {
                Some(words) => return Ok(Some(Request { id, command: method, words })),
                None => self.write(&id, &Err(format!("\"{method}\" command has non-string argument"))),
            }
        }
        Ok(None)
    }

    /// Answers a request: with text to be printed, or why it cannot be.
    pub fn reply(&mut self, request: &Request, answer: &Result<String, String>) {
        self.write(&request.id, answer);
    }

    /// What is to be sent.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    fn write(&mut self, id: &Value, answer: &Result<String, String>) {
        let mut line = answer.as_ref().unwrap_or_else(|error| error).clone();
        // It is printed as it is.
        if !line.is_empty() && !line.ends_with('\n') {
            line.push('\n');
        }
        let mut quoted = String::new();
        text::string(&mut quoted, &line);
        let message = if answer.is_ok() { rpc::reply(id, &quoted) } else { rpc::error(id, &quoted) };
        self.out.extend_from_slice(message.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_comes_with_its_words_and_is_answered_with_text() {
        let mut session = Session::default();
        let bytes =
            br#"{"id":7,"method":"fdb/show","params":["br0"]}{"id":8,"method":"version","params":[]}"#;
        // However the bytes come in.
        let (front, back) = bytes.split_at(20);
        session.receive(front);
        assert_eq!(session.next_request().unwrap(), None);
        session.receive(back);
        let first = session.next_request().unwrap().unwrap();
        assert_eq!((first.command.as_str(), &first.words[..]), ("fdb/show", &["br0".to_owned()][..]));
        session.reply(&first, &Ok("a\n\"b\"\n".to_owned()));
        let second = session.next_request().unwrap().unwrap();
        session.reply(&second, &Err("no".to_owned()));
        let said = String::from_utf8(session.take_output()).unwrap();
        assert_eq!(
            said,
            r#"{"id":7,"result":"a\n\"b\"\n","error":null}{"id":8,"result":null,"error":"no\n"}"#
        );
        assert!(session.take_output().is_empty());
    }

    #[test]
    fn words_that_are_no_text_are_refused_and_nonsense_ends_the_connection() {
        let mut session = Session::default();
        session.receive(br#"{"id":1,"method":"exit","params":[5]}"#);
        assert_eq!(session.next_request(), Ok(None));
        let said = String::from_utf8(session.take_output()).unwrap();
        assert!(said.contains(r#""error":"\"exit\" command has non-string argument\n""#), "{said}");
        for wrong in [&b"GET / HTTP/1.1"[..], br#"{"id":null,"method":"exit","params":[]}"#, b"{}"] {
            let mut session = Session::default();
            session.receive(wrong);
            assert!(session.next_request().is_err(), "{wrong:?}");
        }
    }
}

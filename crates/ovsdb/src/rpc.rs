//! JSON-RPC 1.0 messages.
//!
//! Source: RFC 7047 §4; what makes a message invalid is Open vSwitch's judgement.

use serde_json::Value;

use crate::json::{StreamError, text};

/// A request or notification, as nearly all messages are: these members, once each, and no other. It is read without an
/// object of them.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    id: Value,
    method: String,
    #[serde(deserialize_with = "array")]
    params: Value,
}

fn array<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    serde::Deserialize::deserialize(deserializer).map(Value::Array)
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    Notification {
        method: String,
        params: Value,
    },
    /// The result, or the error.
    Reply {
        id: Value,
        result: Result<Value, Value>,
    },
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// What makes it none; the peer is not to be trusted with more.
    pub(crate) fn read(text: &[u8]) -> Result<Self, StreamError> {
        let plain = std::str::from_utf8(text).ok().and_then(|text| serde_json::from_str(text).ok());
        match plain {
            Some(Plain { id: Value::Null, method, params }) => Ok(Self::Notification { method, params }),
            Some(Plain { id, method, params }) => Ok(Self::Request { id, method, params }),
            None => {
                let json = serde_json::from_slice(text).map_err(|e| StreamError::NotJson(e.to_string()))?;
                Self::from_json(json).map_err(StreamError::NotRpc)
            }
        }
    }

    fn from_json(json: Value) -> Result<Self, String> {
        let Value::Object(mut object) = json else { return Err("message is not a JSON object".to_owned()) };
        let mut take = |name: &str| object.remove(name).filter(|value| !value.is_null());
        let (method, params) = (take("method"), take("params"));
        let (result, error, id) = (take("result"), take("error"), take("id"));
        if let Some(other) = object.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
            return Err(format!("message has unexpected member \"{other}\""));
        }
        if params.as_ref().is_some_and(|params| !params.is_array()) {
            return Err("\"params\" must be JSON array".to_owned());
        }
        let method = match method {
            None => None,
            Some(Value::String(method)) => Some(method),
            Some(_) => return Err("method is not a JSON string".to_owned()),
        };
        match (method, params, result, error, id) {
            (Some(method), Some(params), None, None, Some(id)) => Ok(Self::Request { id, method, params }),
            (Some(method), Some(params), None, None, None) => Ok(Self::Notification { method, params }),
            (None, None, Some(result), None, Some(id)) => Ok(Self::Reply { id, result: Ok(result) }),
            (None, None, None, Some(error), Some(id)) => Ok(Self::Reply { id, result: Err(error) }),
            _ => Err("message has members that do not go together".to_owned()),
        }
    }
}

const MEMBERS: [&str; 5] = ["method", "params", "result", "error", "id"];

/// The reply with `result`, which is JSON text.
pub(crate) fn reply(id: &Value, result: &str) -> String {
    pieces(id, &[",\"result\":", result, ",\"error\":null}"])
}

/// The reply with `error`, which is JSON text.
pub(crate) fn error(id: &Value, error: &str) -> String {
    pieces(id, &[",\"result\":null,\"error\":", error, "}"])
}

/// A request, or with `id` null a notification. `params` is the text of an array.
pub(crate) fn request(id: &Value, method: &str, params: &str) -> String {
    pieces(id, &[",\"method\":\"", method, "\",\"params\":", params, "}"])
}

fn pieces(id: &Value, rest: &[&str]) -> String {
    let length: usize = rest.iter().map(|piece| piece.len()).sum();
    let mut out = String::with_capacity(length + 32);
    out.push_str("{\"id\":");
    text::value(&mut out, id);
    rest.iter().for_each(|piece| out.push_str(piece));
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_is_known_by_its_members() {
        let read = |json: Value| Message::from_json(json);
        let request = json!({"id": 1, "method": "echo", "params": []});
        assert!(matches!(read(request), Ok(Message::Request { .. })));
        let notification = json!({"id": null, "method": "cancel", "params": [1]});
        assert!(matches!(read(notification), Ok(Message::Notification { .. })));
        let reply = json!({"id": 1, "result": {}, "error": null});
        assert!(matches!(read(reply), Ok(Message::Reply { result: Ok(_), .. })));
        let error = json!({"id": 1, "result": null, "error": "no"});
        assert!(matches!(read(error), Ok(Message::Reply { result: Err(_), .. })));
        for wrong in [
            json!({"id": 1, "method": "echo"}),
            json!({"id": 1, "method": 5, "params": []}),
            json!({"id": 1, "method": "echo", "params": {}}),
            json!({"id": 1, "method": "echo", "params": [], "x": 1}),
            json!({"result": {}}),
            json!({}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}

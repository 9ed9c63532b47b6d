//! Challenges and tokens.

use serde::Deserialize;

/// What a registry asks for with status 401.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from elsewhere.
    Bearer { realm: String, service: Option<String>, scope: Option<String> },
}

/// A token server's answer.
#[derive(Debug, Deserialize)]
pub(super) struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Token {
    pub(super) fn parse(text: &[u8]) -> Option<String> {
        let token: Self = serde_json::from_slice(text).ok()?;
        // What goes into a header must be one.
        let good = |token: &String| !token.is_empty() && token.bytes().all(|c| c.is_ascii_graphic());
        token.token.or(token.access_token).filter(good)
    }
}

impl Challenge {
    /// Reads the value of `WWW-Authenticate`: RFC 9110 §11.6.1, one challenge.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        for (key, value) in parameters(rest) {
            match key.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                _ => {}
            }
        }
        Some(Self::Bearer { realm: realm?, service, scope })
    }
}

/// `key="value",key=value`; a comma in quotes belongs to the value.
fn parameters(mut text: &str) -> Vec<(&str, String)> {
    let mut out = Vec::new();
    while let Some((key, rest)) = text.split_once('=') {
        let key = key.trim_matches([' ', ',']);
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => unquote(quoted),
            None => {
                let (value, rest) = rest.split_once(',').unwrap_or((rest, ""));
                (value.trim().to_owned(), rest)
            }
        };
        out.push((key, value));
        text = rest;
    }
    out
}

fn unquote(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, text.get(at + 1..).unwrap_or_default()),
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let text = r#"Bearer realm="https://auth.example/token",service="registry.example", scope="repository:a/b:pull,push""#;
        let wanted = Challenge::Bearer {
            realm: "https://auth.example/token".into(),
            service: Some("registry.example".into()),
            scope: Some("repository:a/b:pull,push".into()),
        };
        assert_eq!(Challenge::parse(text), Some(wanted));
        assert_eq!(Challenge::parse("Basic realm=\"x\""), Some(Challenge::Basic));
        let bare = Challenge::Bearer { realm: "a\"b".into(), service: Some("x".into()), scope: None };
        assert_eq!(Challenge::parse(r#"bearer service=x , realm="a\"b"#), Some(bare));
        for bad in ["", "Bearer", "Bearer scope=x", "Negotiate abc", "Bearer realm"] {
            assert_eq!(Challenge::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn tokens_are_one_word() {
        assert_eq!(Token::parse(br#"{"token":"abc"}"#).as_deref(), Some("abc"));
        assert_eq!(Token::parse(br#"{"access_token":"abc"}"#).as_deref(), Some("abc"));
        assert_eq!(Token::parse(br#"{"token":"a\r\nX: y"}"#), None);
        assert_eq!(Token::parse(b"{}"), None);
    }
}

//! Requests to one registry: with its token, through its redirects.

use std::io::Read;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use super::auth::{Challenge, Token};
use super::credentials::{Login, TOKEN};
use super::http::{Lost, agent, follow, is_loopback};
use super::{PullError, pull::Pull};
use crate::document::Manifest;
use crate::reference::Remote;

/// Speaks to the registry of one repository.
pub(super) struct Client {
    agent: Agent,
    /// As users write it.
    pub(super) registry: String,
    base: String,
    repository: String,
    login: Option<Login>,
    /// The value of `Authorization`.
    authorization: Mutex<Option<String>>,
}

/// Answers are read no further than this where they are not blobs.
const SHORT: u64 = 1 << 20;

impl Client {
    pub(super) fn new(remote: &Remote, options: &Pull<'_>) -> Result<Self, PullError> {
        let is_here = is_loopback(&remote.registry);
        let plain = options.plain_http || is_here && options.authorities.is_empty();
        let host = if remote.registry == "docker.io" { "registry-1.docker.io" } else { &remote.registry };
        let authorities = (!plain).then_some(options.authorities.as_slice());
        Ok(Self {
            agent: agent(is_here, authorities, options.patience)?,
            registry: remote.registry.clone(),
            base: format!("{}://{host}", if plain { "http" } else { "https" }),
            repository: remote.repository.clone(),
            login: options.credentials.of(&remote.registry)?,
            authorization: Mutex::new(None),
        })
    }

    /// A manifest by its tag or digest, read up to `most` bytes.
    pub(super) fn manifest(&self, name: &str, most: u64) -> Result<(Vec<u8>, Option<String>), PullError> {
        let what = format!("{}:{name}", self.repository);
        let response = self.get(&format!("manifests/{name}"), &Manifest::ACCEPT.join(", "), None, &what)?;
        let digest = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
        let digest = digest.map(str::to_owned);
        Ok((self.short(response, most)?, digest))
    }

    /// A blob, from its byte `from` on if that is not 0; status 206 says that it is so.
    pub(super) fn blob(&self, digest: &str, from: u64) -> Result<Response<Body>, PullError> {
        let what = format!("the blob {digest} of {}", self.repository);
        self.get(&format!("blobs/{digest}"), "*/*", (from > 0).then_some(from), &what)
    }

    /// What an answer has to say, bounded.
    pub(super) fn short(&self, response: Response<Body>, most: u64) -> Result<Vec<u8>, PullError> {
        let mut bytes = Vec::new();
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        match body.take(most).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(self.unreachable(ureq::Error::Io(error))),
        }
    }

    fn get(
        &self,
        path: &str,
        accept: &str,
        from: Option<u64>,
        what: &str,
    ) -> Result<Response<Body>, PullError> {
        let url = format!("{}/v2/{}/{path}", self.base, self.repository);
        let before = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let response = self.follow(&url, accept, from, before.as_deref())?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.judge(response, what);
        }
        // None yet, or it has run out.
        let authorization = self.authorize(&response, what)?;
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization.clone());
        let response = self.follow(&url, accept, from, Some(&authorization))?;
        self.judge(response, what)
    }

    fn judge(&self, response: Response<Body>, what: &str) -> Result<Response<Body>, PullError> {
        let (registry, what) = (self.registry.clone(), what.to_owned());
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(response),
            StatusCode::NOT_FOUND => Err(PullError::Missing { registry, what }),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(PullError::Denied { registry, what, had: self.login.is_some() })
            }
            status => {
                let said = said(&self.short(response, SHORT).unwrap_or_default());
                Err(PullError::Status { registry, status: status.as_u16(), what, said })
            }
        }
    }

    /// Follows redirects. The authorization stays with the registry: storage servers refuse it, and thieves would not.
    fn follow(
        &self,
        url: &str,
        accept: &str,
        from: Option<u64>,
        authorization: Option<&str>,
    ) -> Result<Response<Body>, PullError> {
        let ask = |url: &str| {
            let mut headers = vec![(header::ACCEPT, accept.to_owned())];
            let authorization = authorization.filter(|_| self.is_own(url));
            headers.extend(authorization.map(|text| (header::AUTHORIZATION, text.to_owned())));
            headers.extend(from.map(|from| (header::RANGE, format!("bytes={from}-"))));
            headers
        };
        follow(&self.agent, url, ask).map_err(|lost| match lost {
            Lost::Reach(error) => self.unreachable(error),
            Lost::Redirect(reason) => PullError::Redirect { registry: self.registry.clone(), reason },
        })
    }

    /// Whether `url` is the registry itself.
    fn is_own(&self, url: &str) -> bool {
        url.strip_prefix(&self.base).is_some_and(|rest| rest.starts_with('/'))
    }

    fn authorize(&self, response: &Response<Body>, what: &str) -> Result<String, PullError> {
        let said = response.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        let unknown = || PullError::Challenge {
            registry: self.registry.clone(),
            challenge: said.unwrap_or_default().chars().take(200).collect(),
        };
        let denied = || PullError::Denied {
            registry: self.registry.clone(),
            what: what.to_owned(),
            had: self.login.is_some(),
        };
        match said.and_then(Challenge::parse).ok_or_else(unknown)? {
            Challenge::Basic => self.login.as_ref().map(basic).ok_or_else(denied),
            Challenge::Bearer { realm, service, scope } => {
                // A token is as good as a password: it travels as safely as the image.
                let safe = realm.starts_with("https://")
                    || self.base.starts_with("http://") && realm.starts_with("http://");
                if !safe {
                    return Err(unknown());
                }
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", self.repository));
                let token = self.token(&realm, service.as_deref(), &scope)?;
                token.map(|token| format!("Bearer {token}")).ok_or_else(denied)
            }
        }
    }

    fn token(&self, realm: &str, service: Option<&str>, scope: &str) -> Result<Option<String>, PullError> {
        let service = service.unwrap_or_default();
        let answer = match &self.login {
            Some(login) if login.user == TOKEN => self.agent.post(realm).send_form([
                ("grant_type", "refresh_token"),
                ("refresh_token", login.secret.as_str()),
                ("service", service),
                ("scope", scope),
                ("client_id", "netloom"),
            ]),
            login => {
                let mut request = self.agent.get(realm).query("service", service).query("scope", scope);
                if let Some(login) = login {
                    request = request.header(header::AUTHORIZATION, basic(login));
                }
                request.call()
            }
        };
        let response = answer.map_err(|error| self.unreachable(error))?;
        if response.status() != StatusCode::OK {
            return Ok(None);
        }
        Ok(Token::parse(&self.short(response, SHORT)?))
    }

    pub(super) fn unreachable(&self, error: ureq::Error) -> PullError {
        PullError::Reach { registry: self.registry.clone(), source: Box::new(error) }
    }
}

fn basic(login: &Login) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", login.user, login.secret)))
}

/// The first error in a registry's words, cut to what fits a line.
fn said(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        message: String,
    }
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let message = errors.errors.into_iter().next()?.message;
    let clean: String = message.chars().filter(|c| !c.is_control()).take(200).collect();
    (!clean.is_empty()).then_some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_registry_fit_a_line() {
        let text = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow\u001b[31m down\n"}]}"#;
        assert_eq!(said(text).as_deref(), Some("slow[31m down"));
        assert_eq!(said(b"<html>"), None);
    }
}

//! Requests to one registry: with its token, through its redirects.

use std::io::Read;
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use ureq::http::{Response, StatusCode, Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::auth::{Challenge, Token};
use super::credentials::{Login, TOKEN};
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
const REDIRECTS: usize = 5;

impl Client {
    pub(super) fn new(remote: &Remote, options: &Pull<'_>) -> Result<Self, PullError> {
        let is_here = is_loopback(&remote.registry);
        let plain = options.plain_http || is_here && options.authorities.is_empty();
        let host = if remote.registry == "docker.io" { "registry-1.docker.io" } else { &remote.registry };
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("netloom/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(Duration::from_secs(20)))
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(options.patience))
            .timeout_per_read(Some(options.patience));
        if is_here {
            config = config.proxy(None);
        }
        if !plain {
            config = config.tls_config(tls(&options.authorities)?);
        }
        Ok(Self {
            agent: config.build().new_agent(),
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
        let redirect = |reason| PullError::Redirect { registry: self.registry.clone(), reason };
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let mut request = self.agent.get(&url).header(header::ACCEPT, accept);
            if let Some(authorization) = authorization.filter(|_| self.is_own(&url)) {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            if let Some(from) = from {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let response = request.call().map_err(|error| self.unreachable(error))?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let next = location.and_then(|to| join(&url, to)).ok_or_else(|| redirect("to nowhere"))?;
            if url.starts_with("https://") && !next.starts_with("https://") {
                return Err(redirect("from HTTPS to plain HTTP"));
            }
            url = next;
        }
        Err(redirect("in circles"))
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

/// Where a redirect from `url` to `location` leads: another address, or another path at the same one.
fn join(url: &str, location: &str) -> Option<String> {
    if location.starts_with("https://") || location.starts_with("http://") {
        return Some(location.to_owned());
    }
    let uri: Uri = url.parse().ok()?;
    let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    location.starts_with('/').then(|| format!("{origin}{location}"))
}

/// Whether a registry is on this machine, where nobody listens in.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => registry.split(':').next().unwrap_or_default(),
    };
    host == "localhost"
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

/// TLS with the authorities this machine trusts, a company's own among them, and those of the files `own`.
fn tls(own: &[PathBuf]) -> Result<TlsConfig, PullError> {
    let machine = AUTHORITIES.iter().find_map(|file| {
        let found = certificates(&std::fs::read(file).ok()?);
        (!found.is_empty()).then_some(found)
    });
    let mut authorities = machine.unwrap_or_default();
    for file in own {
        let failed = |source| PullError::Authority { file: file.clone(), source };
        let found = certificates(&std::fs::read(file).map_err(failed)?);
        if found.is_empty() {
            return Err(failed(std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                "no certificate is in it",
            )));
        }
        authorities.extend(found);
    }
    if authorities.is_empty() {
        return Err(PullError::NoAuthorities);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(authorities)))
        .unversioned_rustls_crypto_provider(provider)
        .build())
}

/// All certificates in a text in PEM.
fn certificates(text: &[u8]) -> Vec<Certificate<'static>> {
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    };
    parse_pem(text).filter_map(certificate).collect()
}

/// Where distributions keep them: Debian, Ubuntu, Arch and Alpine; Fedora and its kin; openSUSE.
const AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_only() {
        for here in ["localhost", "localhost:5000", "127.0.0.1:5000", "127.9.9.9", "[::1]:5000"] {
            assert!(is_loopback(here), "{here}");
        }
        for away in ["quay.io", "localhost.evil.io:5000", "10.0.0.1", "[2001:db8::1]:5000"] {
            assert!(!is_loopback(away), "{away}");
        }
    }

    #[test]
    fn redirects_are_joined() {
        assert_eq!(join("https://a/v2/x", "/y?z=1").as_deref(), Some("https://a/y?z=1"));
        assert_eq!(join("https://a/v2/x", "https://b/y").as_deref(), Some("https://b/y"));
        assert_eq!([join("https://a/x", "ftp://b"), join("https://a/x", "y")], [None, None]);
    }

    #[test]
    fn words_of_a_registry_fit_a_line() {
        let text = br#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow\u001b[31m down\n"}]}"#;
        assert_eq!(said(text).as_deref(), Some("slow[31m down"));
        assert_eq!(said(b"<html>"), None);
    }
}

//! HTTP for whoever fetches: how long is waited, whom TLS trusts, and where redirects may lead.

use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::{HeaderName, Response, Uri, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use super::PullError;

const REDIRECTS: usize = 5;

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Lost {
    /// Nobody there, or nobody who speaks HTTP.
    Reach(ureq::Error),
    /// Redirected so.
    Redirect(&'static str),
}

/// Who asks. `is_here`: this machine, without a proxy in between. `authorities`: HTTPS, with these trusted, too.
pub(crate) fn agent(
    is_here: bool,
    authorities: Option<&[PathBuf]>,
    patience: Duration,
) -> Result<Agent, PullError> {
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("netloom/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(Duration::from_secs(20)))
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(patience))
        .timeout_per_read(Some(patience));
    if is_here {
        config = config.proxy(None);
    }
    if let Some(authorities) = authorities {
        config = config.tls_config(tls(authorities)?);
    }
    Ok(config.build().new_agent())
}

/// Asks for `url`, with the headers that `ask` has for each address on the way, and follows redirects.
pub(crate) fn follow(
    agent: &Agent,
    url: &str,
    ask: impl Fn(&str) -> Vec<(HeaderName, String)>,
) -> Result<Response<Body>, Lost> {
    let mut url = url.to_owned();
    for _ in 0..=REDIRECTS {
        let request = ask(&url).into_iter().fold(agent.get(&url), |it, (name, value)| it.header(name, value));
        let response = request.call().map_err(Lost::Reach)?;
        if !response.status().is_redirection() {
            return Ok(response);
        }
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|to| join(&url, to)).ok_or(Lost::Redirect("to nowhere"))?;
        if url.starts_with("https://") && !next.starts_with("https://") {
            return Err(Lost::Redirect("from HTTPS to plain HTTP"));
        }
        url = next;
    }
    Err(Lost::Redirect("in circles"))
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

/// Whether a host, perhaps with a port, is this machine, where nobody listens in.
pub(crate) fn is_loopback(registry: &str) -> bool {
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
}

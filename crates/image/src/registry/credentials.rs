//! Logins, from the file that `docker login` and `podman login` write, or from the helpers it names.
//!
//! Source: Docker CLI reference, "docker login", "Credential stores" and "Credential helpers".

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// The logins of a user.
#[derive(Debug, Default)]
pub struct Credentials {
    file: PathBuf,
    config: Config,
}

/// A login.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user; `<token>` where the secret is an identity token.
    pub user: String,
    /// The password or token.
    pub secret: String,
}

/// Secrets are not for logs.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({})", self.user)
    }
}

/// Why a login cannot be found out.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file is no good.
    #[error("The logins in {} cannot be read: {reason}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A helper failed.
    #[error("The helper {helper}, named in {}, failed: {reason}", .file.display())]
    Helper {
        /// The program.
        helper: String,
        /// Where it is named.
        file: PathBuf,
        /// What it said.
        reason: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.auths.keys()).finish()
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl Credentials {
    /// Reads `file`, usually `~/.docker/config.json`. Without it nobody is logged in.
    ///
    /// # Errors
    /// [`CredentialsError::File`].
    pub fn load(file: &Path) -> Result<Self, CredentialsError> {
        let bad = |reason: String| CredentialsError::File { file: file.to_owned(), reason };
        let text = match std::fs::read(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(|error| bad(error.to_string()))?,
        };
        let config = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        Ok(Self { file: file.to_owned(), config })
    }

    /// The login at `registry`, a host with or without port.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn of(&self, registry: &str) -> Result<Option<Login>, CredentialsError> {
        // Docker Hub's has the name of an interface that is long gone.
        let key = if registry == "docker.io" { "index.docker.io" } else { registry };
        let server = if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry };
        let helper =
            self.config.cred_helpers.iter().find(|(name, _)| host(name) == key).map(|(_, helper)| helper);
        if let Some(helper) = helper.or(self.config.creds_store.as_ref()) {
            let login = self.ask(helper, server)?;
            if login.is_some() {
                return Ok(login);
            }
        }
        let auth = self.config.auths.iter().find(|(name, _)| host(name) == key).map(|(_, auth)| auth);
        auth.map_or(Ok(None), |auth| self.login(auth))
    }

    fn login(&self, auth: &Auth) -> Result<Option<Login>, CredentialsError> {
        if !auth.identitytoken.is_empty() {
            return Ok(Some(Login { user: TOKEN.to_owned(), secret: auth.identitytoken.clone() }));
        }
        if !auth.username.is_empty() {
            return Ok(Some(Login { user: auth.username.clone(), secret: auth.password.clone() }));
        }
        if auth.auth.is_empty() {
            return Ok(None);
        }
        let bad = || CredentialsError::File {
            file: self.file.clone(),
            reason: "auth is not USER:PASSWORD in base64".to_owned(),
        };
        let bytes = STANDARD.decode(&auth.auth).map_err(|_| bad())?;
        let text = String::from_utf8(bytes).map_err(|_| bad())?;
        let (user, secret) = text.trim_end_matches('\0').split_once(':').ok_or_else(bad)?;
        Ok(Some(Login { user: user.to_owned(), secret: secret.to_owned() }))
    }

    /// Asks `docker-credential-HELPER`.
    fn ask(&self, helper: &str, server: &str) -> Result<Option<Login>, CredentialsError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Answer {
            username: String,
            secret: String,
        }
        let program = format!("docker-credential-{helper}");
        let bad = |reason: String| CredentialsError::Helper {
            helper: program.clone(),
            file: self.file.clone(),
            reason,
        };
        if helper.contains('/') {
            return Err(bad("a helper's name has no slash".to_owned()));
        }
        let (ok, out) = run(&program, server).map_err(|error| bad(error.to_string()))?;
        if !ok {
            // The one answer that is no failure has a fixed text.
            if out.contains("credentials not found") {
                return Ok(None);
            }
            return Err(bad(out.lines().next().unwrap_or("it said nothing").to_owned()));
        }
        let answer: Answer =
            serde_json::from_str(&out).map_err(|_| bad("its answer is no login".to_owned()))?;
        Ok(Some(Login { user: answer.username, secret: answer.secret }))
    }
}

/// The user of a login that is an identity token.
pub(super) const TOKEN: &str = "<token>";

/// `https://index.docker.io/v1/` is the registry `index.docker.io`.
fn host(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    key.split('/').next().unwrap_or(key)
}

fn run(program: &str, input: &str) -> std::io::Result<(bool, String)> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read has its reasons; what it answers counts.
        let _ = stdin.write_all(input.as_bytes());
    }
    let mut out = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(1 << 20).read_to_end(&mut out)?;
    }
    let ok = child.wait()?.success();
    Ok((ok, String::from_utf8_lossy(&out).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Credentials {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("config.json");
        std::fs::write(&file, text).unwrap();
        Credentials::load(&file).unwrap()
    }

    fn login(user: &str, secret: &str) -> Login {
        Login { user: user.into(), secret: secret.into() }
    }

    #[test]
    fn logins_are_found_by_registry() {
        // "me:pass:word" and "hub:x".
        let all = of(
            r#"{"auths":{"https://quay.io":{"auth":"bWU6cGFzczp3b3Jk"},"localhost:5000":{"identitytoken":"t"},
            "https://index.docker.io/v1/":{"auth":"aHViOng="},"none.io":{},"bad.io":{"auth":"%"}},"psFormat":"x"}"#,
        );
        assert_eq!(all.of("quay.io").unwrap(), Some(login("me", "pass:word")));
        assert_eq!(all.of("docker.io").unwrap(), Some(login("hub", "x")));
        assert_eq!(all.of("localhost:5000").unwrap(), Some(login(TOKEN, "t")));
        assert_eq!([all.of("none.io").unwrap(), all.of("localhost").unwrap()], [None, None]);
        assert!(all.of("bad.io").unwrap_err().to_string().contains("USER:PASSWORD"));
        assert_eq!(Credentials::load(Path::new("/missing/x")).unwrap().of("quay.io").unwrap(), None);
    }

    #[test]
    fn a_helper_that_is_not_there_is_named() {
        let all = of(r#"{"credHelpers":{"quay.io":"netloom-missing"},"credsStore":"../evil"}"#);
        assert!(
            all.of("quay.io")
                .unwrap_err()
                .to_string()
                .starts_with("The helper docker-credential-netloom-missing")
        );
        assert!(all.of("x.io").unwrap_err().to_string().contains("no slash"));
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(format!("{:?}", login("me", "secret")), "Login(me)");
    }
}

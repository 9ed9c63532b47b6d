//! `netloom image pull`.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use netloom_api::ErrorKind;
use netloom_daemon::{authorities, docker_config};
use netloom_image::download::{DownloadError, download};
use netloom_image::registry::{self, Credentials, Event, PullError};
use netloom_image::store::Named;
use netloom_image::{Digest, Platform, Reference, Store};

use super::{failed, load, named, print, store_failed, unpack};
use crate::exit::{Failure, Outcome};
use crate::output::{Format, Kind};

/// Arguments of `image pull`.
#[derive(Debug, clap::Args)]
pub(super) struct Pull {
    /// The image: nginx:alpine, quay.io/team/app:1, localhost:5000/app@sha256:.., or the address of a disk's, https://..
    #[arg(value_name = "REF")]
    image: String,
    /// Which variant, such as linux/arm64 [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    /// What the file at an address must be, for the image of a virtual machine's disk
    #[arg(long, value_name = "DIGITS")]
    sha256: Option<String>,
    /// Speak plain HTTP, which anybody on the way can read
    #[arg(long)]
    insecure: bool,
    #[command(flatten)]
    format: Format,
}

impl Pull {
    pub(super) fn run(self, store: &Store) -> Outcome {
        if self.image.starts_with("https://") || self.image.starts_with("http://") {
            return self.disk(store);
        }
        if self.sha256.is_some() {
            return Err(Failure::usage("--sha256 is for a file at an address, https://HOST/PATH.")
                .hint("an image of a registry: NAME@sha256:DIGITS"));
        }
        let remote = match load::reference(&self.image)? {
            Reference::Remote(remote) => remote,
            other => {
                let said = format!("{other} is on this machine: there is nothing to pull.");
                return Err(Failure::usage(said).hint(format!("netloom image load {}", self.image)));
            }
        };
        let logins = docker_config().map_or(Ok(Credentials::default()), |file| Credentials::load(&file));
        let logins = logins.map_err(|error| pull_failed(error.into()))?;
        let mut options = registry::Pull::new(&logins);
        options.plain_http = self.insecure;
        options.authorities = authorities(&remote.registry);
        options.platform = self.platform.clone().unwrap_or_else(Platform::host);
        let using = store.using().map_err(store_failed)?;
        let quiet = self.format.quiet || self.format.output == Kind::Json;
        let bars = Bars::new(std::io::stderr().is_terminal() && !quiet);
        let manifest = registry::pull(store, &remote, &options, &|event| bars.show(event));
        drop(bars);
        let came = named(store, &remote.to_string(), manifest.map_err(pull_failed)?)?;
        // From here on its name keeps it.
        drop(using);
        unpack(store, &came)?;
        print(store, &[came], self.format)
    }
}

impl Pull {
    /// The image of a disk, by its address.
    fn disk(&self, store: &Store) -> Outcome {
        let hint = "sha256sum FILE prints it, and most who publish images publish it";
        let digits = self.sha256.as_deref().ok_or_else(|| {
            Failure::usage(
                "A file at an address needs --sha256, or nobody knows whether it is the right one.",
            )
            .hint(hint)
        })?;
        let digest = Digest::from_hex(&digits.to_ascii_lowercase())
            .map_err(|error| Failure::usage(format!("--sha256: {error}.")).hint(hint))?;
        let host = self.image.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let using = store.using().map_err(store_failed)?;
        let quiet = self.format.quiet || self.format.output == Kind::Json;
        let bars = Bars::new(std::io::stderr().is_terminal() && !quiet);
        let watch = |event| {
            bars.show(event);
            true
        };
        download(store, &self.image, digest, &authorities(host), &watch).map_err(download_failed)?;
        let since = super::today();
        store.name_disk(&self.image, digest, since).map_err(store_failed)?;
        drop((bars, using));
        let named = Named {
            name: self.image.clone(),
            manifest: digest,
            since,
            kind: netloom_image::store::Kind::Disk,
        };
        print(store, &[named], self.format)
    }
}

fn download_failed(error: DownloadError) -> Failure {
    let (kind, hint) = match error {
        DownloadError::Store(error) => return store_failed(error),
        DownloadError::Status { status: 404, .. } => (ErrorKind::NotFound, None),
        DownloadError::BrokeOff { .. } => {
            (ErrorKind::Failed, Some("what has come is kept: the same command goes on from there".to_owned()))
        }
        DownloadError::Another { .. } => (
            ErrorKind::Failed,
            Some("was it exchanged there, or is --sha256 that of another file?".to_owned()),
        ),
        _ => (ErrorKind::Failed, None),
    };
    failed(kind, &error, hint)
}

/// A bar a layer, on a terminal.
struct Bars {
    all: MultiProgress,
    one: Mutex<BTreeMap<Digest, ProgressBar>>,
}

impl Bars {
    fn new(live: bool) -> Self {
        let target = if live { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { all: MultiProgress::with_draw_target(target), one: Mutex::default() }
    }

    fn show(&self, event: Event) {
        let mut one = self.one.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Wanted(digest, size) => {
                if let Some(bar) = one.get(&digest) {
                    return bar.set_length(size);
                }
                let bar = self.all.add(ProgressBar::new(size));
                let template = "{prefix:<12} {bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {msg}";
                if let Ok(style) = ProgressStyle::with_template(template) {
                    bar.set_style(style.progress_chars("━╸─"));
                }
                bar.set_prefix(digest.short());
                one.insert(digest, bar);
            }
            Event::Bytes(digest, have) => {
                if let Some(bar) = one.get(&digest) {
                    bar.set_position(have);
                }
            }
            Event::Done(digest) => {
                if let Some(bar) = one.get(&digest) {
                    bar.finish_with_message("verified");
                }
            }
            Event::Present(_) => {}
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        // What came is in the table; what did not is in the error.
        let _ = self.all.clear();
    }
}

fn pull_failed(error: PullError) -> Failure {
    let (kind, hint) = match error {
        PullError::Store(error) => return store_failed(error),
        PullError::Missing { .. } => {
            (ErrorKind::NotFound, Some("is the name right, and the tag?".to_owned()))
        }
        PullError::Denied { ref registry, .. } => (
            ErrorKind::Denied,
            Some(format!(
                "the name may be wrong, too; `docker login {registry}` or `podman login` makes a login"
            )),
        ),
        PullError::Platform { ref has, .. } => {
            (ErrorKind::NotFound, Some(format!("it is made for {}; --platform chooses", has.join(", "))))
        }
        PullError::BrokeOff { .. } => {
            (ErrorKind::Failed, Some("what has come is kept: the same command goes on from there".to_owned()))
        }
        PullError::Reach { ref registry, .. } if error.is_untrusted() => {
            let place = format!("/etc/docker/certs.d/{registry}/ca.crt");
            let hint = format!("put the certificate of its authority into {place}, if it is to be trusted");
            (ErrorKind::Failed, Some(hint))
        }
        PullError::Reach { .. } => {
            let hint =
                "`netloom image load` takes images from files; --insecure is for registries without TLS";
            (ErrorKind::Failed, Some(hint.to_owned()))
        }
        PullError::NoAuthorities => {
            (ErrorKind::Machine, Some("install the package ca-certificates".to_owned()))
        }
        _ => (ErrorKind::Failed, None),
    };
    failed(kind, &error, hint)
}

//! `netloom image load`.

use netloom_api::ErrorKind;
use netloom_image::source::{self, Loaded, SourceError};
use netloom_image::{Platform, Reference, Store};

use super::{failed, named, print, store_failed, unpack};
use crate::exit::{Failure, Outcome};
use crate::output::Format;

/// Arguments of `image load`.
#[derive(Debug, clap::Args)]
pub(super) struct Load {
    /// `oci:DIR[:TAG]` or `docker-archive:FILE`
    #[arg(value_name = "REF")]
    from: String,
    /// What to call it [default: what the source calls it]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Which variant, such as linux/arm64 [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<Platform>,
    #[command(flatten)]
    format: Format,
}

impl Load {
    pub(super) fn run(self, store: &Store) -> Outcome {
        let loaded = self.loaded(store)?;
        let name = self.name.map(|name| full(&name)).transpose()?;
        if name.is_some() && loaded.1.len() > 1 {
            return Err(Failure::usage("The archive has several images: --name is for one."));
        }
        let mut came = Vec::new();
        for image in &loaded.1 {
            let names = name.as_ref().map_or(image.names.as_slice(), std::slice::from_ref);
            for name in names {
                came.push(named(store, name, image.manifest)?);
            }
        }
        // From here on the names keep them.
        drop(loaded.0);
        for named in &came {
            unpack(store, named)?;
        }
        print(store, &came, self.format)
    }

    fn loaded(&self, store: &Store) -> Result<(netloom_image::store::Using, Vec<Loaded>), Failure> {
        let reference = reference(&self.from)?;
        let using = store.using().map_err(store_failed)?;
        let platform = self.platform.clone().unwrap_or_else(Platform::host);
        let loaded = match &reference {
            Reference::OciDir { dir, tag } => {
                source::load_oci_dir(store, dir, tag.as_deref(), &platform).map(|one| vec![one])
            }
            Reference::DockerArchive(file) => source::load_docker_archive(store, file),
            Reference::Remote(remote) => {
                let said = format!("{remote} is in a registry, not in a file.");
                return Err(Failure::usage(said).hint(format!("netloom image pull {}", self.from)));
            }
            Reference::Dir(_) => {
                return Err(Failure::usage("A root file system is used where it lies; it is not loaded."));
            }
        };
        loaded.map(|loaded| (using, loaded)).map_err(source_failed)
    }
}

/// Reads what a user means by an image.
pub(super) fn reference(text: &str) -> Result<Reference, Failure> {
    text.parse()
        .map_err(|error: netloom_image::reference::ReferenceError| Failure::usage(format!("{error}.")))
}

fn full(name: &str) -> Result<String, Failure> {
    match reference(name)? {
        Reference::Remote(remote) => Ok(remote.to_string()),
        _ => Err(Failure::usage(format!("{name:?} is a place, not a name."))),
    }
}

fn source_failed(error: SourceError) -> Failure {
    let (kind, hint) = match error {
        SourceError::Store(error) => return store_failed(error),
        SourceError::Tag { ref has, .. } | SourceError::Several { ref has, .. } => {
            (ErrorKind::NotFound, Some(format!("it has {}", has.join(", "))))
        }
        SourceError::Platform { ref has, .. } => {
            (ErrorKind::NotFound, Some(format!("it has {}; --platform chooses", has.join(", "))))
        }
        _ => (ErrorKind::Failed, None),
    };
    failed(kind, &error, hint)
}

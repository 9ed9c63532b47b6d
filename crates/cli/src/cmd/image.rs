//! `netloom image`.

mod load;
mod pull;

use netloom_api::{ApiError, ErrorKind, FreedRow, ImageInfo, ImageRow, LayerRow, Reply};
use netloom_daemon::data_dir;
use netloom_image::store::{Image as Found, Kind, Named};
use netloom_image::{Platform, Store, StoreError};

use crate::exit::{DONE, Failure, Outcome};
use crate::output::{self, Format};

/// Arguments of `image`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
REF is a name such as nginx:alpine or quay.io/team/app:1, and for load oci:DIR[:TAG] or docker-archive:FILE.
Registries on this machine (localhost, 127.0.0.1) are spoken to in plain HTTP; logins are those of `docker login`.
Examples:  netloom image pull nginx:alpine
           skopeo copy docker://alpine oci:alpine && netloom image load oci:alpine
           netloom image ls")]
pub(crate) struct Image {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Pull an image from a registry
    Pull(pull::Pull),
    /// Take images from an OCI layout or an archive of `docker save`
    Load(load::Load),
    /// List images
    Ls {
        #[command(flatten)]
        format: Format,
    },
    /// Show how an image is run, and its layers
    Inspect {
        /// Its name, or the beginning of its digest
        image: String,
        #[command(flatten)]
        format: Format,
    },
    /// Remove images, and what only they need
    Rm {
        /// Their names, or the beginnings of their digests
        #[arg(required = true)]
        images: Vec<String>,
        #[command(flatten)]
        format: Format,
    },
    /// Remove what no image and no running lab needs
    Gc {
        #[command(flatten)]
        format: Format,
    },
}

impl Image {
    pub(crate) fn run(self) -> Outcome {
        let store = open()?;
        match self.verb {
            Verb::Pull(verb) => verb.run(&store),
            Verb::Load(verb) => verb.run(&store),
            Verb::Ls { format } => {
                let names = store.names().map_err(store_failed)?;
                let rows = names.iter().map(|named| row_of(&store, named)).collect();
                output::reply(&Reply::Images(rows), format)
            }
            Verb::Inspect { image, format } => {
                let named = store.find(&image).map_err(store_failed)?;
                if named.kind == Kind::Disk {
                    let info = ImageInfo { row: row_of(&store, &named), ..ImageInfo::default() };
                    return output::reply(&Reply::Image(Box::new(info)), format);
                }
                let found = store.image(named.manifest).map_err(store_failed)?;
                output::reply(&Reply::Image(Box::new(info(&named, found))), format)
            }
            Verb::Rm { images, format } => remove(&store, &images, format),
            Verb::Gc { format } => output::reply(&Reply::ImagesFreed(free(&store, Vec::new())?), format),
        }
    }
}

fn open() -> Result<Store, Failure> {
    netloom_daemon::become_owner();
    let dir = data_dir().ok_or_else(|| {
        Failure::from(ApiError::new(ErrorKind::Machine, "There is no place for images: HOME is not set."))
            .hint("set HOME, or NETLOOM_DATA_DIR to a directory of yours")
    })?;
    Store::open(&dir).map_err(store_failed)
}

fn remove(store: &Store, images: &[String], format: Format) -> Outcome {
    let mut removed = Vec::new();
    for image in images {
        removed.push(store.remove(image).map_err(store_failed)?.name);
    }
    match free(store, removed.clone()) {
        Ok(row) => output::reply(&Reply::ImagesFreed(row), format),
        // The names are gone, which is what was asked for.
        Err(failure) if failure.error.kind == ErrorKind::Busy => {
            output::note("Another netloom adds an image: `netloom image gc` frees the space later.");
            output::reply(&Reply::ImagesFreed(FreedRow { removed, ..FreedRow::default() }), format)
        }
        Err(failure) => Err(failure),
    }
}

fn free(store: &Store, removed: Vec<String>) -> Result<FreedRow, Failure> {
    let freed = store.gc().map_err(store_failed)?;
    let netloom_image::store::Freed { blobs, layers, leftovers, bytes } = freed;
    Ok(FreedRow { removed, blobs, layers, leftovers, bytes })
}

fn row_of(store: &Store, named: &Named) -> ImageRow {
    match named.kind {
        Kind::Image => row(named, &store.image(named.manifest)),
        Kind::Disk => disk(named, store.file(&named.manifest).map(|(_, bytes)| bytes)),
    }
}

/// The image of a disk, which runs on whatever machine it was made for.
fn disk(named: &Named, bytes: Result<u64, StoreError>) -> ImageRow {
    let (bytes, broken) = match bytes {
        Ok(bytes) => (bytes, None),
        Err(error) => (0, Some(error.to_string())),
    };
    let (name, digest) = (named.name.clone(), named.manifest.to_string());
    ImageRow { name, digest, platform: "disk".to_owned(), bytes, age_s: age(named.since), broken, layers: 0 }
}

fn row(named: &Named, found: &Result<Found, StoreError>) -> ImageRow {
    let bare = ImageRow {
        name: named.name.clone(),
        digest: named.manifest.to_string(),
        age_s: age(named.since),
        ..ImageRow::default()
    };
    match found {
        Ok(image) => ImageRow {
            platform: platform(image),
            layers: image.manifest.layers.len() as u64,
            bytes: image.manifest.size(),
            ..bare
        },
        Err(error) => ImageRow { broken: Some(error.to_string()), ..bare },
    }
}

fn platform(image: &Found) -> String {
    let Platform { os, architecture, .. } = &image.config.platform;
    if os.is_empty() || architecture.is_empty() {
        "any".to_owned()
    } else {
        image.config.platform.to_string()
    }
}

fn info(named: &Named, image: Found) -> ImageInfo {
    let parts = image.manifest.layers.iter().zip(&image.config.rootfs.diff_ids);
    let parts = parts.map(|(layer, diff_id)| LayerRow {
        digest: layer.digest.to_string(),
        diff_id: diff_id.to_string(),
        bytes: layer.size,
    });
    let parts = parts.collect();
    let row = row(named, &Ok(image.clone()));
    let run = image.config.config;
    ImageInfo {
        row,
        created: image.config.created,
        entrypoint: run.entrypoint,
        cmd: run.cmd,
        env: run.env,
        user: run.user,
        workdir: run.working_dir,
        stop_signal: run.stop_signal,
        ports: run.exposed_ports.into_keys().collect(),
        volumes: run.volumes.into_keys().collect(),
        parts,
    }
}

/// Seconds since 1970.
fn today() -> u64 {
    netloom_sys::clock::wall() / 1_000_000_000
}

fn age(since: u64) -> f64 {
    // Fewer than 2^32 seconds are shown exactly.
    u32::try_from(today().saturating_sub(since)).map_or(f64::from(u32::MAX), f64::from)
}

/// Unpacks an image that has just come, so that no lab has to wait for it, and says what this user cannot have of it.
fn unpack(store: &Store, named: &Named) -> Result<(), Failure> {
    let image = store.image(named.manifest).map_err(store_failed)?;
    let bounds = netloom_image::layer::Bounds::default();
    let layers = store.unpack(&image, bounds, |_| ()).map_err(store_failed)?;
    let sum = |count: fn(&netloom_image::layer::Report) -> u64| {
        layers.iter().map(|l| count(&l.report)).sum::<u64>()
    };
    let owners = sum(|report| report.owners_lost);
    if owners > 0 {
        let first: Vec<_> = layers.iter().flat_map(|l| l.report.first_owners_lost.clone()).take(3).collect();
        output::note(&format!(
            "{} belong to you instead of their owner, which takes root: {} ...",
            output::words::many(owners, "file"),
            first.join(", ")
        ));
    }
    let lost = sum(|report| report.attributes_lost);
    if lost > 0 {
        output::note(&format!("{} could not be kept.", output::words::many(lost, "extended attribute")));
    }
    Ok(())
}

/// Names an image that has come, and prints its row.
fn named(store: &Store, name: &str, manifest: netloom_image::Digest) -> Result<Named, Failure> {
    let since = today();
    store.name(name, manifest, since).map_err(store_failed)?;
    let named = Named { name: name.to_owned(), manifest, since, kind: Kind::Image };
    Ok(named)
}

fn print(store: &Store, came: &[Named], format: Format) -> Outcome {
    let rows = came.iter().map(|named| row_of(store, named)).collect();
    output::reply(&Reply::Images(rows), format)?;
    Ok(DONE)
}

fn store_failed(error: StoreError) -> Failure {
    let kind = match &error {
        StoreError::Unknown { .. } | StoreError::Ambiguous(_) => ErrorKind::NotFound,
        StoreError::Busy | StoreError::InUse { .. } => ErrorKind::Busy,
        _ => ErrorKind::Failed,
    };
    let hint = match &error {
        error if error.is_full_disk() => {
            Some("the disk is full: `netloom image gc` frees what nobody needs".to_owned())
        }
        StoreError::Unknown { near, .. } if !near.is_empty() => Some(format!("there is {}", near.join(", "))),
        StoreError::Unknown { .. } => Some("`netloom image ls` lists what is here".to_owned()),
        StoreError::Ambiguous(_) => Some("give more digits, or its name".to_owned()),
        StoreError::InUse { by, .. } => Some(format!("end it first: netloom down {}", by.join(" "))),
        StoreError::Busy => Some("try again when it is done".to_owned()),
        StoreError::Foreign(_) => Some("NETLOOM_DATA_DIR names another directory".to_owned()),
        _ => None,
    };
    failed(kind, &error, hint)
}

/// A failure that says what the error says, and what lies below it.
fn failed(kind: ErrorKind, error: &(dyn std::error::Error + 'static), hint: Option<String>) -> Failure {
    let message = format!("{error}.");
    // Causes that the sentence has in it are not told twice.
    let mut below = error.source();
    while let Some(cause) = below.filter(|cause| message.contains(&cause.to_string())) {
        below = cause.source();
    }
    let failure = Failure::from(match below {
        Some(cause) => ApiError::caused(kind, message, cause),
        None => ApiError::new(kind, message),
    });
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

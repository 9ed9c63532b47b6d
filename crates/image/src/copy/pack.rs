//! From a file or a directory to a tar file.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Copied, CopyError};

/// What a copy of `path` is called: its last part.
#[must_use]
pub fn base_name(path: &Path) -> OsString {
    path.file_name().map_or_else(|| OsString::from("root"), ToOwned::to_owned)
}

/// Writes what is at `source`, and all below it, as a tar file whose paths begin with `name`. A link at `source` itself is
/// followed, links below it are copied as links.
///
/// # Errors
/// [`CopyError::Io`], for `out` too. What vanishes meanwhile is left out.
pub fn pack(source: &Path, name: &Path, mut out: impl Write) -> Result<Copied, CopyError> {
    let mut copied = Copied::default();
    let top = fs::metadata(source).map_err(because("read", source))?;
    let mut todo = vec![(source.to_owned(), name.to_owned(), Some(top))];
    while let Some((path, name, known)) = todo.pop() {
        let found = known.map_or_else(|| fs::symlink_metadata(&path), Ok);
        let meta = match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found.map_err(because("read", &path))?,
        };
        let kind = meta.file_type();
        if kind.is_dir() {
            header(&mut out, b'5', &name, &meta, 0, None).map_err(because("send", &path))?;
            for entry in fs::read_dir(&path).map_err(because("list", &path))? {
                let entry = entry.map_err(because("list", &path))?;
                todo.push((entry.path(), name.join(entry.file_name()), None));
            }
        } else if kind.is_symlink() {
            let to = fs::read_link(&path).map_err(because("read", &path))?;
            header(&mut out, b'2', &name, &meta, 0, Some(&to)).map_err(because("send", &path))?;
        } else if kind.is_file() {
            copied.bytes += file(&mut out, &path, &name)?;
        } else {
            copied.left_out += 1;
            continue;
        }
        copied.entries += 1;
    }
    out.write_all(&[0; 2 * BLOCK]).and_then(|()| out.flush()).map_err(because("send", source))?;
    Ok(copied)
}

/// As many bytes as the file had when it was opened: what is cut meanwhile is filled up with zeros.
fn file(out: &mut impl Write, path: &Path, name: &Path) -> Result<u64, CopyError> {
    // What was a file a moment ago may be a pipe by now, which nobody writes to.
    let file = File::options().read(true).custom_flags(NONBLOCK).open(path).map_err(because("read", path))?;
    let meta = file.metadata().map_err(because("read", path))?;
    let size = if meta.is_file() { meta.size() } else { 0 };
    header(out, b'0', name, &meta, size, None).map_err(because("send", path))?;
    let sent = io::copy(&mut (&file).take(size), out).map_err(because("send", path))?;
    let fill = size.next_multiple_of(BLOCK as u64) - sent;
    io::copy(&mut io::repeat(0).take(fill), out).map_err(because("send", path))?;
    Ok(size)
}

fn header(
    out: &mut impl Write,
    kind: u8,
    name: &Path,
    meta: &Metadata,
    size: u64,
    link: Option<&Path>,
) -> io::Result<()> {
    let (path, link) = (name.as_os_str().as_bytes(), link.map_or(&b""[..], |to| to.as_os_str().as_bytes()));
    let mut extra = Vec::new();
    for (key, value, fits) in [("path", path, path.len() <= 100), ("linkpath", link, link.len() <= 100)] {
        if !fits {
            record(&mut extra, key, value);
        }
    }
    if size > LARGEST {
        record(&mut extra, "size", size.to_string().as_bytes());
    }
    if !extra.is_empty() {
        let length = extra.len() as u64;
        out.write_all(&block(b'x', b"pax", 0o644, length, 0, b""))?;
        extra.resize(extra.len().next_multiple_of(BLOCK), 0);
        out.write_all(&extra)?;
    }
    let short = |bytes: &[u8]| bytes.iter().take(100).copied().collect::<Vec<_>>();
    let time = u64::try_from(meta.mtime()).unwrap_or(0).min(LARGEST);
    out.write_all(&block(kind, &short(path), meta.mode() & 0o7777, size.min(LARGEST), time, &short(link)))
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    out.extend(format!("{length} {key}=").into_bytes());
    out.extend(value);
    out.push(b'\n');
}

fn block(kind: u8, path: &[u8], mode: u32, size: u64, time: u64, link: &[u8]) -> [u8; BLOCK] {
    let mut block = [0_u8; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in block.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, path);
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{size:011o}").as_bytes());
    put(136, format!("{time:011o}").as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    for (to, from) in block.iter_mut().skip(148).zip(format!("{sum:06o}\0").as_bytes()) {
        *to = *from;
    }
    block
}

fn because(action: &'static str, path: &Path) -> impl Fn(io::Error) -> CopyError + use<> {
    let path: PathBuf = path.to_owned();
    move |source| CopyError::Io { action, path: path.clone(), source }
}

const BLOCK: usize = 512;
/// What eleven octal digits hold.
const LARGEST: u64 = 0o777_7777_7777;
/// `O_NONBLOCK`.
const NONBLOCK: i32 = 0o4000;

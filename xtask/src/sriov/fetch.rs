//! QEMU and a kernel: the machine's own where they will do, else Debian's packages, unpacked below `target/`.
//!
//! Nothing is installed. QEMU of the backports is asked for by the machine's own apt, with a list of sources beside its own:
//! the entry of its own archive with another suite.

use std::path::{Path, PathBuf};

use crate::run::{self, Failed};

/// What a guest is made of.
pub(super) struct Ground {
    /// QEMU.
    pub(super) qemu: PathBuf,
    /// Where its firmware is, if it is not installed.
    pub(super) firmware: Vec<PathBuf>,
    /// The kernel, uncompressed if that could be had: it boots in half the time.
    pub(super) kernel: PathBuf,
    /// Its version.
    pub(super) version: String,
    /// The folder that has its `lib/modules`.
    pub(super) modules: PathBuf,
}

/// Why there is none.
pub(super) enum Lack {
    /// Something cannot be had here.
    Missing(String),
    /// Something that should work does not.
    Failed(Failed),
}

impl From<Failed> for Lack {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

/// The first version with the card.
const OLDEST: u32 = 8;
const PACKAGES: [&str; 4] = ["qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios"];

/// Finds or fetches everything.
pub(super) fn ground(place: &Path) -> Result<Ground, Lack> {
    std::fs::create_dir_all(place).map_err(|source| file(place, source))?;
    let (qemu, firmware) = qemu(place)?;
    let (image, version, modules) = kernel(place)?;
    let kernel = uncompressed(place, &image, &version)?;
    Ok(Ground { qemu, firmware, kernel, version, modules })
}

fn qemu(place: &Path) -> Result<(PathBuf, Vec<PathBuf>), Lack> {
    let own = ["/usr/local/bin", "/usr/bin"].map(|folder| Path::new(folder).join("qemu-system-x86_64"));
    if let Some(own) = own.into_iter().find(|own| version(own).is_some_and(|version| version >= OLDEST)) {
        return Ok((own, Vec::new()));
    }
    let root = place.join("qemu");
    let unpacked = root.join("usr/bin/qemu-system-x86_64");
    if !unpacked.is_file() {
        let sources = place.join("backports.sources");
        let text = backports().ok_or_else(|| {
            Lack::Missing(format!(
                "QEMU {OLDEST} is needed (its igb), and this is no Debian whose backports have it"
            ))
        })?;
        std::fs::write(&sources, text).map_err(|source| file(&sources, source))?;
        let lists = place.join("lists");
        std::fs::create_dir_all(lists.join("partial")).map_err(|source| file(&lists, source))?;
        let options = [
            format!("Dir::Etc::sourcelist={}", sources.display()),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("Dir::State::lists={}", lists.display()),
        ];
        download(place, "qemu-debs", &options, &PACKAGES, &root)?;
    }
    let found = version(&unpacked).filter(|version| *version >= OLDEST);
    if found.is_none() {
        let lacks = run::told("ldd", &[&unpacked.display().to_string()]);
        let lacks: Vec<&str> =
            lacks.lines().filter(|line| line.contains("not found")).map(str::trim).collect();
        return Err(Lack::Missing(format!(
            "QEMU of the backports does not start here: {}",
            lacks.join(", ")
        )));
    }
    let firmware = ["usr/share/qemu", "usr/share/seabios"].map(|folder| root.join(folder));
    Ok((unpacked, firmware.into()))
}

fn version(qemu: &Path) -> Option<u32> {
    let said = run::told(&qemu.display().to_string(), &["--version"]);
    said.split("version ").nth(1)?.split('.').next()?.parse().ok()
}

/// A kernel for hardware: the installed one, else the package of this Debian's.
fn kernel(place: &Path) -> Result<(PathBuf, String, PathBuf), Lack> {
    if let Some((image, version)) = in_folder(Path::new("/")) {
        return Ok((image, version, PathBuf::from("/")));
    }
    let root = place.join("kernel");
    if in_folder(&root).is_none() {
        let said = run::told("apt-cache", &["depends", "linux-image-amd64"]);
        let package = said
            .lines()
            .find_map(|line| line.split_once("Depends: ").map(|(_, name)| name.trim().to_owned()));
        let package = package.filter(|name| name.starts_with("linux-image-")).ok_or_else(|| {
            Lack::Missing("a kernel with igb and vfio-pci is needed (linux-image-amd64)".to_owned())
        })?;
        download(place, "kernel-debs", &[], &[&package], &root)?;
    }
    let (image, version) = in_folder(&root)
        .ok_or_else(|| Lack::Missing("the package of the kernel has no igb for a guest's card".to_owned()))?;
    let folder = root.display().to_string();
    run::step("depmod", &mut run::command("/sbin/depmod", &["--basedir", &folder, &version]))?;
    Ok((image, version, root))
}

/// The newest kernel below a folder that has the card's drivers.
fn in_folder(root: &Path) -> Option<(PathBuf, String)> {
    let entries = std::fs::read_dir(root.join("lib/modules")).ok()?;
    let mut versions: Vec<String> =
        entries.flatten().filter_map(|it| it.file_name().into_string().ok()).collect();
    versions.sort();
    versions.into_iter().rev().find_map(|version| {
        let image = root.join(format!("boot/vmlinuz-{version}"));
        let drivers = root.join("lib/modules").join(&version).join("kernel/drivers/net/ethernet/intel/igbvf");
        (image.is_file() && drivers.is_dir()).then_some((image, version))
    })
}

/// What is behind the kernel's own decompressor, if that is xz.
fn uncompressed(place: &Path, image: &Path, version: &str) -> Result<PathBuf, Lack> {
    // Beside one that was unpacked, whose modules are found from there; those of the machine's own are the machine's.
    let folder = if image.starts_with(place) { image.parent().unwrap_or(place) } else { place };
    let out = folder.join(format!("vmlinux-{version}"));
    if out.is_file() {
        return Ok(out);
    }
    let bytes = std::fs::read(image).map_err(|source| file(image, source))?;
    let Some(at) = bytes.windows(MAGIC.len()).position(|window| window == MAGIC) else {
        return Ok(image.to_owned());
    };
    // What follows the stream is no part of it: xz says so, and has written all by then.
    let script =
        format!("tail -c +{} {} | xz -dcq > {} 2>/dev/null; true", at + 1, image.display(), out.display());
    run::step("uncompress the kernel", &mut run::command("sh", &["-c", &script]))?;
    let head = std::fs::read(&out).map_err(|source| file(&out, source))?;
    if head.starts_with(b"\x7fELF") {
        return Ok(out);
    }
    let _ = std::fs::remove_file(&out);
    Ok(image.to_owned())
}

/// Of an xz stream.
const MAGIC: &[u8] = b"\xfd7zXZ\0";

/// Downloads packages and unpacks them below `root`.
fn download(
    place: &Path,
    folder: &str,
    options: &[String],
    packages: &[&str],
    root: &Path,
) -> Result<(), Lack> {
    if !crate::packages::has("apt-get") || !crate::packages::has("dpkg") {
        return Err(Lack::Missing(format!("{} cannot be fetched without apt", packages.join(", "))));
    }
    let folder = place.join(folder);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|source| file(&folder, source))?;
    let words: Vec<&str> = options.iter().flat_map(|option| ["-o", option.as_str()]).collect();
    let apt = |verb: &[&str]| {
        let mut command = run::command("apt-get", &words);
        command.args(["--quiet", "-o", "APT::Sandbox::User=root"]).args(verb).current_dir(&folder);
        run::step(&format!("apt-get {}", verb.join(" ")), &mut command)
    };
    let mut wanted = vec!["download"];
    wanted.extend(packages);
    let refresh = if options.is_empty() { Ok(()) } else { apt(&["update"]) };
    refresh
        .and_then(|()| apt(&wanted))
        .map_err(|failed| Lack::Missing(format!("{}: {failed}", packages.join(", "))))?;
    for package in std::fs::read_dir(&folder).map_err(|source| file(&folder, source))?.flatten() {
        let [package, root] = [package.path(), root.to_owned()].map(|path| path.display().to_string());
        run::step("unpack", &mut run::command("dpkg", &["--extract", &package, &root]))?;
    }
    Ok(())
}

/// The machine's own archive with the suite of its backports.
fn backports() -> Option<String> {
    let release = std::fs::read_to_string("/etc/os-release").ok()?;
    let code =
        release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="))?.trim_matches('"').to_owned();
    let folder = std::fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let files = folder.filter(|path| path.extension().is_some_and(|ending| ending == "sources"));
    let texts = files.filter_map(|path| std::fs::read_to_string(path).ok());
    let found = texts.filter_map(|text| stanza(&text, &code)).next();
    let list = || std::fs::read_to_string("/etc/apt/sources.list").ok().and_then(|text| line(&text, &code));
    found.or_else(list)
}

/// A stanza of deb822-style sources.
fn stanza(text: &str, code: &str) -> Option<String> {
    let fits = |stanza: &&str| {
        let field = |name: &str| {
            let line = stanza.lines().find_map(|line| line.strip_prefix(name));
            line.map(|value| value.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
                .unwrap_or_default()
        };
        field("Suites:").iter().any(|suite| suite == code) && field("Types:").iter().any(|kind| kind == "deb")
    };
    let stanza = text.split("\n\n").find(fits)?;
    let lines =
        stanza.lines().filter(|line| !line.starts_with('#')).map(|line| match line.strip_prefix("Suites:") {
            Some(_) => format!("Suites: {code}-backports\n"),
            None => format!("{line}\n"),
        });
    Some(lines.collect())
}

/// A line of the older format, as a stanza.
fn line(text: &str, code: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix("deb ")?.trim();
        let rest = rest.split_once(']').map_or(rest, |(_, behind)| behind.trim());
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        (suite == code)
            .then(|| format!("Types: deb\nURIs: {uri}\nSuites: {code}-backports\nComponents: main\n"))
    })
}

fn file(path: &Path, source: std::io::Error) -> Failed {
    Failed::File { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "# a comment\nTypes: deb\nURIs: http://deb.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n\nTypes: deb\nURIs: http://other.example\nSuites: bookworm-security\n";

    #[test]
    fn the_own_archive_is_asked_for_another_suite() {
        let made = stanza(OWN, "bookworm").unwrap_or_default();
        assert_eq!(
            made,
            "Types: deb\nURIs: http://deb.example/debian\nSuites: bookworm-backports\nComponents: main\nSigned-By: /k.gpg\n"
        );
        assert_eq!(stanza(OWN, "trixie"), None);
        let old = line("# x\ndeb [signed-by=/k] http://deb.example/debian bookworm main\n", "bookworm");
        assert!(old.is_some_and(|text| text.contains("Suites: bookworm-backports")));
    }
}

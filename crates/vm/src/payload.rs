//! This binary, as a guest can run it: with the libraries it is linked with, and started by its own loader, so that it
//! needs nothing of the guest's root file system and disturbs nothing there.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::elf;

/// Where it lies in the guest, without the `/` in front.
pub const FOLDER: &str = ".netloom";

/// A file of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name in [`FOLDER`].
    pub name: String,
    /// Where it is on this machine.
    pub source: PathBuf,
    /// How many of its bytes count.
    pub length: u64,
}

/// The binary with all it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// Its files.
    pub parts: Vec<Part>,
    /// The words that start it in a guest, its own arguments behind them.
    pub argv: Vec<String>,
}

impl Payload {
    /// Of the program that runs.
    ///
    /// # Errors
    /// A library is not where the loader found it; the file is no program.
    pub fn this() -> io::Result<Self> {
        let folders = mapped_folders(&std::fs::read_to_string("/proc/self/maps")?);
        Self::gather(Path::new("/proc/self/exe"), &folders)
    }

    /// Of a program, with libraries from `folders`.
    ///
    /// # Errors
    /// A library is in none of them; a file is no program.
    pub fn gather(program: &Path, folders: &[PathBuf]) -> io::Result<Self> {
        let Closure { main, libraries, loader } = Closure::of(program, folders)?;
        let own = format!("/{FOLDER}/{PROGRAM}");
        let mut parts = vec![Part { name: PROGRAM.to_owned(), ..main }];
        let Some(loader) = loader else {
            return Ok(Self { parts, argv: vec![own] });
        };
        parts.extend(libraries);
        parts.push(Part { name: LOADER.to_owned(), ..loader });
        let words = [format!("/{FOLDER}/{LOADER}"), "--library-path".to_owned(), format!("/{FOLDER}"), own];
        Ok(Self { parts, argv: words.into() })
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.length).sum()
    }
}

/// A program and all that is linked with it, each part under its own name.
struct Closure {
    main: Part,
    libraries: Vec<Part>,
    loader: Option<Part>,
}

impl Closure {
    fn of(program: &Path, folders: &[PathBuf]) -> io::Result<Self> {
        let main = read(program)?;
        let mut found: BTreeMap<String, Part> = BTreeMap::new();
        let mut wanted = if main.loader.is_some() { main.needed } else { Vec::new() };
        while let Some(name) = wanted.pop() {
            if found.contains_key(&name) || Path::new(&name).components().count() != 1 {
                continue;
            }
            let places = folders.iter().map(|folder| folder.join(&name));
            let source = places.into_iter().find(|path| path.is_file());
            let source = source.ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, format!("the library {name} is not to be found"))
            })?;
            let library = read(&source)?;
            wanted.extend(library.needed);
            found.insert(name.clone(), Part { name, source, length: library.loaded });
        }
        let loader = main.loader.map(|name| {
            let source = PathBuf::from(&name);
            let length = read(&source)?.loaded;
            Ok::<_, io::Error>(Part { name, source, length })
        });
        Ok(Self {
            main: Part { name: String::new(), source: program.to_owned(), length: main.loaded },
            libraries: found.into_values().collect(),
            loader: loader.transpose()?,
        })
    }
}

/// A program for a root file system that is made for it: itself at `to`, its loader and libraries where they are on this
/// machine, so that it can start itself anew. The names of the parts are their paths.
///
/// Libraries are looked for where those of this process are, and where distributions keep them.
///
/// # Errors
/// A library is in none of these places; a file is no program.
pub fn installed(program: &Path, to: &str) -> io::Result<Vec<Part>> {
    let mut folders = mapped_folders(&std::fs::read_to_string("/proc/self/maps")?);
    folders.extend(LIBRARIES.map(PathBuf::from));
    let Closure { main, libraries, loader } = Closure::of(program, &folders)?;
    let mut parts = vec![Part { name: to.to_owned(), ..main }];
    parts.extend(libraries.into_iter().map(|part| Part { name: part.source.display().to_string(), ..part }));
    parts.extend(loader);
    Ok(parts)
}

fn read(path: &Path) -> io::Result<elf::Elf> {
    let file = std::fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    elf::parse(&file)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display())))
}

/// The folders of all files that a process has mapped: where its loader found its libraries.
fn mapped_folders(maps: &str) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for line in maps.lines() {
        let Some(at) = line.find('/') else { continue };
        let Some(folder) = line.get(at..).and_then(|path| Path::new(path).parent()) else { continue };
        if !folders.iter().any(|known| known == folder) {
            folders.push(folder.to_owned());
        }
    }
    folders
}

/// Where distributions keep libraries. Source: ld.so(8), and Debian's folders of an architecture.
const LIBRARIES: [&str; 6] =
    ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];
const PROGRAM: &str = "netloom";
const LOADER: &str = "loader";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gathered_runs_by_its_own_loader() {
        let payload = Payload::this().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let inside = dir.path().join(FOLDER);
        std::fs::create_dir(&inside).unwrap();
        for part in &payload.parts {
            let file = std::fs::read(&part.source).unwrap();
            let length = usize::try_from(part.length).unwrap();
            let path = inside.join(&part.name);
            std::fs::write(&path, &file[..length]).unwrap();
            let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&path, executable).unwrap();
        }
        let words: Vec<String> =
            payload.argv.iter().map(|word| word.replace("/.netloom", &inside.to_string_lossy())).collect();
        // The harness of these tests itself.
        let ran = std::process::Command::new(&words[0]).args(&words[1..]).arg("--list").output().unwrap();
        let text = String::from_utf8_lossy(&ran.stdout);
        assert!(text.contains("what_is_gathered_runs"), "{words:?}: {ran:?}");
    }

    #[test]
    fn what_is_installed_has_its_libraries_where_they_are() {
        let parts = installed(Path::new("/proc/self/exe"), "/usr/bin/x").unwrap();
        assert_eq!(parts[0].name, "/usr/bin/x");
        let same = |part: &Part| std::fs::metadata(&part.name).unwrap().len() >= part.length;
        assert!(parts[1..].iter().all(same), "{parts:?}");
        // The harness is linked with its loader's C library, or with nothing.
        assert!(parts.len() == 1 || parts.iter().any(|part| part.name.contains("libc.so")), "{parts:?}");
        assert!(installed(Path::new("/etc/passwd"), "/x").is_err());
    }

    #[test]
    fn folders_are_those_of_mapped_files() {
        let maps = "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/x/libc.so.6\n7f02 rw-p 0 0 0 [heap]\n\
            7f03 r--p 0 08:01 2 /usr/lib/x/libm.so.6\n7f04 r--p 0 08:01 3 /opt/a b/prog\n";
        assert_eq!(mapped_folders(maps), [PathBuf::from("/usr/lib/x"), PathBuf::from("/opt/a b")]);
    }
}

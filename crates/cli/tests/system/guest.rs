//! Another kernel: Debian's own, in a machine that QEMU emulates, from an initial file system of a test's own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::place::Place;

/// How long a guest may take to say its next line, emulated, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(75);

/// A running guest; killed when dropped.
pub(crate) struct Guest {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Guest {
    /// Starts `command`, which is QEMU with everything but kernel and initial file system.
    pub(crate) fn boot(mut command: Command, image: &Path, initrd: &Path) -> Self {
        command.args([
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-serial",
            "stdio",
            "-no-reboot",
        ]);
        command.arg("-kernel").arg(image).arg("-initrd").arg(initrd);
        command.args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, lines }
    }

    /// What the guest says until a line that ends with `word`; a line with `FAILED` in it is a failure.
    pub(crate) fn until(&self, word: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("the guest did not say {word}: {seen:#?}"));
            assert!(!line.contains("FAILED"), "{line}: {seen:#?}");
            if line.trim_end().ends_with(word) {
                return seen;
            }
            seen.push(line);
        }
    }
}

/// Debian's kernel on this machine, and its modules; `None`, said aloud, if something is missing.
pub(crate) fn kernel(wanted: &[&str]) -> Option<(PathBuf, PathBuf)> {
    let folders = std::fs::read_dir("/lib/modules").into_iter().flatten().flatten();
    let found = folders.map(|folder| folder.path()).find_map(|modules| {
        let version = modules.file_name()?.to_str()?.to_owned();
        let image = PathBuf::from(format!("/boot/vmlinuz-{version}"));
        let list = std::fs::read_to_string(modules.join("modules.dep")).ok()?;
        let has = |name: &str| list.contains(&format!("/{name}.ko"));
        (image.is_file() && wanted.iter().all(|name| has(name))).then_some((image, modules))
    });
    let programs = ["qemu-system-x86_64", "busybox", "cpio"];
    let lacks = |program: &&&str| Command::new(program).arg("--help").output().is_err();
    let missing = programs.iter().find(lacks);
    match (found, missing) {
        (Some(found), None) => Some(found),
        (found, missing) => {
            let packages = "qemu-system-x86, linux-image-cloud-amd64, busybox-static, cpio";
            eprintln!("skipped: kernel {found:?}, program {missing:?} missing (packages {packages})");
            None
        }
    }
}

/// Copies a file to the same place below `root`.
pub(crate) fn take(root: &Path, file: &Path) {
    let to = root.join(file.strip_prefix("/").unwrap());
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(file, to).unwrap();
}

/// The libraries that a program is linked with, its loader included.
pub(crate) fn libraries(program: &Path) -> Vec<PathBuf> {
    let done = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

pub(crate) fn which(program: &str) -> PathBuf {
    let folders = ["/bin", "/sbin", "/usr/bin", "/usr/sbin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{program} is missing"))
}

/// Modules in the order in which they can be loaded.
pub(crate) fn modules(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    let list = std::fs::read_to_string(folder.join("modules.dep")).unwrap();
    let mut order: Vec<PathBuf> = Vec::new();
    for name in names {
        let of =
            |line: &&str| line.split(':').next().is_some_and(|path| path.ends_with(&format!("/{name}.ko")));
        let line = list.lines().find(of).unwrap();
        // What it needs stands behind it, the first needed last.
        for path in line.split([':', ' ']).filter(|path| !path.is_empty()).rev() {
            let path = folder.join(path);
            if !order.contains(&path) {
                order.push(path);
            }
        }
    }
    order
}

/// Puts the script `init` beside what is in `root`, and packs it all as an initial file system.
pub(crate) fn pack(place: &Place, root: &Path, init: &str) -> PathBuf {
    let script = root.join("init");
    std::fs::File::create(&script).unwrap().write_all(init.as_bytes()).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let initrd = place.path("initrd");
    let pack = format!("cd {} && find . | cpio -o -H newc --quiet > {}", root.display(), initrd.display());
    assert!(Command::new("sh").args(["-c", &pack]).status().unwrap().success());
    initrd
}

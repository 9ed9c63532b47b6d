//! What this machine can do for virtual machines, tried: QEMU is asked for its version, and KVM boots a tiny payload.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use netloom_sys::clock;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::spec::Accel;

/// The program.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// The first version that has what we ask for (`-netdev dgram`).
pub const OLDEST: (u32, u32) = (7, 2);

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// QEMU.
    pub qemu: PathBuf,
    /// `7.2.22`
    pub version: String,
    /// Why there is no KVM; `None`: there is.
    pub no_kvm: Option<String>,
}

/// Virtual machines cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// QEMU is not installed.
    #[error("{PROGRAM} is not on this machine")]
    Missing,
    /// It does not say its version.
    #[error("{} does not say its version", .0.display())]
    Mute(PathBuf),
    /// Too old.
    #[error("{PROGRAM} is of version {version}; {}.{} is the oldest that will do", OLDEST.0, OLDEST.1)]
    Old {
        /// Its version.
        version: String,
    },
}

impl Probe {
    /// Looks for QEMU in `path`, as `PATH` has it, and tries KVM.
    ///
    /// # Errors
    /// [`ProbeError`].
    pub fn try_all(path: &str) -> Result<Self, ProbeError> {
        let qemu = find(path).ok_or(ProbeError::Missing)?;
        let said = Command::new(&qemu).arg("--version").stdin(Stdio::null()).output();
        let said = said.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        let version = version(&said).ok_or_else(|| ProbeError::Mute(qemu.clone()))?;
        if numbers(&version) < OLDEST {
            return Err(ProbeError::Old { version });
        }
        let no_kvm = try_kvm(&qemu).err();
        Ok(Self { qemu, version, no_kvm })
    }

    /// Who is to execute guests.
    #[must_use]
    pub const fn accel(&self) -> Accel {
        if self.no_kvm.is_none() { Accel::Kvm } else { Accel::Tcg }
    }
}

fn find(path: &str) -> Option<PathBuf> {
    path.split(':')
        .filter(|folder| !folder.is_empty())
        .map(|f| PathBuf::from(f).join(PROGRAM))
        .find(|p| p.is_file())
}

/// `QEMU emulator version 7.2.22 (Debian ...)`
fn version(said: &str) -> Option<String> {
    let word = said.split("version ").nth(1)?.split_whitespace().next()?;
    word.starts_with(|c: char| c.is_ascii_digit()).then(|| word.to_owned())
}

fn numbers(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// Boots the payload by KVM: it says a number to a device that ends QEMU with it.
fn try_kvm(qemu: &std::path::Path) -> Result<(), String> {
    if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
        return Err(format!("/dev/kvm: {error}"));
    }
    let firmware = firmware().map_err(|error| error.to_string())?;
    let mut command = Command::new(qemu);
    command.args([
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-machine",
        "pc,accel=kvm",
        "-m",
        "16M",
    ]);
    command.args(["-device", "isa-debug-exit,iobase=0xf4", "-bios", "/proc/self/fd/0"]);
    let child = command.stdin(firmware).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| error.to_string())?;
    match wait(&mut child) {
        Some(code) if code == SAID * 2 + 1 => Ok(()),
        Some(_) => {
            let mut said = String::new();
            if let Some(mut errors) = child.stderr.take() {
                let _ = std::io::Read::read_to_string(&mut errors, &mut said);
            }
            Err(said.lines().last().map_or("it ended without a word", str::trim).to_owned())
        }
        None => Err("the payload did not run".to_owned()),
    }
}

/// Firmware of 64 KiB, whose last 16 bytes are where a processor begins: `mov al, 42; out 0xf4, al; hlt`.
fn firmware() -> std::io::Result<File> {
    let mut bytes = vec![0xf4_u8; 64 << 10];
    let code = [0xb0, u8::try_from(SAID).unwrap_or(0), 0xe6, 0xf4, 0xf4];
    let reset = bytes.len() - 16;
    if let Some(start) = bytes.get_mut(reset..reset + code.len()) {
        start.copy_from_slice(&code);
    }
    let mut file = File::from(memfd_create("probe", MemfdFlags::CLOEXEC)?);
    file.write_all(&bytes)?;
    file.rewind()?;
    Ok(file)
}

/// The exit code; `None`: it did not end in time, and was killed.
fn wait(child: &mut Child) -> Option<i32> {
    let until = clock::now() + PATIENCE;
    while clock::now() < until {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status.code().unwrap_or(-1));
        }
        clock::sleep(5_000_000);
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

const SAID: i32 = 42;
/// A processor needs microseconds for it; QEMU itself a tenth of a second.
const PATIENCE: u64 = 5_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let said = "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)\nCopyright (c) 2003-2022";
        assert_eq!(version(said).as_deref(), Some("7.2.22"));
        assert_eq!(version("Hello"), None);
        assert!(numbers("10.0.2") > OLDEST && numbers("6.2.0") < OLDEST && numbers("7.2") == OLDEST);
    }

    #[test]
    fn who_has_no_qemu_is_told() {
        assert!(matches!(Probe::try_all("/nowhere:"), Err(ProbeError::Missing)));
    }

    #[test]
    fn the_firmware_begins_where_a_processor_does() {
        use std::io::Read;
        let mut bytes = Vec::new();
        firmware().unwrap().read_to_end(&mut bytes).unwrap();
        assert_eq!((bytes.len(), &bytes[0xfff0..0xfff5]), (0x1_0000, &[0xb0, 42, 0xe6, 0xf4, 0xf4][..]));
    }
}

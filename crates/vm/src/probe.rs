//! What this machine can do for virtual machines, tried: QEMU is asked for its version, and KVM boots a tiny payload.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use netloom_sys::clock;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::spec::{Accel, Board};

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
    /// What guests are to think of the processor where KVM works; else why it does not.
    pub kvm: Result<&'static str, String>,
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
        Self::of(find(path).ok_or(ProbeError::Missing)?)
    }

    /// Tries this QEMU, and KVM with it.
    ///
    /// # Errors
    /// [`ProbeError`].
    pub fn of(qemu: PathBuf) -> Result<Self, ProbeError> {
        let said = Command::new(&qemu).arg("--version").stdin(Stdio::null()).output();
        let said = said.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
        let version = version(&said).ok_or_else(|| ProbeError::Mute(qemu.clone()))?;
        if numbers(&version) < OLDEST {
            return Err(ProbeError::Old { version });
        }
        let kvm = try_kvm(&qemu);
        Ok(Self { qemu, version, kvm })
    }

    /// Whether it is of this version, major and minor, or newer.
    #[must_use]
    pub fn is_at_least(&self, version: (u32, u32)) -> bool {
        numbers(&self.version) >= version
    }

    /// Who is to execute guests.
    #[must_use]
    pub const fn accel(&self) -> Accel {
        match self.kvm {
            Ok(processor) => Accel::Kvm(processor),
            Err(_) => Accel::Tcg,
        }
    }

    /// Whether QEMU was built with a board, of which there are builds without some.
    #[must_use]
    pub fn has_board(&self, board: Board) -> bool {
        let said = Command::new(&self.qemu).args(["-machine", "help"]).stdin(Stdio::null()).output();
        said.is_ok_and(|out| lists(&String::from_utf8_lossy(&out.stdout), board.word()))
    }
}

/// Whether one of the lines, `microvm   microvm (i386)`, is of that name.
fn lists(said: &str, name: &str) -> bool {
    said.lines().any(|line| line.split_whitespace().next() == Some(name))
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

/// Boots the payload by KVM, as the processor itself or, where KVM does not let QEMU set all of that, without a part of it.
fn try_kvm(qemu: &std::path::Path) -> Result<&'static str, String> {
    if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
        return Err(format!("/dev/kvm: {error}"));
    }
    let mut why = String::new();
    for processor in PROCESSORS {
        match boot(qemu, processor)? {
            None => return Ok(processor),
            Some(said) => why = said,
        }
    }
    Err(why)
}

/// What QEMU calls the processors that are tried. Some of AMD's have no capabilities of Intel's to be set, and QEMU 7.2 sets them.
const PROCESSORS: [&str; 2] = ["host", "host,arch-capabilities=off"];

/// Boots the payload: it says a number to a device that ends QEMU with it. Else what QEMU said when it ended.
fn boot(qemu: &std::path::Path, processor: &str) -> Result<Option<String>, String> {
    let firmware = firmware().map_err(|error| error.to_string())?;
    let mut command = Command::new(qemu);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-m", "16M"]);
    command.args(["-machine", "q35,accel=kvm", "-cpu", processor]);
    command.args(["-device", "isa-debug-exit,iobase=0xf4", "-bios", "/proc/self/fd/0"]);
    let child = command.stdin(firmware).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| error.to_string())?;
    match wait(&mut child) {
        Some(code) if code == SAID * 2 + 1 => Ok(None),
        Some(_) => {
            let mut said = String::new();
            if let Some(mut errors) = child.stderr.take() {
                let _ = std::io::Read::read_to_string(&mut errors, &mut said);
            }
            Ok(Some(said.lines().next().map_or("it ended without a word", str::trim).to_owned()))
        }
        None => Err("a guest hangs as soon as it has page tables of its own".to_owned()),
    }
}

/// Firmware of 64 KiB. The processor begins 16 bytes before its end, which is a jump to [`PAYLOAD`].
fn firmware() -> std::io::Result<File> {
    let mut bytes = vec![0xf4_u8; 64 << 10];
    for (at, code) in [(AT, &PAYLOAD[..]), (0xfff0, &[0xe9, 0x0d, 0xf0][..])] {
        if let Some(place) = bytes.get_mut(at..at + code.len()) {
            place.copy_from_slice(code);
        }
    }
    let mut file = File::from(memfd_create("probe", MemfdFlags::CLOEXEC)?);
    file.write_all(&bytes)?;
    file.rewind()?;
    Ok(file)
}

/// Where the payload is in the firmware; the processor sees it at 0xff000.
const AT: usize = 0xf000;

/// What a kernel does first, as machine code: there are hypervisors below which KVM gets no further than that. It has page
/// tables made, goes to 64 bits, writes to 14 MiB of memory, and says [`SAID`].
const PAYLOAD: [u8; 166] = [
    // 16 bits: cli; ljmp 0xf000:0xf006; ds = 0
    0xfa, 0xea, 0x06, 0xf0, 0x00, 0xf0, 0x31, 0xc0, 0x8e, 0xd8, //
    // page tables: [0x1000] = 0x2003; [0x2000] = 0x3003
    0x66, 0xc7, 0x06, 0x00, 0x10, 0x03, 0x20, 0x00, 0x00, //
    0x66, 0xc7, 0x06, 0x00, 0x20, 0x03, 0x30, 0x00, 0x00, //
    // eight pages of 2 MiB from [0x3000]: eax = 0x83; di = 0x3000; cx = 8; loop: [di] = eax; eax += 2 MiB; di += 8
    0x66, 0xb8, 0x83, 0x00, 0x00, 0x00, 0xbf, 0x00, 0x30, 0xb9, 0x08, 0x00, //
    0x66, 0x89, 0x05, 0x66, 0x05, 0x00, 0x00, 0x20, 0x00, 0x83, 0xc7, 0x08, 0xe2, 0xf2, //
    // lgdt cs:0xf0a0; cr4 |= PAE; cr3 = 0x1000
    0x2e, 0x66, 0x0f, 0x01, 0x16, 0xa0, 0xf0, 0x0f, 0x20, 0xe0, 0x0c, 0x20, 0x0f, 0x22, 0xe0, //
    0x66, 0xb8, 0x00, 0x10, 0x00, 0x00, 0x0f, 0x22, 0xd8, //
    // EFER |= LME
    0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x0f, 0x32, 0x80, 0xcc, 0x01, 0x0f, 0x30, //
    // cr0 |= PG | PE; ljmp 8:0xff06f
    0x0f, 0x20, 0xc0, 0x66, 0x0d, 0x01, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, //
    0x66, 0xea, 0x6f, 0xf0, 0x0f, 0x00, 0x08, 0x00, //
    // 64 bits: edi = 1 MiB; loop: [rdi] = rdi; rdi += 4096; until 15 MiB
    0xbf, 0x00, 0x00, 0x10, 0x00, 0x48, 0x89, 0x3f, 0x48, 0x81, 0xc7, 0x00, 0x10, 0x00, 0x00, //
    0x48, 0x81, 0xff, 0x00, 0x00, 0xf0, 0x00, 0x72, 0xed, //
    // al = 42; out 0xf4, al; hlt; padding
    0xb0, 0x2a, 0xe6, 0xf4, 0xf4, 0x0f, 0x1f, 0x40, 0x00, //
    // descriptors: none; code of 64 bits. Their length less one, and address
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9a, 0x20, 0x00, //
    0x0f, 0x00, 0x90, 0xf0, 0x0f, 0x00,
];

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
const PATIENCE: u64 = 2_000_000_000;

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
    fn boards_are_looked_for_by_their_whole_name() {
        let said =
            "Supported machines are:\nmicrovm              microvm (i386)\nq35    (alias of pc-q35-7.2)\n";
        assert!(lists(said, "microvm") && lists(said, "q35"));
        assert!(!lists(said, "micro") && !lists(said, "(i386)") && !lists("", "q35"));
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
        // From behind the jump to the payload.
        let way = i16::from_le_bytes([bytes[0xfff1], bytes[0xfff2]]);
        assert_eq!(
            (bytes.len(), bytes[0xfff0], 0xfff3_usize.wrapping_add_signed(way.into())),
            (0x1_0000, 0xe9, AT)
        );
        assert!(PAYLOAD.windows(4).any(|code| code == [0xb0, u8::try_from(SAID).unwrap(), 0xe6, 0xf4]));
    }
}

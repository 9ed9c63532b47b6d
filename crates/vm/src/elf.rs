//! What a program needs to run elsewhere: its loader, its libraries, and how much of its file counts.
//!
//! Only 64-bit little-endian files are read, those of the machines QEMU's `x86_64` is.
//!
//! Source: System V ABI, ELF-64 object file format.

/// What was read of a program or library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// The loader, `PT_INTERP`; `None`: it needs none.
    pub loader: Option<String>,
    /// Names of the libraries it needs at once, `DT_NEEDED`.
    pub needed: Vec<String>,
    /// Bytes of the file that are loaded: behind them are only symbols and words for debuggers.
    pub loaded: u64,
}

/// The file is not one that could run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotElf {
    /// Not an ELF file of 64 bits, little-endian.
    #[error("Not a program of 64 bits")]
    Magic,
    /// Something it points to is not there.
    #[error("A program that is cut off")]
    Truncated,
}

#[derive(Debug, Clone, Copy)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

/// Reads a file.
///
/// # Errors
/// [`NotElf`].
pub fn parse(file: &[u8]) -> Result<Elf, NotElf> {
    if file.get(..6) != Some(&[0x7f, b'E', b'L', b'F', 2, 1][..]) {
        return Err(NotElf::Magic);
    }
    let segments = segments(file)?;
    let end = |segment: &Segment| segment.offset.checked_add(segment.size).ok_or(NotElf::Truncated);
    let headers = word(file, 32)?.saturating_add(u64::from(half(file, 54)?) * u64::from(half(file, 56)?));
    let mut loaded = headers;
    for segment in segments.iter().filter(|segment| segment.kind == PT_LOAD) {
        loaded = loaded.max(end(segment)?);
    }
    if loaded > file.len() as u64 {
        return Err(NotElf::Truncated);
    }
    let of_kind = |kind: u32| segments.iter().find(|segment| segment.kind == kind);
    let loader = of_kind(PT_INTERP).map(|at| text(file, at.offset)).transpose()?;
    let needed = of_kind(PT_DYNAMIC).map(|at| needed(file, at, &segments)).transpose()?.unwrap_or_default();
    Ok(Elf { loader, needed, loaded })
}

/// Where the notes of a file are whose beginning is given: the offset and bytes of each part.
///
/// # Errors
/// [`NotElf`]; the program headers must be in it.
pub fn notes(head: &[u8]) -> Result<Vec<(u64, u64)>, NotElf> {
    if head.get(..6) != Some(&[0x7f, b'E', b'L', b'F', 2, 1][..]) {
        return Err(NotElf::Magic);
    }
    let all = segments(head)?.into_iter().filter(|segment| segment.kind == PT_NOTE);
    Ok(all.map(|segment| (segment.offset, segment.size)).collect())
}

/// What the note of this owner and kind says. Notes: bytes of the owner's name, bytes of what it says, kind, each u32, then
/// both, each filled up to 4 bytes.
#[must_use]
pub fn note<'n>(mut notes: &'n [u8], owner: &[u8], kind: u32) -> Option<&'n [u8]> {
    loop {
        let number = |at: usize| notes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
        let [name, said] = [number(0)?, number(4)?].map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        let from = 12_usize.checked_add(name.checked_next_multiple_of(4)?)?;
        let content = notes.get(from..from.checked_add(said)?)?;
        if number(8)? == kind && notes.get(12..12 + name)?.strip_suffix(b"\0") == Some(owner) {
            return Some(content);
        }
        notes = notes.get(from.checked_add(said.checked_next_multiple_of(4)?)?..)?;
    }
}

/// Program headers: kind u32, flags u32, offset, address, physical address, size in the file, ... u64.
fn segments(file: &[u8]) -> Result<Vec<Segment>, NotElf> {
    let (start, size, count) = (word(file, 32)?, u64::from(half(file, 54)?), u64::from(half(file, 56)?));
    let segment = |n: u64| {
        let at = n.checked_mul(size).and_then(|at| at.checked_add(start)).ok_or(NotElf::Truncated)?;
        let kind = u32::try_from(word(file, at)? & 0xffff_ffff).unwrap_or(0);
        let field = |by: u64| word(file, at.checked_add(by).ok_or(NotElf::Truncated)?);
        Ok(Segment { kind, offset: field(8)?, address: field(16)?, size: field(32)? })
    };
    (0..count).map(segment).collect()
}

/// The dynamic section is pairs of a tag and a value; names are offsets into the table of strings, which has an address.
fn needed(file: &[u8], dynamic: &Segment, segments: &[Segment]) -> Result<Vec<String>, NotElf> {
    let (mut names, mut strings) = (Vec::new(), None);
    for n in 0..dynamic.size / 16 {
        let at = dynamic.offset.checked_add(n * 16).ok_or(NotElf::Truncated)?;
        let (tag, value) = (word(file, at)?, word(file, at.checked_add(8).ok_or(NotElf::Truncated)?)?);
        match tag {
            DT_NULL => break,
            DT_NEEDED => names.push(value),
            DT_STRTAB => strings = Some(value),
            _ => {}
        }
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let strings = strings.ok_or(NotElf::Truncated)?;
    let holds = |segment: &&Segment| {
        let inside = strings.checked_sub(segment.address);
        segment.kind == PT_LOAD && inside.is_some_and(|inside| inside < segment.size)
    };
    let home = segments.iter().find(holds).ok_or(NotElf::Truncated)?;
    let table = home.offset.checked_add(strings - home.address).ok_or(NotElf::Truncated)?;
    names.into_iter().map(|name| text(file, table.checked_add(name).ok_or(NotElf::Truncated)?)).collect()
}

fn half(file: &[u8], at: u64) -> Result<u16, NotElf> {
    bytes(file, at).map(u16::from_le_bytes)
}

fn word(file: &[u8], at: u64) -> Result<u64, NotElf> {
    bytes(file, at).map(u64::from_le_bytes)
}

fn bytes<const N: usize>(file: &[u8], at: u64) -> Result<[u8; N], NotElf> {
    let at = usize::try_from(at).map_err(|_| NotElf::Truncated)?;
    file.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(NotElf::Truncated)
}

/// A text that ends with a zero byte.
fn text(file: &[u8], at: u64) -> Result<String, NotElf> {
    let at = usize::try_from(at).map_err(|_| NotElf::Truncated)?;
    let rest = file.get(at..).ok_or(NotElf::Truncated)?;
    let end = rest.iter().take(4096).position(|byte| *byte == 0).ok_or(NotElf::Truncated)?;
    Ok(String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned())
}

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_is_understood() {
        let file = std::fs::read("/proc/self/exe").unwrap();
        let elf = parse(&file).unwrap();
        assert!(elf.loaded > 0 && elf.loaded <= file.len() as u64);
        // Linked statically it needs nobody.
        if elf.loader.is_some() {
            assert!(elf.needed.iter().any(|name| name.starts_with("libc.so")), "{elf:?}");
            // What is loaded is enough to say so.
            let cut = &file[..usize::try_from(elf.loaded).unwrap()];
            assert_eq!(parse(cut), Ok(elf));
        }
    }

    #[test]
    fn other_files_and_cut_ones_are_refused() {
        assert_eq!(parse(b"#!/bin/sh\n"), Err(NotElf::Magic));
        let file = std::fs::read("/proc/self/exe").unwrap();
        for length in (0..4096).step_by(7) {
            assert!(parse(&file[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn notes_are_told_apart_by_owner_and_kind() {
        let note_of = |owner: &[u8], kind: u32, said: &[u8]| {
            let mut bytes = Vec::new();
            let bytes_of = |part: &[u8]| u32::try_from(part.len()).unwrap();
            for number in [bytes_of(owner), bytes_of(said), kind] {
                bytes.extend(number.to_le_bytes());
            }
            for part in [owner, said] {
                bytes.extend(part);
                bytes.resize(bytes.len().next_multiple_of(4), 0);
            }
            bytes
        };
        let all = [note_of(b"Xen\0", 6, b"linux\0"), note_of(b"Linux\0", 0x100, b"6.1.0\0")].concat();
        assert_eq!(note(&all, b"Linux", 0x100), Some(&b"6.1.0\0"[..]));
        assert_eq!(note(&all, b"Xen", 6), Some(&b"linux\0"[..]));
        assert_eq!((note(&all, b"Xen", 7), note(&all, b"Lin", 0x100)), (None, None));
        for length in 0..all.len() {
            assert!(note(&all[..length], b"Linux", 0x100).is_none() || length >= all.len() - 2, "{length}");
        }
        assert_eq!(note(&[0xff; 64], b"Xen", 6), None);
        // Those of this program are where its headers say.
        let file = std::fs::read("/proc/self/exe").unwrap();
        let found = notes(&file[..4_096]).unwrap();
        assert!(found.iter().all(|(offset, size)| offset + size <= file.len() as u64), "{found:?}");
        assert_eq!(notes(b"#!/bin/sh"), Err(NotElf::Magic));
    }

    proptest::proptest! {
        #[test]
        fn no_notes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..128), kind in 0_u32..4) {
            let _ = (note(&bytes, b"Xen", kind), notes(&bytes));
        }

        #[test]
        fn no_file_makes_it_panic(mut file in proptest::collection::vec(proptest::num::u8::ANY, 6..512)) {
            file[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
            let _ = parse(&file);
        }
    }
}

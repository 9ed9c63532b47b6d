//! Initial file systems: the `newc` form of cpio, which the kernel unpacks.
//!
//! A member is a header of 110 bytes (`070701` and thirteen numbers of eight hexadecimal digits), its name with a zero
//! byte, and its bytes; name and bytes are each filled up to a multiple of four. The last member is called `TRAILER!!!`.
//!
//! Source: Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::io::{self, Read, Write};

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Kind and permissions, as in `st_mode`.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The number of the device, major and minor, of one that is a device.
    pub device: (u32, u32),
}

/// A regular file.
pub const FILE: u32 = 0o100_000;
/// A directory.
pub const DIRECTORY: u32 = 0o040_000;
/// A symbolic link.
pub const LINK: u32 = 0o120_000;
/// A character device.
pub const CHARACTERS: u32 = 0o020_000;

/// Writes an archive.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    members: u32,
    at: u64,
}

impl<W: Write> Writer<W> {
    /// An empty archive.
    pub const fn new(to: W) -> Self {
        Self { to, members: 0, at: 0 }
    }

    /// Adds a member whose bytes are at hand. `name` is relative, without a `/` in front.
    ///
    /// # Errors
    /// The writer's; `InvalidInput` for bytes beyond 4 GiB, which the form cannot hold.
    pub fn add(&mut self, name: &[u8], meta: Meta, bytes: &[u8]) -> io::Result<()> {
        self.add_from(name, meta, bytes.len() as u64, &mut &*bytes)
    }

    /// Adds a member of `length` bytes from a reader: what it lacks of them is zeros, what it has more is left.
    ///
    /// # Errors
    /// The reader's and the writer's; `InvalidInput` for bytes beyond 4 GiB, which the form cannot hold.
    pub fn add_from(&mut self, name: &[u8], meta: Meta, length: u64, from: &mut dyn Read) -> io::Result<()> {
        let too_long = || io::Error::from(io::ErrorKind::InvalidInput);
        let size = u32::try_from(length).map_err(|_| too_long())?;
        let name_size = u32::try_from(name.len() + 1).map_err(|_| too_long())?;
        self.members += 1;
        let fields = [
            self.members,
            meta.mode,
            meta.uid,
            meta.gid,
            if meta.mode & DIRECTORY == DIRECTORY { 2 } else { 1 },
            0, // when it was changed: the same archive from the same files
            size,
            0,
            0,
            meta.device.0,
            meta.device.1,
            name_size,
            0,
        ];
        let mut header = b"070701".to_vec();
        for field in fields {
            header.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        header.extend_from_slice(name);
        header.push(0);
        self.write(&header)?;
        self.fill()?;
        let written = io::copy(&mut from.take(length), &mut self.to)?;
        self.at += written;
        let mut missing = length - written;
        while missing > 0 {
            let part = missing.min(ZEROS.len() as u64);
            self.write(ZEROS.get(..usize::try_from(part).unwrap_or_default()).unwrap_or_default())?;
            missing -= part;
        }
        self.fill()
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// The writer's.
    pub fn finish(mut self) -> io::Result<W> {
        self.add(b"TRAILER!!!", Meta { mode: 0, uid: 0, gid: 0, device: (0, 0) }, &[])?;
        self.to.flush()?;
        Ok(self.to)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.to.write_all(bytes)
    }

    /// Zeros up to the next multiple of four.
    fn fill(&mut self) -> io::Result<()> {
        let missing = usize::try_from((4 - self.at % 4) % 4).unwrap_or_default();
        self.write(ZEROS.get(..missing).unwrap_or_default())
    }
}

const ZEROS: [u8; 4096] = [0; 4096];

#[cfg(test)]
mod tests {
    use super::*;

    const META: Meta = Meta { mode: FILE | 0o644, uid: 1, gid: 2, device: (0, 0) };

    #[test]
    fn a_member_is_laid_out_as_the_kernel_reads_it() {
        let mut writer = Writer::new(Vec::new());
        writer.add(b"abc", META, b"12345").unwrap();
        let bytes = writer.finish().unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let header = "070701\
            00000001000081a40000000100000002000000010000000000000005\
            0000000000000000000000000000000000000004\
            00000000";
        assert!(text.starts_with(header), "{text}");
        assert_eq!(&bytes[110..116], b"abc\0\0\0".get(..6).unwrap(), "110 + 4 is filled up to 116");
        assert_eq!(&bytes[116..124], b"12345\0\0\0");
        assert!(text.contains("TRAILER!!!"));
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn a_file_that_got_shorter_is_filled_with_zeros() {
        let mut writer = Writer::new(Vec::new());
        writer.add_from(b"abc", META, 8, &mut &b"12"[..]).unwrap();
        assert_eq!(&writer.to[116..124], b"12\0\0\0\0\0\0");
        writer.add_from(b"abc", META, 2, &mut &b"1234"[..]).unwrap();
        assert_eq!(writer.to.len(), 124 + 116 + 4);
    }
}

//! Reads tar files of strangers, entry by entry: ustar, pax and GNU, as Go and GNU tar write them.
//!
//! ```text
//! | header 512 | data, filled up to 512 | header 512 | ..   | 512 zeros | 512 zeros |
//! header: name 100, mode 8, uid 8, gid 8, size 12, mtime 12, checksum 8, type 1, link 100, magic 8, user 32, group 32,
//!         major 8, minor 8, prefix 155
//! ```
//!
//! Every length is bounded before anything of it is kept, so that memory stays small whatever the headers say.
//! Deliberately missing: sparse files and continued volumes, which no image builder writes; they are refused.
//!
//! Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; the GNU tar manual, "Basic Tar Format".

use std::ffi::CString;
use std::io::{self, Read};

/// An entry: everything but its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path, as it stands there.
    pub path: CString,
    /// What it is.
    pub kind: Kind,
    /// Permissions, with setuid, setgid and sticky bit.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Time of last change: seconds since 1970, nanoseconds.
    pub time: (i64, u32),
    /// Extended attributes.
    pub attributes: Vec<(CString, Vec<u8>)>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A file of so many bytes.
    File(u64),
    /// Another name of an earlier entry.
    HardLink(CString),
    /// A symbolic link.
    Link(CString),
    /// A character device: major, minor.
    Character(u32, u32),
    /// A block device: major, minor.
    Block(u32, u32),
    /// A directory.
    Dir,
    /// A named pipe.
    Fifo,
}

/// Why a tar file cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The bytes do not come.
    #[error("it cannot be read: {0}")]
    Read(#[source] io::Error),
    /// It ends within an entry.
    #[error("it ends in the middle of an entry")]
    Truncated,
    /// The header's sum is wrong: not a tar file, or damaged.
    #[error("it is not a tar file, or damaged: the sum of a header is wrong")]
    Checksum,
    /// A number is none, or too large.
    #[error("a header is damaged: bad {0}")]
    Field(&'static str),
    /// Something that is not understood.
    #[error("it has {0}, which no image should")]
    Unsupported(&'static str),
    /// An unknown type of entry.
    #[error("it has an entry of the unknown type {0:?}")]
    Type(char),
    /// Longer than it may be.
    #[error("the {what} of an entry has more than {most} bytes")]
    Long {
        /// Path, link, extended header.
        what: &'static str,
        /// The bound.
        most: u64,
    },
}

const BLOCK: usize = 512;
/// `PATH_MAX` without the closing 0.
const LONGEST_PATH: usize = 4095;
/// An extended header holds paths and attributes: one attribute has 64 KiB at most, all of a file fit a block or two.
const LONGEST_HEADER: u64 = 1 << 20;

/// The entries of a tar file.
#[derive(Debug)]
pub struct Archive<R> {
    inner: R,
    /// Bytes of the current entry's data that were not read yet.
    data: u64,
    /// Bytes that fill up its last block.
    fill: u64,
    ended: bool,
    global: Extra,
}

impl<R: Read> Archive<R> {
    /// Of what `inner` gives.
    pub fn new(inner: R) -> Self {
        Self { inner, data: 0, fill: 0, ended: false, global: Extra::default() }
    }

    /// The next entry; what was not read of the last one's data is passed over. `None` at the end.
    ///
    /// # Errors
    /// [`TarError`]; there is no going on after one.
    pub fn advance(&mut self) -> Result<Option<Entry>, TarError> {
        let mut extra = Extra::default();
        loop {
            let rest = self.data + self.fill;
            self.skip(rest)?;
            (self.data, self.fill) = (0, 0);
            let Some(header) = self.header()? else { return Ok(None) };
            let size = number(field(&header, 124, 12), "size")?;
            match header.get(156).copied().unwrap_or_default() {
                b'x' => extra.read_pax(&self.long(size, "extended header", LONGEST_HEADER)?)?,
                b'g' => {
                    let text = self.long(size, "extended header", LONGEST_HEADER)?;
                    self.global.read_pax(&text)?;
                }
                b'L' => extra.path = Some(self.long(size, "path", LONGEST_PATH as u64 + 1)?),
                b'K' => extra.link = Some(self.long(size, "link", LONGEST_PATH as u64 + 1)?),
                kind => return self.entry(&header, kind, size, extra).map(Some),
            }
        }
    }

    /// The data of the entry that [`advance`](Self::advance) gave last.
    pub fn data(&mut self) -> Data<'_, R> {
        Data { archive: self }
    }

    /// What is left once the last entry was read, so that a digest over the whole can be computed.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn header(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        if self.ended {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        match fill(&mut self.inner, &mut block)? {
            BLOCK => {}
            // Some writers leave out the zeros at the end.
            0 => return Ok(self.end()),
            _ => return Err(TarError::Truncated),
        }
        if block.iter().all(|byte| *byte == 0) {
            return Ok(self.end());
        }
        check_sum(&block)?;
        Ok(Some(block))
    }

    fn end(&mut self) -> Option<[u8; BLOCK]> {
        self.ended = true;
        None
    }

    fn entry(&mut self, header: &[u8; BLOCK], kind: u8, size: u64, own: Extra) -> Result<Entry, TarError> {
        let extra = own.over(&self.global);
        let path = match extra.path {
            Some(path) => path,
            None => ustar_path(header),
        };
        let is_dir = path.ends_with(b"/");
        let link = extra.link.unwrap_or_else(|| text(field(header, 157, 100)).to_vec());
        let link = || c_string(link, "link");
        let device = || {
            let number = |at, what| small(number(field(header, at, 8), what)?, what);
            Ok::<_, TarError>((number(329, "device")?, number(337, "device")?))
        };
        let kind = match kind {
            // Before POSIX a slash at the end was what made a directory.
            0 | b'0' if is_dir => Kind::Dir,
            0 | b'0' | b'7' => Kind::File(extra.size.unwrap_or(size)),
            b'1' => Kind::HardLink(link()?),
            b'2' => Kind::Link(link()?),
            b'3' => device().map(|(major, minor)| Kind::Character(major, minor))?,
            b'4' => device().map(|(major, minor)| Kind::Block(major, minor))?,
            b'5' => Kind::Dir,
            b'6' => Kind::Fifo,
            b'S' => return Err(TarError::Unsupported("sparse files")),
            b'M' | b'V' => return Err(TarError::Unsupported("parts of several volumes")),
            other => return Err(TarError::Type(char::from(other))),
        };
        if let Kind::File(size) = kind {
            self.data = size;
            self.fill = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
            // A size near the end of all numbers must not wrap around to a small one.
            size.checked_add(BLOCK as u64).ok_or(TarError::Field("size"))?;
        }
        let mode = small(number(field(header, 100, 8), "mode")? & 0o7777, "mode")?;
        let uid = extra.uid.map_or_else(|| small(number(field(header, 108, 8), "uid")?, "uid"), Ok)?;
        let gid = extra.gid.map_or_else(|| small(number(field(header, 116, 8), "gid")?, "gid"), Ok)?;
        let time = match extra.time {
            Some(time) => time,
            None => (signed(field(header, 136, 12))?, 0),
        };
        Ok(Entry { path: c_string(path, "path")?, kind, mode, uid, gid, time, attributes: extra.attributes })
    }

    /// Reads the data of an extended header.
    fn long(&mut self, size: u64, what: &'static str, most: u64) -> Result<Vec<u8>, TarError> {
        if size > most {
            return Err(TarError::Long { what, most });
        }
        let mut text = Vec::new();
        self.inner.by_ref().take(size).read_to_end(&mut text).map_err(TarError::Read)?;
        if (text.len() as u64) < size {
            return Err(TarError::Truncated);
        }
        self.fill = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        Ok(text)
    }

    fn skip(&mut self, bytes: u64) -> Result<(), TarError> {
        if bytes == 0 {
            return Ok(());
        }
        let passed =
            io::copy(&mut self.inner.by_ref().take(bytes), &mut io::sink()).map_err(TarError::Read)?;
        if passed < bytes { Err(TarError::Truncated) } else { Ok(()) }
    }
}

/// Reads the data of one entry.
#[derive(Debug)]
pub struct Data<'a, R> {
    archive: &'a mut Archive<R>,
}

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.archive.data).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.archive.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        if n == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.archive.data -= n as u64;
        Ok(n)
    }
}

/// What extended headers say in place of the header after them.
#[derive(Debug, Clone, Default)]
struct Extra {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    time: Option<(i64, u32)>,
    attributes: Vec<(CString, Vec<u8>)>,
}

impl Extra {
    fn over(mut self, global: &Self) -> Self {
        self.path = self.path.or_else(|| global.path.clone());
        self.link = self.link.or_else(|| global.link.clone());
        self.size = self.size.or(global.size);
        self.uid = self.uid.or(global.uid);
        self.gid = self.gid.or(global.gid);
        self.time = self.time.or(global.time);
        if self.attributes.is_empty() {
            self.attributes.clone_from(&global.attributes);
        }
        self
    }

    /// Records `LENGTH KEY=VALUE\n`, the length being that of the whole record in decimal.
    fn read_pax(&mut self, mut text: &[u8]) -> Result<(), TarError> {
        while !text.is_empty() {
            let bad = || TarError::Field("extended header");
            let blank = text.iter().take(8).position(|byte| *byte == b' ').ok_or_else(bad)?;
            let (digits, _) = text.split_at(blank);
            let length: usize = decimal(digits).ok_or_else(bad)?;
            let record = text.get(blank + 1..length).ok_or_else(bad)?;
            let record = record.strip_suffix(b"\n").ok_or_else(bad)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(bad)?;
            let (key, value) = record.split_at(equals);
            self.take(key, value.get(1..).unwrap_or_default())?;
            text = text.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> Result<(), TarError> {
        let number = |what| decimal::<u64>(value).ok_or(TarError::Field(what));
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(number("size")?),
            b"uid" => self.uid = Some(small(number("uid")?, "uid")?),
            b"gid" => self.gid = Some(small(number("gid")?, "gid")?),
            b"mtime" => self.time = Some(pax_time(value).ok_or(TarError::Field("mtime"))?),
            _ if key.starts_with(b"GNU.sparse.") => return Err(TarError::Unsupported("sparse files")),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.attributes.push((c_string(name.to_vec(), "attribute")?, value.to_vec()));
                }
            }
        }
        Ok(())
    }
}

fn field(header: &[u8; BLOCK], at: usize, length: usize) -> &[u8] {
    header.get(at..at + length).unwrap_or_default()
}

/// The text up to the first 0.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn ustar_path(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(field(header, 0, 100));
    // GNU's own format has other things where ustar has the prefix.
    let prefix = if field(header, 257, 6) == b"ustar\0" { text(field(header, 345, 155)) } else { b"" };
    if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() }
}

fn c_string(mut bytes: Vec<u8>, what: &'static str) -> Result<CString, TarError> {
    // GNU writes the closing 0 of long names.
    if bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.len() > LONGEST_PATH {
        return Err(TarError::Long { what, most: LONGEST_PATH as u64 });
    }
    CString::new(bytes).map_err(|_| TarError::Field(what))
}

/// Octal digits among blanks and zeros, or with the first bit set a big-endian number (GNU).
fn number(field: &[u8], what: &'static str) -> Result<u64, TarError> {
    let bad = || TarError::Field(what);
    if let Some((first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        let mut value = u64::from(first & 0x7f);
        for byte in rest {
            value = value.checked_mul(256).ok_or_else(bad)? + u64::from(*byte);
        }
        return Ok(value);
    }
    let digits = field.trim_ascii();
    let digits = text(digits).trim_ascii();
    let mut value: u64 = 0;
    for digit in digits {
        if !(b'0'..=b'7').contains(digit) {
            return Err(bad());
        }
        value = value.checked_mul(8).ok_or_else(bad)? + u64::from(digit - b'0');
    }
    Ok(value)
}

/// A time: before 1970 GNU writes the two's complement, of which the last eight bytes say it all.
fn signed(field: &[u8]) -> Result<i64, TarError> {
    if field.first() == Some(&0xff) {
        let last: [u8; 8] = field.last_chunk().copied().ok_or(TarError::Field("mtime"))?;
        return Ok(i64::from_be_bytes(last));
    }
    i64::try_from(number(field, "mtime")?).map_err(|_| TarError::Field("mtime"))
}

fn small(value: u64, what: &'static str) -> Result<u32, TarError> {
    u32::try_from(value).map_err(|_| TarError::Field(what))
}

fn decimal<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(digits).ok()?;
    // `parse` would also take a sign.
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) { None } else { text.parse().ok() }
}

/// `-12.345`: seconds and nanoseconds, the latter never negative.
fn pax_time(value: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = part.chars().chain("000000000".chars()).take(9).collect();
    let nanoseconds: u32 = decimal(digits.as_bytes())?;
    if whole.starts_with('-') && nanoseconds > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanoseconds));
    }
    Some((seconds, nanoseconds))
}

/// The sum of all bytes, those of the sum itself taken as blanks. Old writers took bytes as signed.
fn check_sum(header: &[u8; BLOCK]) -> Result<(), TarError> {
    let wanted = number(field(header, 148, 8), "sum").map_err(|_| TarError::Checksum)?;
    let bytes =
        || header.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    let plain: u64 = bytes().map(u64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
    if plain == wanted || u64::try_from(signed) == Ok(wanted) { Ok(()) } else { Err(TarError::Checksum) }
}

/// Reads until the block is full or there is no more.
fn fill(from: &mut impl Read, block: &mut [u8]) -> Result<usize, TarError> {
    let mut have = 0;
    while let Some(rest) = block.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(n) => have += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(TarError::Read(error)),
        }
    }
    Ok(have)
}

/// Writes tar files, for tests and for the builder of test images.
#[cfg(any(test, feature = "testing"))]
pub mod build {
    use super::BLOCK;

    /// A tar file in the making.
    #[derive(Debug, Default, Clone)]
    pub struct Builder {
        out: Vec<u8>,
    }

    impl Builder {
        /// Adds an entry of the type `kind` with these permissions.
        #[must_use]
        pub fn entry(mut self, kind: u8, path: &str, mode: u32, link: &str, data: &[u8]) -> Self {
            self.header(kind, path.as_bytes(), mode, link.as_bytes(), data.len() as u64);
            self.data(data);
            self
        }

        /// Adds a file.
        #[must_use]
        pub fn file(self, path: &str, mode: u32, data: &[u8]) -> Self {
            self.entry(b'0', path, mode, "", data)
        }

        /// Adds a directory.
        #[must_use]
        pub fn dir(self, path: &str, mode: u32) -> Self {
            self.entry(b'5', path, mode, "", b"")
        }

        /// Adds a symbolic link.
        #[must_use]
        pub fn link(self, path: &str, to: &str) -> Self {
            self.entry(b'2', path, 0o777, to, b"")
        }

        /// Adds another name of the file `to`.
        #[must_use]
        pub fn hard_link(self, path: &str, to: &str) -> Self {
            self.entry(b'1', path, 0o644, to, b"")
        }

        /// Adds an extended header for the next entry.
        #[must_use]
        pub fn pax(self, records: &[(&str, &[u8])]) -> Self {
            let mut data = Vec::new();
            for (key, value) in records {
                let rest = key.len() + value.len() + 3;
                let mut length = rest + 1;
                while length != rest + length.to_string().len() {
                    length = rest + length.to_string().len();
                }
                data.extend(format!("{length} {key}=").into_bytes());
                data.extend(*value);
                data.push(b'\n');
            }
            self.entry(b'x', "pax", 0o644, "", &data)
        }

        /// A header without data, of a size of one's own choice.
        pub fn header(&mut self, kind: u8, path: &[u8], mode: u32, link: &[u8], size: u64) {
            let mut header = [0_u8; BLOCK];
            let mut put = |at: usize, bytes: &[u8]| {
                for (to, from) in header.iter_mut().skip(at).zip(bytes) {
                    *to = *from;
                }
            };
            put(0, path);
            put(100, format!("{mode:07o}").as_bytes());
            put(108, b"0000000");
            put(116, b"0000000");
            put(124, format!("{size:011o}").as_bytes());
            put(136, b"00000001750");
            put(148, b"        ");
            put(156, &[kind]);
            put(157, link);
            put(257, b"ustar\x0000");
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            for (to, from) in header.iter_mut().skip(148).zip(format!("{sum:06o}\0").as_bytes()) {
                *to = *from;
            }
            self.out.extend(header);
        }

        fn data(&mut self, data: &[u8]) {
            self.out.extend(data);
            self.out.resize(self.out.len().next_multiple_of(BLOCK), 0);
        }

        /// The whole.
        #[must_use]
        pub fn finish(mut self) -> Vec<u8> {
            self.out.extend([0; 2 * BLOCK]);
            self.out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::build::Builder;
    use super::*;

    fn entries(bytes: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, TarError> {
        let mut archive = Archive::new(bytes);
        let mut out = Vec::new();
        while let Some(entry) = archive.advance()? {
            let mut data = Vec::new();
            archive.data().take(1 << 20).read_to_end(&mut data).map_err(TarError::Read)?;
            out.push((entry, data));
        }
        Ok(out)
    }

    #[test]
    fn all_kinds_are_read() {
        let tar = Builder::default()
            .dir("etc/", 0o755)
            .file("etc/a", 0o4755, b"text")
            .link("etc/b", "a")
            .hard_link("etc/c", "etc/a")
            .entry(b'3', "dev", 0o600, "", b"")
            .entry(b'6', "pipe", 0o600, "", b"")
            .entry(b'0', "old/", 0o700, "", b"")
            .finish();
        let read = entries(&tar).unwrap();
        let kinds: Vec<_> = read.iter().map(|(entry, _)| entry.kind.clone()).collect();
        let wanted = [
            Kind::Dir,
            Kind::File(4),
            Kind::Link(c"a".into()),
            Kind::HardLink(c"etc/a".into()),
            Kind::Character(0, 0),
            Kind::Fifo,
            Kind::Dir,
        ];
        assert_eq!(kinds, wanted);
        let (entry, data) = &read[1];
        assert_eq!((entry.path.as_c_str(), entry.mode, entry.time), (c"etc/a", 0o4755, (1000, 0)));
        assert_eq!(data, b"text");
    }

    #[test]
    fn extended_headers_hold_for_the_next_entry_only() {
        let long = "d/".repeat(200) + "x";
        let tar = Builder::default()
            .pax(&[
                ("path", long.as_bytes()),
                ("uid", b"4000000000"),
                ("mtime", b"-1.25"),
                ("SCHILY.xattr.security.capability", &[1, 0, 0, 2, b'\n', 0]),
            ])
            .file("short", 0o644, b"")
            .file("next", 0o644, b"")
            .finish();
        let read = entries(&tar).unwrap();
        let (first, second) = (&read[0].0, &read[1].0);
        assert_eq!(first.path.to_str(), Ok(long.as_str()));
        assert_eq!((first.uid, first.time), (4_000_000_000, (-2, 750_000_000)));
        assert_eq!(first.attributes, [(c"security.capability".into(), vec![1, 0, 0, 2, b'\n', 0])]);
        assert_eq!((second.path.as_c_str(), second.uid), (c"next", 0));
        assert!(second.attributes.is_empty());
    }

    #[test]
    fn long_names_of_gnu_are_read() {
        let long = "a".repeat(300) + "\0";
        let tar = Builder::default()
            .entry(b'L', "././@LongLink", 0o644, "", long.as_bytes())
            .file("aaa", 0o644, b"")
            .finish();
        assert_eq!(entries(&tar).unwrap()[0].0.path.as_bytes(), "a".repeat(300).as_bytes());
    }

    #[test]
    fn lengths_are_bounded_before_memory_is_taken() {
        let mut endless = Builder::default();
        endless.header(b'L', b"x", 0o644, b"", 8 << 30);
        assert!(matches!(entries(&endless.finish()), Err(TarError::Long { .. })));
        let mut endless = Builder::default();
        endless.header(b'x', b"x", 0o644, b"", 2 << 20);
        assert!(matches!(entries(&endless.finish()), Err(TarError::Long { .. })));
        let path = vec![b'a'; 5000];
        let tar = Builder::default().pax(&[("path", &path)]).file("a", 0o644, b"").finish();
        assert!(matches!(entries(&tar), Err(TarError::Long { .. })));
        let huge = u64::MAX.to_string();
        let tar = Builder::default().pax(&[("size", huge.as_bytes())]).file("a", 0o644, b"").finish();
        assert!(entries(&tar).is_err());
    }

    #[test]
    fn damage_is_noticed() {
        let tar = Builder::default()
            .file("a", 0o644, &[7; 600])
            .pax(&[("uid", b"1")])
            .file("b", 0o644, b"x")
            .finish();
        assert_eq!(entries(&tar).unwrap().len(), 2);
        for end in 1..tar.len() - 1024 {
            // Between two entries the end may be the end; what is missing shows by the digest.
            if ![1536, 2560].contains(&end) {
                assert!(entries(&tar[..end]).is_err(), "cut at {end}");
            }
        }
        let mut wrong = tar;
        wrong[3] ^= 1;
        assert!(matches!(entries(&wrong), Err(TarError::Checksum)));
    }

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b" 0644 \0\0", "x").unwrap(), 0o644);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], "x").unwrap(), 1 << 24);
        assert!(number(&[0xff; 12], "x").is_err());
        assert!(number(b"12a", "x").is_err());
        assert_eq!(signed(&[0xff; 12]).unwrap(), -1);
    }

    #[test]
    fn what_no_image_has_is_refused() {
        for kind in [b'S', b'M', b'Q'] {
            assert!(entries(&Builder::default().entry(kind, "a", 0o644, "", b"").finish()).is_err());
        }
        let sparse = Builder::default().pax(&[("GNU.sparse.major", b"1")]).file("a", 0o644, b"").finish();
        assert!(matches!(entries(&sparse), Err(TarError::Unsupported(_))));
    }
}

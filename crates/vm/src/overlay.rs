//! A disk on top of another: an empty image in QEMU's format that says what lies below it.
//!
//! ```text
//! cluster 0     header | format of the base | name of the base
//! cluster 1     table of reference counts: where the block of them is
//! cluster 2     block: each cluster of this file is used once
//! cluster 3 ..  first table of what is written: nothing yet
//! ```
//! Source: QEMU, `docs/interop/qcow2.txt`, version 3. A cluster is 64 KiB, so that a table of 8 bytes for each 512 MiB is all
//! that is needed.

use crate::spec::DiskFormat;

/// The first bytes of an image in QEMU's format.
pub const MAGIC: [u8; 4] = *b"QFI\xfb";
const CLUSTER: u64 = 1 << 16;
/// Bytes of a disk that an entry of the first table stands for: 8,192 clusters.
const REACH: u64 = CLUSTER * (CLUSTER / 8);
/// Bytes of the largest disk: its first table has 16 clusters.
const MOST: u64 = REACH * (CLUSTER / 8) * 16;
const HEADER: u32 = 104;
/// Source: as above, "Header extensions".
const BASE_FORMAT: u32 = 0xe279_2aca;

/// The bytes a guest sees of an image that begins with `head` and is `length` bytes long; `None`: there is no such disk.
#[must_use]
pub fn size_of(head: &[u8], length: u64) -> Option<u64> {
    let size = match head.starts_with(&MAGIC) {
        true => u64::from_be_bytes(*head.get(24..32)?.first_chunk()?),
        false => length.checked_next_multiple_of(512)?,
    };
    (1..=MOST).contains(&size).then_some(size)
}

/// An empty image over the one at `base`, of `size` bytes; `None` if such a disk is too large, or the name too long.
#[must_use]
pub fn overlay(size: u64, base: &[u8], format: DiskFormat) -> Option<Vec<u8>> {
    // The format allows 1,023 bytes for the name.
    if size == 0 || size > MOST || base.is_empty() || base.len() > 1_023 {
        return None;
    }
    let entries = size.div_ceil(REACH);
    let clusters = 3 + (entries * 8).div_ceil(CLUSTER);
    let format = match format {
        DiskFormat::Raw => &b"raw"[..],
        DiskFormat::Qcow2 => b"qcow2",
    };
    let mut head = Vec::new();
    let name = HEADER + 8 + 8 + 8;
    head.extend(MAGIC);
    head.extend(3_u32.to_be_bytes());
    head.extend(u64::from(name).to_be_bytes());
    head.extend(u32::try_from(base.len()).ok()?.to_be_bytes());
    head.extend(CLUSTER.trailing_zeros().to_be_bytes());
    head.extend(size.to_be_bytes());
    head.extend(0_u32.to_be_bytes());
    head.extend(u32::try_from(entries).ok()?.to_be_bytes());
    head.extend((3 * CLUSTER).to_be_bytes());
    head.extend(CLUSTER.to_be_bytes());
    head.extend(1_u32.to_be_bytes());
    // No snapshots, no features.
    head.extend([0; 4 + 8 + 3 * 8]);
    // Counts of 16 bits.
    head.extend(4_u32.to_be_bytes());
    head.extend(HEADER.to_be_bytes());
    head.extend(BASE_FORMAT.to_be_bytes());
    head.extend(u32::try_from(format.len()).ok()?.to_be_bytes());
    head.extend(format);
    head.resize(usize::try_from(name).ok()?, 0);
    head.extend(base);
    let mut image = head;
    image.resize(usize::try_from(CLUSTER).ok()?, 0);
    image.extend((2 * CLUSTER).to_be_bytes());
    image.resize(usize::try_from(2 * CLUSTER).ok()?, 0);
    (0..clusters).for_each(|_| image.extend(1_u16.to_be_bytes()));
    image.resize(usize::try_from(clusters * CLUSTER).ok()?, 0);
    Some(image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_as_the_format_says() {
        let image = overlay(1 << 30, b"/base.img", DiskFormat::Raw).unwrap();
        assert_eq!(image.len(), 4 << 16);
        let number = |at: usize| u64::from_be_bytes(*image[at..].first_chunk().unwrap());
        assert_eq!(&image[..8], b"QFI\xfb\0\0\0\x03");
        assert_eq!((number(24), number(40), number(48)), (1 << 30, 3 << 16, 1 << 16));
        assert_eq!(image[36..40], 2_u32.to_be_bytes(), "two entries of 512 MiB");
        let name = usize::try_from(number(8)).unwrap();
        assert_eq!(&image[name..name + 9], b"/base.img");
        assert_eq!(&image[104..116], b"\xe2\x79\x2a\xca\0\0\0\x03raw\0");
        assert_eq!(image[120..128], [0; 8], "the end of the extensions");
        assert_eq!(number(1 << 16), 2 << 16);
        assert_eq!(image[2 << 16..][..10], [0, 1, 0, 1, 0, 1, 0, 1, 0, 0]);
        assert_eq!(size_of(&image, 4 << 16), Some(1 << 30));
    }

    #[test]
    fn what_is_no_disk_is_none() {
        assert_eq!(size_of(b"", 0), None);
        assert_eq!(size_of(b"raw", 1_000), Some(1_024));
        assert_eq!(size_of(b"QFI\xfb\0\0", 100), None, "cut short");
        assert_eq!(size_of(&[&MAGIC[..], &[0xff; 60]].concat(), 100), None, "larger than any");
        assert_eq!(overlay(1, &[b'x'; 2_000], DiskFormat::Raw), None);
        assert_eq!(overlay(u64::MAX, b"x", DiskFormat::Raw), None);
        assert_eq!(overlay(MOST, b"x", DiskFormat::Qcow2).map(|image| image.len()), Some(19 << 16));
    }
}

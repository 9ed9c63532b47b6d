//! A CD with a few files in its root: what cloud-init takes its seed from.
//!
//! ```text
//! sector 0 .. 15    nothing
//! 16, 17            volume, end of the volumes
//! 18, 19            path table, little-endian and big-endian: the root
//! 20                root directory
//! 21 ..             the files, each from a sector on
//! ```
//! Names are written in capitals with a version, as the standard wants them; Linux and others show them in small letters.
//!
//! Source: ECMA-119 (ISO 9660).

const SECTOR: usize = 2_048;
const ROOT: u32 = 20;

/// A CD of this name with these files, of which the names are in small letters; `None` if they are too many or too long for
/// a directory of one sector.
#[must_use]
pub fn iso(volume: &str, files: &[(&str, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut directory = record(ROOT, SECTOR, true, &[0])?;
    directory.extend(record(ROOT, SECTOR, true, &[1])?);
    let (mut next, mut data) = (ROOT + 1, Vec::new());
    for (name, bytes) in files {
        let name = format!("{}.;1", name.to_ascii_uppercase());
        directory.extend(record(next, bytes.len(), false, name.as_bytes())?);
        data.extend(bytes);
        data.resize(data.len().next_multiple_of(SECTOR), 0);
        next += u32::try_from(bytes.len().div_ceil(SECTOR)).ok()?;
    }
    if directory.len() > SECTOR || volume.len() > 32 {
        return None;
    }
    let mut image = vec![0; 16 * SECTOR];
    for sector in [head(volume, next)?, b"\xffCD001\x01".to_vec(), paths(true), paths(false), directory] {
        image.extend(sector);
        image.resize(image.len().next_multiple_of(SECTOR), 0);
    }
    image.extend(data);
    Some(image)
}

/// The volume: §8.4.
fn head(volume: &str, sectors: u32) -> Option<Vec<u8>> {
    let mut out = b"\x01CD001\x01\0".to_vec();
    let text = |out: &mut Vec<u8>, text: &str, to: usize| {
        out.extend(text.as_bytes());
        out.resize(to, b' ');
    };
    text(&mut out, "", 40);
    text(&mut out, volume, 72);
    out.resize(80, 0);
    out.extend(both(sectors));
    out.resize(120, 0);
    for number in [1_u16, 1, 2_048] {
        out.extend(both_short(number));
    }
    // The path table: its length, and where it lies in both orders.
    out.extend(both(10));
    out.extend(18_u32.to_le_bytes());
    out.extend([0; 4]);
    out.extend(19_u32.to_be_bytes());
    out.extend([0; 4]);
    out.extend(record(ROOT, SECTOR, true, &[0])?);
    text(&mut out, "", 813);
    for _ in 0..4 {
        out.extend([b'0'; 16]);
        out.push(0);
    }
    out.push(1);
    Some(out)
}

/// The path table: §9.4. The root is its own parent.
fn paths(little: bool) -> Vec<u8> {
    let (place, parent) = if little { (ROOT.to_le_bytes(), [1, 0]) } else { (ROOT.to_be_bytes(), [0, 1]) };
    [&[1, 0][..], &place, &parent, &[0, 0]].concat()
}

/// An entry of a directory: §9.1.
fn record(sector: u32, length: usize, is_directory: bool, name: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0, 0];
    out.extend(both(sector));
    out.extend(both(u32::try_from(length).ok()?));
    // 1 January 1970.
    out.extend([70, 1, 1, 0, 0, 0, 0]);
    out.extend([if is_directory { 2 } else { 0 }, 0, 0]);
    out.extend(both_short(1));
    out.push(u8::try_from(name.len()).ok()?);
    out.extend(name);
    out.resize(out.len().next_multiple_of(2), 0);
    let length = u8::try_from(out.len()).ok()?;
    if let Some(first) = out.first_mut() {
        *first = length;
    }
    Some(out)
}

fn both(number: u32) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

fn both_short(number: u16) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cd_is_as_the_standard_says() {
        let image =
            iso("cidata", &[("meta-data", b"x: y\n".to_vec()), ("user-data", vec![b'u'; 3_000])]).unwrap();
        assert_eq!(image.len(), 24 * SECTOR);
        let volume = &image[16 * SECTOR..17 * SECTOR];
        assert_eq!(&volume[..7], b"\x01CD001\x01");
        assert_eq!(&volume[40..48], b"cidata  ");
        assert_eq!(volume[80..88], [24, 0, 0, 0, 0, 0, 0, 24]);
        assert_eq!(volume[128..132], [0, 8, 8, 0]);
        assert_eq!((volume[156], volume[158], volume[881]), (34, 20, 1));
        let root = &image[20 * SECTOR..21 * SECTOR];
        let first = &root[68..];
        assert_eq!((first[2], first[10], first[32]), (21, 5, 12));
        assert_eq!(&first[33..45], b"META-DATA.;1");
        assert_eq!(&image[21 * SECTOR..][..6], b"x: y\n\0");
        assert_eq!(&image[22 * SECTOR..][..1], b"u");
        assert_eq!(iso("x", &[(&"n".repeat(300), Vec::new())]), None);
    }
}

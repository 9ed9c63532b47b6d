//! The disks that limits of reading and writing are for.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The whole disks below what containers write and the machine's own files, each once; none where those are in memory, on
/// a network, or on something that Linux counts under no disk.
pub(super) fn all() -> Vec<(u32, u32)> {
    let data = crate::data_dir();
    let places = [Some(Path::new("/")), data.as_deref()];
    let mut disks: Vec<(u32, u32)> = places.into_iter().flatten().filter_map(below).collect();
    disks.sort_unstable();
    disks.dedup();
    disks
}

/// The disk of the nearest directory that is there.
fn below(place: &Path) -> Option<(u32, u32)> {
    let device = place.ancestors().find_map(|place| std::fs::metadata(place).ok())?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    // Without a driver, a number of the kernel's own.
    (major != 0).then(|| whole(major, minor))
}

/// The disk of a partition: only whole ones can be limited.
fn whole(major: u32, minor: u32) -> (u32, u32) {
    let device = format!("/sys/dev/block/{major}:{minor}");
    if !Path::new(&device).join("partition").exists() {
        return (major, minor);
    }
    let disk = std::fs::read_to_string(format!("{device}/../dev")).unwrap_or_default();
    numbers(&disk).unwrap_or((major, minor))
}

/// `254:0`
fn numbers(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_devices_are_read() {
        assert_eq!(numbers("254:0\n"), Some((254, 0)));
        assert_eq!(numbers("254"), None);
        assert_eq!(below(Path::new("/proc/self")), None, "nothing is stored there");
    }
}

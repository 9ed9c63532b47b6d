//! Kernel settings under /proc/sys/net, which belong to the network namespace of the thread that touches them.
//!
//! Settings of the whole machine are never written: the caller enters a namespace of ours first.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::error::{Because, HostError};
use crate::netns::NetNs;

/// Writes `settings`, as pairs of a path below /proc/sys ("net/ipv6/conf/all/disable_ipv6") and a value, inside `ns`. Dots serve as slashes,
/// as sysctl(8) has it, in names without a slash.
///
/// # Errors
/// The first that failed: `ENOENT` for a setting this kernel lacks, `EACCES`, `EROFS` where /proc/sys is closed; `EINVAL`
/// for a path that is not below `net/`.
pub fn write_in(ns: &NetNs, settings: &[(&str, &str)]) -> Result<(), HostError> {
    ns.run(|| settings.iter().try_for_each(|(name, value)| write(name, value)))?
}

/// Writes one setting in the namespace of the calling thread, for threads that are inside already.
///
/// # Errors
/// As [`write_in`].
pub fn write(name: &str, value: &str) -> Result<(), HostError> {
    let path = path_of(name).because("set the kernel setting", || name)?;
    std::fs::write(path, value).because("set the kernel setting", || format!("{name} = {value}"))
}

/// Reads a setting of the machine or of the calling thread's namespace, without the newline.
///
/// # Errors
/// As open(2) and read(2).
pub fn read(name: &str) -> Result<String, HostError> {
    let text = std::fs::read_to_string(Path::new(ROOT).join(slashed(name).as_ref()))
        .because("read the kernel setting", || name)?;
    Ok(text.trim_end().to_owned())
}

/// `net.ipv4.ip_forward` as a path; an interface name with a dot in it needs the form with slashes.
fn slashed(name: &str) -> Cow<'_, str> {
    if name.contains('/') { Cow::Borrowed(name) } else { Cow::Owned(name.replace('.', "/")) }
}

fn path_of(name: &str) -> Result<PathBuf, rustix::io::Errno> {
    let name = slashed(name);
    if !name.starts_with("net/") || name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(rustix::io::Errno::INVAL);
    }
    Ok(Path::new(ROOT).join(name.as_ref()))
}

const ROOT: &str = "/proc/sys";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::can_make_namespaces;

    #[test]
    fn only_settings_of_the_namespace_can_be_written() {
        for name in [
            "kernel/hostname",
            "kernel.hostname",
            "net..x",
            "net/ipv4/../../kernel/x",
            "net/../kernel/hostname",
            "/etc/passwd",
            "net//x",
            "",
        ] {
            assert_eq!(path_of(name), Err(rustix::io::Errno::INVAL), "{name:?}");
        }
    }

    #[test]
    fn a_setting_stays_inside() {
        if !can_make_namespaces() {
            return;
        }
        let name = "net/ipv4/ip_forward";
        let outside = read(name).unwrap();
        let ns = NetNs::create().unwrap();
        write_in(&ns, &[(name, "0")]).unwrap();
        assert_eq!(ns.run(|| read(name)).unwrap().unwrap(), "0");
        write_in(&ns, &[("net.ipv4.ip_forward", "1")]).unwrap();
        assert_eq!(ns.run(|| read(name)).unwrap().unwrap(), "1");
        assert_eq!(read(name).unwrap(), outside);
    }
}

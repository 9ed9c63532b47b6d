//! The UEFI firmware of this machine for others: EDK II, as distributions build it for QEMU (OVMF).
//!
//! Two files go together: the program, and the empty memory of its settings, of which each machine writes a copy of its own. What
//! asks for signed programs only (`secboot`) is not taken: it needs more than a board without secrets.

use std::path::{Path, PathBuf};

/// The two files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uefi {
    /// The program.
    pub code: PathBuf,
    /// What it remembers of a machine that is new.
    pub variables: PathBuf,
}

/// Where Debian and Ubuntu have it (package `ovmf`): with 4 MiB of flash memory, and before that with 2.
const PLACES: [[&str; 2]; 2] = [
    ["usr/share/OVMF/OVMF_CODE_4M.fd", "usr/share/OVMF/OVMF_VARS_4M.fd"],
    ["usr/share/OVMF/OVMF_CODE.fd", "usr/share/OVMF/OVMF_VARS.fd"],
];

/// Finds it below `root`, which is `/`.
#[must_use]
pub fn find(root: &Path) -> Option<Uefi> {
    let at = |[code, variables]: [&str; 2]| {
        let uefi = Uefi { code: root.join(code), variables: root.join(variables) };
        (uefi.code.is_file() && uefi.variables.is_file()).then_some(uefi)
    };
    PLACES.into_iter().find_map(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_needed_and_the_newer_are_taken() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(find(root.path()), None);
        let folder = root.path().join("usr/share/OVMF");
        std::fs::create_dir_all(&folder).unwrap();
        let make = |name: &str| std::fs::write(folder.join(name), "x").unwrap();
        ["OVMF_CODE_4M.fd", "OVMF_CODE.fd", "OVMF_VARS.fd"].into_iter().for_each(make);
        assert_eq!(find(root.path()).unwrap().variables, folder.join("OVMF_VARS.fd"));
        make("OVMF_VARS_4M.fd");
        assert_eq!(find(root.path()).unwrap().code, folder.join("OVMF_CODE_4M.fd"));
    }
}

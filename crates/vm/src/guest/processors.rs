//! Processors that the machine was given while it runs: the kernel knows them, and lets them rest until it is told to use them.
//!
//! Source: Linux, `Documentation/core-api/cpu_hotplug.rst`.

use std::path::Path;

/// Has all that rest work; returns the exit code.
pub(super) fn run() -> i32 {
    match bring_up(Path::new("/sys/devices/system/cpu")) {
        Ok(()) => 0,
        Err(error) => {
            super::say(&error);
            1
        }
    }
}

/// Below `folder` each has one of its own, in which the first has no switch.
fn bring_up(folder: &Path) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("cpu"));
        if number.is_none_or(|number| number.parse::<u32>().is_err()) {
            continue;
        }
        let switch = entry.path().join("online");
        if std::fs::read_to_string(&switch).is_ok_and(|text| text.trim() == "0") {
            std::fs::write(&switch, "1").map_err(|error| format!("{}: {error}", switch.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_rest_are_told_to_work() {
        let place = tempfile::tempdir().unwrap();
        let file = |name: &str| place.path().join(name).join("online");
        for (name, text) in
            [("cpu0", None), ("cpu1", Some("0\n")), ("cpu2", Some("1\n")), ("cpuidle", Some("0\n"))]
        {
            std::fs::create_dir(place.path().join(name)).unwrap();
            if let Some(text) = text {
                std::fs::write(file(name), text).unwrap();
            }
        }
        bring_up(place.path()).unwrap();
        let now = ["cpu1", "cpu2", "cpuidle"].map(|name| std::fs::read_to_string(file(name)).unwrap());
        assert_eq!(now, ["1", "1\n", "0\n"]);
        assert!(!file("cpu0").exists());
        assert!(bring_up(Path::new("/no/such/folder")).is_err());
    }
}

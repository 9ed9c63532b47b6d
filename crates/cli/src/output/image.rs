//! Images as tables.

use netloom_api::{FreedRow, ImageInfo, ImageRow};

use super::words::{age, bytes, many};

pub(super) const HEADERS: [&str; 6] = ["IMAGE", "DIGEST", "PLATFORM", "LAYERS>", "SIZE>", "AGE>"];

pub(super) fn row(row: &ImageRow) -> Vec<String> {
    let (platform, layers, size) = match &row.broken {
        Some(_) => ("damaged".to_owned(), String::new(), String::new()),
        None => (row.platform.clone(), row.layers.to_string(), bytes(row.bytes)),
    };
    vec![familiar(&row.name).to_owned(), short(&row.digest), platform, layers, size, age(row.age_s)]
}

/// What people call it: Docker Hub's images go without their registry.
fn familiar(name: &str) -> &str {
    let rest = name.strip_prefix("docker.io/").unwrap_or(name);
    rest.strip_prefix("library/").unwrap_or(rest)
}

fn short(digest: &str) -> String {
    digest.trim_start_matches("sha256:").chars().take(12).collect()
}

pub(super) fn inspect(info: &ImageInfo) -> String {
    let words = |words: &[String]| words.join(" ");
    let mut lines = vec![
        ("image", info.row.name.clone()),
        ("digest", info.row.digest.clone()),
        ("platform", info.row.platform.clone()),
        ("created", info.created.clone().unwrap_or_default()),
        ("entrypoint", words(&info.entrypoint)),
        ("cmd", words(&info.cmd)),
        ("user", info.user.clone()),
        ("workdir", info.workdir.clone()),
        ("stop signal", info.stop_signal.clone()),
        ("ports", words(&info.ports)),
        ("volumes", words(&info.volumes)),
    ];
    lines.extend(info.env.iter().map(|pair| ("env", pair.clone())));
    lines.extend(
        info.parts.iter().map(|part| ("layer", format!("{}  {}", short(&part.digest), bytes(part.bytes)))),
    );
    let lines = lines.into_iter().filter(|(_, value)| !value.is_empty());
    // What strangers wrote into an image is not to move the cursor.
    let clean =
        |value: String| value.chars().map(|c| if c.is_control() { '?' } else { c }).collect::<String>();
    lines.map(|(key, value)| format!("{key:<12}{}\n", clean(value))).collect()
}

pub(super) fn freed(row: &FreedRow) -> String {
    let removed: String = row.removed.iter().map(|name| format!("removed {}\n", familiar(name))).collect();
    let parts: Vec<String> = [(row.blobs, "blob"), (row.layers, "layer"), (row.leftovers, "leftover")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| many(n, word))
        .collect();
    if parts.is_empty() {
        return removed + "nothing to free\n";
    }
    format!("{removed}freed {}: {}\n", bytes(row.bytes), parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_people_use() {
        assert_eq!(familiar("docker.io/library/nginx:1"), "nginx:1");
        assert_eq!(familiar("docker.io/team/app:1"), "team/app:1");
        assert_eq!(familiar("quay.io/library/x:1"), "quay.io/library/x:1");
    }

    #[test]
    fn escapes_in_an_image_are_not_obeyed() {
        let info = ImageInfo { cmd: vec!["a\u{1b}[2J".into()], user: "www".into(), ..ImageInfo::default() };
        assert_eq!(inspect(&info), "cmd         a?[2J\nuser        www\n");
    }
}

//! The keys of a node that make it a container, and those of health and order.

use super::gaps::Gaps;
use super::keys;
use super::read::{Fields, Reader};
use super::yaml::{Node, Value};
use crate::container::{Condition, Health, HealthRule, Tmpfs, Volume, VolumeSource, signal};
use crate::error::{Span, Spanned, TextError, did_you_mean};
use crate::quantity;
use netloom_flow::Nanos;

/// What of a container was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ContainerSpec {
    pub(crate) image: Option<Spanned<String>>,
    pub(crate) entrypoint: Option<Vec<String>>,
    pub(crate) cmd: Option<Vec<String>>,
    pub(crate) user: Option<String>,
    pub(crate) workdir: Option<String>,
    pub(crate) volumes: Option<Vec<Volume>>,
    pub(crate) tmpfs: Option<Vec<Tmpfs>>,
    pub(crate) read_only: Option<bool>,
    pub(crate) stop_signal: Option<i32>,
    pub(crate) stop_timeout: Option<Nanos>,
    /// The first key that only a container can have, and where it stands.
    pub(crate) first: Option<Spanned<&'static str>>,
}

impl ContainerSpec {
    /// These keys where written, else those of `base`.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            image: self.image.clone().or_else(|| base.image.clone()),
            entrypoint: self.entrypoint.clone().or_else(|| base.entrypoint.clone()),
            cmd: self.cmd.clone().or_else(|| base.cmd.clone()),
            user: self.user.clone().or_else(|| base.user.clone()),
            workdir: self.workdir.clone().or_else(|| base.workdir.clone()),
            volumes: self.volumes.clone().or_else(|| base.volumes.clone()),
            tmpfs: self.tmpfs.clone().or_else(|| base.tmpfs.clone()),
            read_only: self.read_only.or(base.read_only),
            stop_signal: self.stop_signal.or(base.stop_signal),
            stop_timeout: self.stop_timeout.or(base.stop_timeout),
            // What defaults say is for those it fits.
            first: self.first.clone(),
        }
    }
}

/// `after:` as written: a name, and what of that node.
pub(crate) type WrittenAfter = Spanned<(String, Condition)>;

/// Reads the keys of a container.
pub(super) fn read(reader: &mut Reader, fields: &Fields<'_>) -> ContainerSpec {
    let image =
        fields.take("image").and_then(|node| reader.losing(Gaps::THINGS, |reader| reader.parse(node, image)));
    let mut first: Option<Spanned<&'static str>> = None;
    let mut take = |name: &'static str| {
        let node = fields.take(name)?;
        let earlier = first.as_ref().is_some_and(|first| first.span.start <= node.span.start);
        if !earlier {
            first = Some(Spanned::new(name, node.span));
        }
        Some(node)
    };
    let entrypoint = take("entrypoint").map(|node| command(reader, node));
    let cmd = take("cmd").map(|node| command(reader, node));
    let user = take("user").and_then(|node| reader.parse(node, user)).map(|user| user.value);
    let workdir =
        take("workdir").and_then(|node| reader.parse(node, |text| absolute(text).map(str::to_owned)));
    let volumes = take("volumes").map(|node| each(reader, node, volume));
    let tmpfs = take("tmpfs").map(|node| each(reader, node, tmpfs));
    let read_only = take("read-only").and_then(|node| reader.flag(node));
    let stop_signal = take("stop-signal").and_then(|node| reader.parse(node, stop_signal)).map(|it| it.value);
    let stop_timeout = take("stop-timeout").and_then(|node| reader.parse(node, quantity::duration));
    ContainerSpec {
        image,
        entrypoint,
        cmd,
        user,
        workdir: workdir.map(|dir| dir.value),
        volumes,
        tmpfs,
        read_only,
        stop_signal,
        stop_timeout: stop_timeout.map(|time| time.value),
        first,
    }
}

fn each<T>(reader: &mut Reader, node: &Node, parse: fn(&str) -> Result<T, TextError>) -> Vec<T> {
    let items = reader.list(node);
    items.iter().filter_map(|item| reader.minor(|r| r.parse(item, parse))).map(|item| item.value).collect()
}

/// What an image is called; whoever fetches it knows the whole grammar.
pub(super) fn image(text: &str) -> Result<String, TextError> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let hint = "such as nginx:alpine, oci:DIR[:TAG], docker-archive:FILE or dir:ROOTFS";
        return Err(TextError::new(format!("`{text}` names no image")).hint(hint));
    }
    Ok(text.to_owned())
}

/// A list is taken as it is, a text as a shell would split it.
fn command(reader: &mut Reader, node: &Node) -> Vec<String> {
    if matches!(node.value, Value::Seq { .. }) {
        let words = reader.strings(node);
        return words.into_iter().map(|word| word.value).collect();
    }
    if node.is_null() {
        return Vec::new();
    }
    reader.parse(node, words).map(|words| words.value).unwrap_or_default()
}

/// Splits a text at blanks; quotes and backslashes keep blanks as in a shell, nothing else has a meaning.
fn words(text: &str) -> Result<Vec<String>, TextError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), close) if close == open => quote = None,
            (Some('\''), other) => word.get_or_insert_default().push(other),
            (Some(_), '\\') => match letters.next() {
                Some(next @ ('"' | '\\' | '$' | '`')) => word.get_or_insert_default().push(next),
                Some(next) => word.get_or_insert_default().extend(['\\', next]),
                None => return Err(TextError::new("a `\\` at the end quotes nothing")),
            },
            (Some(_), other) => word.get_or_insert_default().push(other),
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, '\\') => match letters.next() {
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err(TextError::new("a `\\` at the end quotes nothing")),
            },
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            (None, other) => word.get_or_insert_default().push(other),
        }
    }
    match quote {
        Some(open) => Err(TextError::new(format!("the quote {open} is not closed"))),
        None => {
            words.extend(word);
            Ok(words)
        }
    }
}

/// `NAME`, `UID`, `NAME:GROUP` ...
fn user(text: &str) -> Result<String, TextError> {
    let good = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control());
    let mut parts = text.split(':');
    let fine = parts.next().is_some_and(good) && parts.next().is_none_or(good) && parts.next().is_none();
    if fine {
        Ok(text.to_owned())
    } else {
        Err(TextError::new(format!("`{text}` is no user")).hint("such as www, 1000 or 1000:1000"))
    }
}

/// A path that begins at the root and stays there.
fn absolute(text: &str) -> Result<&str, TextError> {
    let good = text.starts_with('/') && !text.contains('\0') && text.split('/').all(|part| part != "..");
    if good {
        Ok(text)
    } else {
        Err(TextError::new(format!("`{text}` is not a full path")).hint("such as /srv/data"))
    }
}

/// A full path that is not the root itself.
fn inner(text: &str) -> Result<String, TextError> {
    let path = absolute(text)?;
    if path.trim_matches('/').is_empty() {
        return Err(TextError::new("the root itself cannot be replaced"));
    }
    Ok(path.to_owned())
}

/// `./conf:/etc/conf:ro`, `./data:/data:make`, `data:/var/lib/db`
fn volume(text: &str) -> Result<Volume, TextError> {
    let hint = "such as ./conf:/etc/conf:ro, or data:/var/lib/data for a volume of the lab's own";
    let bad = |what: &str| TextError::new(format!("`{text}` is no volume: {what}")).hint(hint);
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err(bad("it is SOURCE:TARGET, perhaps with :ro")),
    };
    let (mut read_only, mut make) = (false, false);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "rw" => read_only = false,
            "ro" => read_only = true,
            "make" if source.starts_with('.') => make = true,
            "make" => return Err(bad("only a directory beside the lab file can be made")),
            _ => return Err(bad("its options are ro, rw and make")),
        }
    }
    let source = if source.starts_with(['.', '/']) {
        if source.contains('\0') {
            return Err(bad("its source is no path"));
        }
        VolumeSource::Path(source.to_owned())
    } else {
        let letters = source.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if source.is_empty() || !letters || source.starts_with('-') || source.len() > 64 {
            return Err(bad("its source is a path that begins with . or /, or a name of letters and digits"));
        }
        VolumeSource::Named(source.to_owned())
    };
    Ok(Volume { source, target: inner(target)?, read_only, make })
}

/// `/run`, `/cache:size=64MiB,mode=1777`
fn tmpfs(text: &str) -> Result<Tmpfs, TextError> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut tmpfs = Tmpfs { target: inner(target)?, bytes: TMPFS_BYTES, mode: 0o1777 };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", size)) => tmpfs.bytes = quantity::size(size)?,
            Some(("mode", mode)) => {
                let mode = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777);
                tmpfs.mode = mode.ok_or_else(|| {
                    TextError::new(format!("`{option}` is no mode")).hint("such as mode=0755")
                })?;
            }
            _ => {
                return Err(TextError::new(format!("`{option}` is not possible here"))
                    .hint("size=64MiB and mode=1777 are"));
            }
        }
    }
    if tmpfs.bytes == 0 {
        return Err(TextError::new("a file system of 0 bytes holds nothing"));
    }
    Ok(tmpfs)
}

fn stop_signal(text: &str) -> Result<i32, TextError> {
    signal(text)
        .ok_or_else(|| TextError::new(format!("`{text}` is no signal")).hint("such as SIGTERM, QUIT or 15"))
}

/// Reads `health:`.
pub(super) fn health(reader: &mut Reader, node: &Node) -> Option<HealthRule> {
    if !matches!(node.value, Value::Map(_)) {
        if node.text() == Some("none") {
            return Some(HealthRule::Never);
        }
        return question(reader, node).map(|command| HealthRule::Check(Health::new(command)));
    }
    let fields = reader.fields(node, keys::HEALTH, "a health check");
    let command = fields.take("run").and_then(|node| question(reader, node));
    let mut time = |name: &'static str| {
        let time = fields.take(name).and_then(|node| reader.parse(node, quantity::duration))?;
        if time.value.0 == 0 && name != "start-period" {
            reader.error(time.span, format!("`{name}` of 0 is no time"), None);
        }
        Some(time.value)
    };
    let (interval, timeout, start) = (time("interval"), time("timeout"), time("start-period"));
    let retries = fields.integer(reader, "retries").and_then(|n| u32::try_from(n.value).ok());
    let Some(command) = command else {
        reader.error(
            fields.span,
            "a health check needs a command: `run`",
            Some("its exit code 0 says that all is well"),
        );
        return None;
    };
    let usual = Health::new(command);
    Some(HealthRule::Check(Health {
        interval: interval.unwrap_or(usual.interval),
        timeout: timeout.unwrap_or(usual.timeout),
        start_period: start.unwrap_or(usual.start_period),
        retries: retries.unwrap_or(usual.retries),
        command: usual.command,
    }))
}

/// A text is for a shell, a list is a program with its arguments.
fn question(reader: &mut Reader, node: &Node) -> Option<Vec<String>> {
    let words = match &node.value {
        Value::Seq { .. } => reader.strings(node).into_iter().map(|word| word.value).collect(),
        _ => vec!["/bin/sh".to_owned(), "-c".to_owned(), reader.string(node)?.value],
    };
    if words.first().is_none_or(|word| word.is_empty()) {
        reader.error(node.span, "the command is empty", None);
        return None;
    }
    Some(words)
}

/// Reads `after:`.
pub(super) fn after(reader: &mut Reader, node: &Node) -> Vec<WrittenAfter> {
    reader.list(node).iter().filter_map(|item| reader.parse(item, one_after)).collect()
}

/// `db`, `db healthy`, `init done`
fn one_after(text: &str) -> Result<(String, Condition), TextError> {
    let mut parts = text.split_whitespace();
    let (name, word, rest) = (parts.next(), parts.next(), parts.next());
    let Some(name) = name.filter(|_| rest.is_none()) else {
        return Err(TextError::new(format!("`{text}` says nothing of one node")).hint("such as `db healthy`"));
    };
    let all = [Condition::Started, Condition::Healthy, Condition::Done];
    let when = match word {
        None => Condition::Started,
        Some(word) => all.into_iter().find(|when| when.word() == word).ok_or_else(|| {
            let hint = did_you_mean(word, all.map(Condition::word));
            TextError::new(format!("`{word}` is nothing to wait for"))
                .hint(hint.unwrap_or_else(|| "one of started, healthy and done".to_owned()))
        })?,
    };
    Ok((name.to_owned(), when))
}

/// Where an error about a key is shown.
pub(crate) fn only_containers(reader: &mut Reader, first: &Spanned<&'static str>) {
    let span: Span = first.span;
    let message = format!("`{}` is for containers", first.value);
    reader.error_unless(Gaps::THINGS, span, message, Some("a container has an `image`"));
}

/// What a file system in memory holds, unless the file says.
const TMPFS_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_split_as_a_shell_does_without_its_tricks() {
        for (text, split) in [
            ("nginx -g 'daemon off;'", vec!["nginx", "-g", "daemon off;"]),
            (r#"a "b \" c" '' d\ e $X"#, vec!["a", "b \" c", "", "d e", "$X"]),
            (r#""a\nb""#, vec!["a\\nb"]),
            ("  ", vec![]),
        ] {
            assert_eq!(words(text).unwrap(), split, "{text}");
        }
        for text in ["'a", "\"", "a\\", "\"a\\"] {
            assert!(words(text).is_err(), "{text}");
        }
    }

    #[test]
    fn volumes_are_paths_or_names() {
        let bind = volume("./conf:/etc/conf:ro").unwrap();
        assert_eq!(bind.source, VolumeSource::Path("./conf".into()));
        assert_eq!((bind.target.as_str(), bind.read_only), ("/etc/conf", true));
        assert_eq!(volume("data:/var/lib/db").unwrap().source, VolumeSource::Named("data".into()));
        let made = volume("./data:/data:ro,make").unwrap();
        assert!(made.make && made.read_only && !bind.make);
        for text in [
            "/data",
            "a:b",
            "a:/",
            "a:/x:z",
            "a:/b/../..",
            "../x:/..",
            "a b:/x",
            ":/x",
            "-a:/x",
            "a:/b:ro:x",
            "a:/b:make",
            "/a:/b:make",
        ] {
            assert!(volume(text).is_err(), "{text}");
        }
    }

    #[test]
    fn file_systems_in_memory_have_bounds() {
        let cache = tmpfs("/cache:size=1MiB,mode=0700").unwrap();
        assert_eq!((cache.bytes, cache.mode), (1 << 20, 0o700));
        assert_eq!(tmpfs("/run").unwrap().bytes, TMPFS_BYTES);
        for text in ["run", "/", "/x:size=0B", "/x:mode=9", "/x:exec", "/x:size=1"] {
            assert!(tmpfs(text).is_err(), "{text}");
        }
    }

    #[test]
    fn order_is_a_name_and_perhaps_a_word() {
        assert_eq!(one_after("db healthy"), Ok(("db".into(), Condition::Healthy)));
        assert_eq!(one_after("db"), Ok(("db".into(), Condition::Started)));
        assert!(one_after("db helthy").unwrap_err().hint.unwrap().contains("healthy"));
        assert!(one_after("").is_err() && one_after("a done b").is_err());
    }
}

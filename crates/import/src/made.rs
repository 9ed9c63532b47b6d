//! The lab file that is being made, and how it is written: as a person would, with quotes only where YAML needs them.

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Made {
    /// A text, written so that it reads back as it is.
    Text(String),
    /// `true`, `1.5`: written as it is.
    Bare(String),
    /// A list.
    List(Vec<Self>),
    /// A map.
    Map(Map),
}

/// A map in the order in which it was filled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Map(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: String,
    value: Made,
}

impl Made {
    /// A list of texts.
    pub(crate) fn texts(texts: impl IntoIterator<Item = String>) -> Self {
        Self::List(texts.into_iter().map(Self::Text).collect())
    }
}

impl Map {
    /// Adds a value.
    pub(crate) fn put(&mut self, key: &str, value: Made) {
        self.0.push(Entry { key: key.to_owned(), value });
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, key: &str, text: impl Into<String>) {
        self.put(key, Made::Text(text.into()));
    }

    /// Adds a list of texts, unless it is empty.
    pub(crate) fn list(&mut self, key: &str, texts: Vec<String>) {
        if !texts.is_empty() {
            self.put(key, Made::texts(texts));
        }
    }

    /// Adds texts to the list under a key, which is made if there is none.
    pub(crate) fn append(&mut self, key: &str, texts: Vec<String>) {
        match self.0.iter_mut().find(|entry| entry.key == key) {
            Some(Entry { value: Made::List(items), .. }) => items.extend(texts.into_iter().map(Made::Text)),
            _ => self.list(key, texts),
        }
    }

    /// Whether there is a value under a key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|entry| entry.key == key)
    }

    /// Adds a limit that Docker writes as a lab file does, unless there is one already. 0 and less is none there.
    pub(crate) fn limit(&mut self, key: &str, text: &str) {
        let number = text.trim().parse::<f64>().ok();
        if self.has(key) || (key != "cpuset" && number.is_some_and(|number| number <= 0.0)) {
            return;
        }
        let value = match (key, number) {
            ("cpuset", _) => Made::Text(text.to_owned()),
            // A lab file has three decimals, and no less than a hundredth.
            ("cpu", Some(number)) => {
                let text = format!("{:.3}", number.max(0.01));
                Made::Bare(text.trim_end_matches('0').trim_end_matches('.').to_owned())
            }
            _ => Made::Bare(text.to_owned()),
        };
        self.put(key, value);
    }

    /// Adds the limit of memory, unless there is one already.
    pub(crate) fn memory(&mut self, bytes: u64) {
        if bytes > 0 && !self.has("memory") {
            self.put("memory", Made::Bare(crate::size::written(bytes)));
        }
    }

    /// Docker goes on without a limit that the machine cannot keep, and says so.
    pub(crate) fn limits_as_docker(&mut self) {
        if ["cpu", "memory", "pids", "cpuset"].iter().any(|key| self.has(key)) {
            self.put("limits", Made::Bare("best-effort".to_owned()));
        }
    }

    /// Adds a map, unless it is empty.
    pub(crate) fn map(&mut self, key: &str, map: Self) {
        if !map.0.is_empty() {
            self.put(key, Made::Map(map));
        }
    }

    /// Adds all of another map.
    pub(crate) fn join(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The map as the text of a file.
    pub(crate) fn write(&self, remark: &str) -> String {
        let mut out = format!("# {remark}\n");
        self.block(&mut out, 0, false);
        out
    }

    fn block(&self, out: &mut String, indent: usize, shell: bool) {
        for entry in &self.0 {
            let shell = shell || SHELL_KEYS.contains(&entry.key.as_str());
            let start = format!("{}{}:", " ".repeat(indent), key(&entry.key));
            if let Some(line) = entry.value.line(shell).filter(|line| start.len() + line.len() < WIDTH) {
                out.push_str(&format!("{start} {line}\n"));
                continue;
            }
            out.push_str(&format!("{start}\n"));
            match &entry.value {
                Made::Map(map) => map.block(out, indent + 2, shell),
                Made::List(items) => {
                    for item in items {
                        out.push_str(&format!("{}- {}\n", " ".repeat(indent + 2), item.flow(shell)));
                    }
                }
                scalar => {
                    out.pop();
                    out.push_str(&format!(" {}\n", scalar.flow(shell)));
                }
            }
        }
    }
}

impl Made {
    /// In one line, if that is how one reads it best.
    fn line(&self, shell: bool) -> Option<String> {
        match self {
            Self::Map(map) if map.0.iter().any(|entry| matches!(entry.value, Self::Map(_))) => None,
            Self::Map(map) if map.0.len() > 2 => None,
            Self::List(items) if items.iter().any(|item| matches!(item, Self::Map(_))) => None,
            _ => Some(self.flow(shell)),
        }
    }

    fn flow(&self, shell: bool) -> String {
        match self {
            Self::Text(text) => scalar(text, shell),
            Self::Bare(text) => text.clone(),
            Self::List(items) => {
                let items: Vec<_> = items.iter().map(|item| item.flow(shell)).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(Map(entries)) if entries.is_empty() => "{}".to_owned(),
            Self::Map(Map(entries)) => {
                let entries: Vec<_> = entries
                    .iter()
                    .map(|entry| {
                        let shell = shell || SHELL_KEYS.contains(&entry.key.as_str());
                        format!("{}: {}", key(&entry.key), entry.value.flow(shell))
                    })
                    .collect();
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }
}

/// Keys below which the lab file leaves an unknown `$name` to a shell; elsewhere `$$` is a dollar sign.
const SHELL_KEYS: &[&str] = &["run", "env"];
const WIDTH: usize = 110;

/// Keys stand below no shell key; the names of variables have no dollar sign.
fn key(text: &str) -> String {
    scalar(text, false)
}

fn scalar(text: &str, shell: bool) -> String {
    let text = if shell { text.to_owned() } else { text.replace('$', "$$") };
    if is_plain(&text) {
        return text;
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if u32::from(c) < 0x20 || u32::from(c) == 0x7f => {
                out.push_str(&format!("\\x{:02x}", u32::from(c)))
            }
            // A byte order mark, and line breaks of Unicode, which YAML folds.
            '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)))
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether YAML takes it for this text without quotes, in `[ ]` too.
fn is_plain(text: &str) -> bool {
    const WORDS: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '$'));
    let fits = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '_' | '.' | '/' | '@' | '+' | '=' | '%' | '-' | '$' | ' ' | ':')
    };
    starts
        && text.chars().all(fits)
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use netloom_lab::yaml;
    use proptest::prelude::*;

    use super::*;

    fn read_back(text: &str) -> Vec<(yaml::Node, yaml::Node)> {
        let mut errors = Vec::new();
        let node = yaml::parse(text, &mut errors).expect("YAML");
        assert_eq!(errors, []);
        let yaml::Value::Map(entries) = node.value else { panic!("a map: {text}") };
        entries
    }

    proptest! {
        #[test]
        fn any_text_reads_back(text in any::<String>(), other in "[ -~]{0,12}") {
            let mut map = Map::default();
            map.text("a", text.clone());
            map.list("b", vec![text.clone(), other.clone()]);
            let mut env = Map::default();
            env.text("X", other.clone());
            map.map("env", env);
            let written = map.write("made");
            let entries = read_back(&written);
            prop_assert_eq!(entries[0].1.text().map(|t| t.replace("$$", "$")), Some(text.clone()));
            let yaml::Value::Seq { items, .. } = &entries[1].1.value else { panic!("a list") };
            prop_assert_eq!(items.len(), 2);
            prop_assert_eq!(items[1].text().map(|t| t.replace("$$", "$")), Some(other.clone()));
            let yaml::Value::Map(env) = &entries[2].1.value else { panic!("a map") };
            prop_assert_eq!(env[0].1.text(), Some(other.as_str()));
        }
    }

    #[test]
    fn it_reads_well() {
        let mut node = Map::default();
        node.text("image", "nginx:alpine");
        node.list("cmd", vec!["nginx".into(), "-g".into(), "daemon off;".into(), "$HOME".into()]);
        node.list("ports", vec!["8080:80".to_owned()]);
        node.put("networks", Made::List(Vec::new()));
        let mut nodes = Map::default();
        nodes.map("web", node);
        nodes.put("idle", Made::Map(Map::default()));
        let mut top = Map::default();
        top.put("netloom", Made::Bare("1".into()));
        top.map("nodes", nodes);
        assert_eq!(
            top.write("made"),
            "# made\nnetloom: 1\nnodes:\n  web:\n    image: nginx:alpine\n    cmd: [nginx, \"-g\", \"daemon off;\", $$HOME]\n    \
             ports: [8080:80]\n    networks: []\n  idle: {}\n"
        );
    }
}

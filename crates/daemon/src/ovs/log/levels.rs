//! Which lines go where.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The level of a line, and the least important that a destination takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Off,
    Emer,
    Err,
    Warn,
    Info,
    Dbg,
}

impl Level {
    const ALL: [(&'static str, Self); 6] = [
        ("off", Self::Off),
        ("emer", Self::Emer),
        ("err", Self::Err),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("dbg", Self::Dbg),
    ];

    pub(super) const fn of(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Err,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            _ => Self::Dbg,
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Emer => "EMER",
            Self::Err => "ERR",
            Self::Warn => "WARN",
            Self::Info => "INFO",
            Self::Dbg => "DBG",
        }
    }
}

const DESTINATIONS: [&str; 3] = ["console", "syslog", "file"];

/// Levels by module, for console, syslog and file.
#[derive(Debug)]
pub(super) struct Levels {
    modules: BTreeMap<String, [Level; 3]>,
    /// Of modules that are not among them.
    others: [Level; 3],
}

impl Levels {
    pub(super) fn new(modules: &[&str]) -> Self {
        let modules = modules.iter().map(|name| ((*name).to_owned(), [Level::Info; 3])).collect();
        Self { modules, others: [Level::Info; 3] }
    }

    /// Whether a module has levels of its own.
    pub(super) fn has(&self, module: &str) -> bool {
        self.modules.contains_key(module)
    }

    /// What console and file take of a module.
    pub(super) fn of(&self, module: &str) -> (Level, Level) {
        let [console, _, file] = self.modules.get(module).unwrap_or(&self.others);
        (*console, *file)
    }

    /// Words in any order: at most a module, a destination, a level. What is left out means all, or DBG.
    pub(super) fn set(&mut self, spec: &str) -> Result<(), String> {
        if spec.get(..8).is_some_and(|front| front.eq_ignore_ascii_case("pattern:"))
            || spec.get(..9).is_some_and(|front| front.eq_ignore_ascii_case("facility:"))
        {
            return Err("the form of lines cannot be changed".to_owned());
        }
        let (mut module, mut destination, mut level) = (None, None, None);
        for word in spec.split([' ', ',', ':']).filter(|word| !word.is_empty()) {
            let word = word.to_ascii_lowercase();
            if let Some((_, known)) = Level::ALL.iter().find(|(name, _)| *name == word) {
                set_once(&mut level, *known, "level", &word)?;
            } else if let Some(at) = DESTINATIONS.iter().position(|name| *name == word) {
                set_once(&mut destination, at, "destination", &word)?;
            } else if self.modules.contains_key(&word) {
                set_once(&mut module, word.clone(), "module", &word)?;
            } else if word != "any" {
                return Err(format!("no destination, level, or module \"{word}\""));
            }
        }
        let level = level.unwrap_or(Level::Dbg);
        let apply = |levels: &mut [Level; 3]| match destination.and_then(|at| levels.get_mut(at)) {
            Some(one) => *one = level,
            None => *levels = [level; 3],
        };
        match module.and_then(|name: String| self.modules.get_mut(&name)) {
            Some(levels) => apply(levels),
            None => {
                self.modules.values_mut().for_each(apply);
                apply(&mut self.others);
            }
        }
        Ok(())
    }

    pub(super) fn list(&self) -> String {
        let mut text =
            "                 console    syslog    file\n                 -------    ------    ------\n"
                .to_owned();
        for (name, [console, syslog, file]) in &self.modules {
            let (console, syslog, file) = (console.word(), syslog.word(), file.word());
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name:<16}  {console:>4}       {syslog:>4}       {file:>4}");
        }
        text
    }
}

fn set_once<T>(place: &mut Option<T>, value: T, what: &str, word: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("cannot specify multiple {what}s: \"{word}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_names_what_it_is_about_in_any_order() {
        let mut levels = Levels::new(&["ovsdb_server", "reconnect"]);
        levels.set("file:warn").unwrap();
        levels.set("DBG,reconnect:console").unwrap();
        assert_eq!(levels.of("reconnect"), (Level::Dbg, Level::Warn));
        assert_eq!(levels.of("elsewhere"), (Level::Info, Level::Warn));
        levels.set("off").unwrap();
        assert_eq!(levels.of("reconnect"), (Level::Off, Level::Off));
        levels.set("reconnect").unwrap();
        assert_eq!(levels.of("reconnect"), (Level::Dbg, Level::Dbg));
        levels.set("any").unwrap();
        for wrong in ["info:warn", "file:console", "nonsense", "PATTERN:file:%m", "reconnect:ovsdb_server"] {
            assert!(levels.set(wrong).is_err(), "{wrong}");
        }
    }
}

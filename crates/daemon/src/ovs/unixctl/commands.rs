//! The commands of a daemon, by name.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;

/// Text to be printed as it is, or why there is none.
pub type Answer = Result<String, String>;

/// Commands that can be given to a daemon.
pub struct Commands {
    version: String,
    all: BTreeMap<String, Command>,
}

struct Command {
    usage: String,
    words: RangeInclusive<usize>,
    run: Box<Run>,
}

type Run = dyn Fn(&[String]) -> Answer + Send + Sync;

impl Commands {
    /// `list-commands`, and `version`, which says this.
    #[must_use]
    pub fn new(version: &str) -> Self {
        let mut commands = Self { version: version.to_owned(), all: BTreeMap::new() };
        let version = commands.version.clone();
        commands.add("version", "", 0..=0, move |_| Ok(version.clone() + "\n"));
        // It needs all of them, so `run` answers it itself.
        commands.add("list-commands", "", 0..=0, |_| Ok(String::new()));
        commands
    }

    /// Adds a command that takes so many words.
    pub fn add(
        &mut self,
        name: &str,
        usage: &str,
        words: RangeInclusive<usize>,
        run: impl Fn(&[String]) -> Answer + Send + Sync + 'static,
    ) {
        let command = Command { usage: usage.to_owned(), words, run: Box::new(run) };
        self.all.insert(name.to_owned(), command);
    }

    /// Runs a command.
    ///
    /// # Errors
    /// What the user is told: there is no such command, it takes more words or fewer, or its own reason.
    pub fn run(&self, name: &str, words: &[String]) -> Answer {
        let Some(command) = self.all.get(name) else {
            return Err(format!(
                "\"{name}\" is not a valid command (use \"list-commands\" to see a list of valid commands)"
            ));
        };
        let (least, most) = (command.words.start(), command.words.end());
        if words.len() < *least {
            return Err(format!("\"{name}\" command requires at least {least} arguments"));
        }
        if words.len() > *most {
            return Err(format!("\"{name}\" command takes at most {most} arguments"));
        }
        if name == "list-commands" { Ok(self.list()) } else { (command.run)(words) }
    }

    fn list(&self) -> String {
        let mut text = "The available commands are:\n".to_owned();
        for (name, command) in &self.all {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<23} {}", command.usage);
        }
        text
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.all.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_listed_and_their_words_counted() {
        let mut commands = Commands::new("ovs-thing 1.2");
        commands.add("fdb/show", "BRIDGE", 1..=2, |words| Ok(words.join("+")));
        let run = |name: &str, words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            commands.run(name, &words)
        };
        assert_eq!(run("fdb/show", &["a", "b"]).unwrap(), "a+b");
        assert_eq!(run("version", &[]).unwrap(), "ovs-thing 1.2\n");
        assert_eq!(
            run("list-commands", &[]).unwrap(),
            "The available commands are:\n  fdb/show                BRIDGE\n  list-commands           \n  \
             version                 \n"
        );
        assert_eq!(
            run("nonsense", &[]).unwrap_err(),
            "\"nonsense\" is not a valid command (use \"list-commands\" to see a list of valid commands)"
        );
        assert_eq!(run("fdb/show", &[]).unwrap_err(), "\"fdb/show\" command requires at least 1 arguments");
        assert_eq!(run("version", &["x"]).unwrap_err(), "\"version\" command takes at most 0 arguments");
    }
}

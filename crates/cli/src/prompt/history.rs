//! Reading lines, with history and completion on a terminal.

use std::path::PathBuf;

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

/// Lines from the terminal, or from standard input if it is none.
pub(super) struct History {
    editor: Editor<Words, DefaultHistory>,
    file: Option<PathBuf>,
}

/// Completes words it knows.
struct Words(Vec<String>);

impl Helper for Words {}
impl Highlighter for Words {}
impl Validator for Words {}
impl Hinter for Words {
    type Hint = String;
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(candidates(&self.0, line.get(..at).unwrap_or_default()))
    }
}

fn candidates(words: &[String], before: &str) -> (usize, Vec<Pair>) {
    let start = before.rfind(' ').map_or(0, |space| space + 1);
    let begun = before.get(start..).unwrap_or_default();
    let fits = words.iter().filter(|word| word.starts_with(begun));
    (start, fits.map(|word| Pair { display: word.clone(), replacement: format!("{word} ") }).collect())
}

impl History {
    pub(super) fn open(words: &[String]) -> rustyline::Result<Self> {
        let mut editor = Editor::new()?;
        editor.set_helper(Some(Words(words.to_vec())));
        let file = place();
        if let Some(file) = &file {
            // There is none at first.
            let _ = editor.load_history(file);
        }
        Ok(Self { editor, file })
    }

    /// The next line; `None`: the end. Ctrl-C empties the line, as in a shell.
    pub(super) fn ask(&mut self, prompt: &str) -> rustyline::Result<Option<String>> {
        loop {
            match self.editor.readline(prompt) {
                Ok(line) => {
                    let _ = self.editor.add_history_entry(&line);
                    return Ok(Some(line));
                }
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for History {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = file.parent().map(std::fs::create_dir_all);
            // A prompt without a history works all the same.
            let _ = self.editor.save_history(file);
        }
    }
}

/// `$XDG_STATE_HOME/netloom/history`, as the base directory specification has it.
fn place() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    Some(state.or(home)?.join("netloom/history"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_is_completed() {
        let words = ["h1", "h10", "pingall"].map(str::to_owned);
        let found = |before| {
            let (start, pairs) = candidates(&words, before);
            (start, pairs.into_iter().map(|pair| pair.replacement).collect::<Vec<_>>())
        };
        assert_eq!(found("h1 ping h1"), (8, vec!["h1 ".into(), "h10 ".into()]));
        assert_eq!(found("pi"), (0, vec!["pingall ".into()]));
        assert_eq!(found("é h"), (3, vec!["h1 ".into(), "h10 ".into()]));
    }
}

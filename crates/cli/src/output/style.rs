//! Colour, where it is wanted.

use std::io::IsTerminal;

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    colour: bool,
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tint {
    Good,
    Bad,
    Odd,
    Faint,
    Strong,
}

impl Style {
    /// No colour.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colour: false };

    /// For standard output.
    pub(crate) fn stdout() -> Self {
        Self { colour: wanted() && std::io::stdout().is_terminal() }
    }

    /// For standard error.
    pub(crate) fn stderr() -> Self {
        Self { colour: wanted() && std::io::stderr().is_terminal() }
    }

    pub(crate) const fn is_coloured(self) -> bool {
        self.colour
    }

    /// The text, tinted.
    pub(crate) fn paint(self, tint: Tint, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match tint {
            Tint::Good => "32",
            Tint::Bad => "1;31",
            Tint::Odd => "33",
            Tint::Faint => "2",
            Tint::Strong => "1",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// <https://no-color.org>: set and not empty means no.
fn wanted() -> bool {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}

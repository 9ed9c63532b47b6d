//! `netloom link`.

use std::collections::BTreeMap;

use netloom_api::{Command, Direction};

use crate::exit::{Failure, Outcome};
use crate::output::{self, Format};
use crate::which;

/// Arguments of `link`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is queued stays queued, and a changed link is drift: `netloom up --reset` restores the file.
Examples:  netloom link core                        how it is
           netloom link s1 s2 --delay 50ms --loss 1%
           netloom link core --back --rate 5Mbit    one direction only
           netloom link s1 s2 down")]
pub(crate) struct Link {
    /// A link's name, or its two ends; then `up` or `down`
    #[arg(required = true, num_args = 1..=3, value_name = "A B|NAME [up|down]")]
    words: Vec<String>,
    /// Only from the first end to the second
    #[arg(long, conflicts_with = "back")]
    forth: bool,
    /// Only from the second end to the first
    #[arg(long)]
    back: bool,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    format: Format,
}

/// Settings of a link, spelled as in a lab file.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Settings, as in a lab file")]
struct Settings {
    /// Such as 10Mbit; `none`: not limited
    #[arg(long)]
    rate: Option<String>,
    /// Such as 20ms
    #[arg(long)]
    delay: Option<String>,
    /// Such as 2ms
    #[arg(long)]
    jitter: Option<String>,
    /// normal, uniform or pareto
    #[arg(long)]
    distribution: Option<String>,
    /// Such as 0.1%
    #[arg(long)]
    loss: Option<String>,
    /// Such as 0.1%
    #[arg(long)]
    duplicate: Option<String>,
    /// Such as 0.1%
    #[arg(long)]
    reorder: Option<String>,
    /// Such as 0.1%
    #[arg(long)]
    corrupt: Option<String>,
    /// Such as 100KiB, or a count of packets
    #[arg(long)]
    queue: Option<String>,
    /// Bytes
    #[arg(long)]
    mtu: Option<String>,
}

impl Settings {
    fn into_map(self) -> BTreeMap<String, String> {
        [
            ("rate", self.rate),
            ("delay", self.delay),
            ("jitter", self.jitter),
            ("distribution", self.distribution),
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
            ("corrupt", self.corrupt),
            ("queue", self.queue),
            ("mtu", self.mtu),
        ]
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
    }
}

impl Link {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let (link, up) = name(&self.words)?;
        let direction = match (self.forth, self.back) {
            (true, _) => Direction::Forth,
            (_, true) => Direction::Back,
            _ => Direction::Both,
        };
        let command = Command::Link { link, direction, settings: self.settings.into_map(), up };
        let reply = which::client(lab)?.ask(&command)?;
        output::reply(&reply, self.format)
    }
}

/// The link and the state meant by `core`, `s1 s2`, `core down` or `s1 s2 down`.
fn name(words: &[String]) -> Result<(String, Option<bool>), Failure> {
    let (state, ends) = match words.split_last() {
        Some((last, rest)) if !rest.is_empty() && (last == "up" || last == "down") => {
            (Some(last == "up"), rest)
        }
        _ => (None, words),
    };
    match ends {
        [name] => Ok((name.clone(), state)),
        [a, b] => Ok((format!("{a}--{b}"), state)),
        _ => Err(Failure::usage(format!("`{}` names no link.", words.join(" ")))
            .hint("`netloom link NAME`, `netloom link A B`, and then `up` or `down`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<(String, Option<bool>), Failure> {
        name(&text.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn links_go_by_name_or_ends() {
        assert_eq!(words("core").unwrap(), ("core".into(), None));
        assert_eq!(words("core down").unwrap(), ("core".into(), Some(false)));
        assert_eq!(words("s1 s2").unwrap(), ("s1--s2".into(), None));
        assert_eq!(words("s1 s2 up").unwrap(), ("s1--s2".into(), Some(true)));
        // A link may be called `down`.
        assert_eq!(words("down").unwrap(), ("down".into(), None));
        assert!(words("a b c").is_err());
    }
}

//! Long work: a live line per phase on a terminal, plain lines elsewhere; always on standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use netloom_api::Progress;

use super::note;
use super::words::{many, time};
use crate::client::now;

/// Before this nobody wonders what is going on, and a line that flashes by only disturbs.
const QUIET: Duration = Duration::from_millis(150);

/// Shows the phases of a command.
#[derive(Debug)]
pub(crate) struct Phases {
    live: bool,
    since: Instant,
    phase: String,
    total: u64,
    bar: Option<ProgressBar>,
}

impl Phases {
    /// For standard error.
    pub(crate) fn new() -> Self {
        Self {
            live: std::io::stderr().is_terminal(),
            since: now(),
            phase: String::new(),
            total: 0,
            bar: None,
        }
    }

    /// Takes an event. Outcomes of tests and pings are for others.
    pub(crate) fn show(&mut self, progress: &Progress) {
        match progress {
            Progress::Phase { phase, total } => {
                self.clear();
                (self.phase, self.total) = (phase.clone(), *total);
                self.since = now();
            }
            Progress::Item { done, item, .. } if self.live => self.draw(*done, item),
            Progress::Done { phase, done, ms, slowest } => {
                self.clear();
                if *ms >= 1000.0 {
                    let slowest =
                        slowest.as_ref().map(|(item, ms)| format!(", slowest {item} {}", time(*ms)));
                    note(&format!(
                        "{phase:<12} {} in {}{}",
                        many(*done, "item"),
                        time(*ms),
                        slowest.unwrap_or_default()
                    ));
                }
            }
            Progress::Note { text } => self.above(text),
            _ => {}
        }
    }

    fn draw(&mut self, done: u64, item: &str) {
        if self.bar.is_none() {
            if now().duration_since(self.since) < QUIET {
                return;
            }
            let bar = ProgressBar::with_draw_target(Some(self.total), ProgressDrawTarget::stderr());
            let template = if self.total > 0 {
                "{prefix:<12} {bar:24} {pos}/{len}  {wide_msg}"
            } else {
                "{prefix:<12} {pos}  {wide_msg}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar.set_prefix(self.phase.clone());
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_message(item.to_owned());
            bar.set_position(done);
        }
    }

    /// Prints a line without tearing the live one.
    pub(crate) fn above(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Takes the live line away.
    pub(crate) fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Phases {
    fn drop(&mut self) {
        self.clear();
    }
}

//! `netloom play`.

use netloom_api::Command;

use crate::client::Patience;
use crate::exit::{DONE, Outcome};
use crate::output::progress::Phases;
use crate::which;

/// Arguments of `play`.
#[derive(Debug, clap::Args)]
pub(crate) struct Play {}

impl Play {
    #[expect(clippy::unused_self, reason = "all verbs are called alike")]
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let mut phases = Phases::new();
        which::client(lab)?
            .work(&Command::Play, &mut Patience::new(None), &mut |event| phases.show(&event))?;
        Ok(DONE)
    }
}

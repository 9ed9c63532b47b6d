//! `netloom up`.

use netloom_api::Reply;

use crate::client::Patience;
use crate::exit::{DONE, Failure, Outcome};
use crate::labfile::FileArgs;
use crate::lifecycle;
use crate::output::{self, Kind, progress::Phases, screen};

/// Arguments of `up`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A lab that is up already is changed in place: only the difference is applied, and what was changed \
by hand stays unless --reset is given. `netloom down` ends it."
)]
pub(crate) struct Up {
    #[command(flatten)]
    file: FileArgs,
    /// Also undo what was changed by hand since
    #[arg(long)]
    reset: bool,
    /// Let users of GROUP command the lab, too
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Print a summary, or JSON
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    output: Kind,
}

impl Up {
    pub(crate) fn run(self) -> Outcome {
        let text = self.file.read()?;
        text.check()?;
        let group = self.group.as_deref().map(group_number).transpose()?;
        let mut phases = Phases::new();
        let up = lifecycle::up(&text, self.reset, group, &mut Patience::new(None), &mut |event| {
            phases.show(&event)
        })?;
        phases.clear();
        if self.output == Kind::Json {
            output::json(&Reply::Applied(up.applied))?;
            return Ok(DONE);
        }
        let applied = &up.applied;
        output::line(&screen::lab(&applied.lab));
        output::line(&screen::up(applied));
        for note in &applied.notes {
            output::note(&format!("note: {note}"));
        }
        if !applied.drift.is_empty() {
            let names: Vec<_> = applied.drift.iter().map(|step| step.name.as_str()).collect();
            output::note(&format!(
                "kept as changed by hand: {} (`netloom up --reset` restores the file)",
                names.join(", ")
            ));
        }
        Ok(DONE)
    }
}

/// The number of a group, by name or number.
fn group_number(name: &str) -> Result<u32, Failure> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let groups = std::fs::read_to_string("/etc/group")
        .map_err(|error| Failure::failed("Cannot read /etc/group.", &error))?;
    groups
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
        })
        .next()
        .ok_or_else(|| {
            Failure::usage(format!("There is no group {name}."))
                .hint("`getent group` lists the groups of this machine")
        })
}

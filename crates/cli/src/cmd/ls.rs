//! `netloom ls`.

use netloom_api::{Command, LabRow, Listing, Reply};
use netloom_daemon::Homes;
use netloom_daemon::launch::{self, State};

use crate::exit::Outcome;
use crate::output::{self, Format};
use crate::which;

/// Arguments of `ls`.
#[derive(Debug, clap::Args)]
pub(crate) struct Ls {
    /// What to list [default: nodes; labs if it is not clear which lab is meant]
    #[arg(value_enum, value_name = "KIND")]
    what: Option<What>,
    #[command(flatten)]
    format: Format,
}

/// What there is to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Labs,
    Nodes,
    Switches,
    Links,
    Tenants,
    Drops,
    Queues,
    Conntrack,
}

impl Ls {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let what = match self.what {
            Some(What::Labs) => None,
            Some(What::Switches) => Some(Listing::Switches),
            Some(What::Links) => Some(Listing::Links),
            Some(What::Tenants) => Some(Listing::Tenants),
            Some(What::Drops) => Some(Listing::Drops),
            Some(What::Queues) => Some(Listing::Queues),
            Some(What::Conntrack) => Some(Listing::Conntrack),
            Some(What::Nodes) => Some(Listing::Nodes),
            None if lab.is_none() && !which::client(None).is_ok_and(|client| which::is_up(&client)) => None,
            None => Some(Listing::Nodes),
        };
        let reply = match what {
            Some(what) => which::client(lab)?.ask(&Command::Ls { what })?,
            None => Reply::Labs(labs()),
        };
        output::reply(&reply, self.format)
    }
}

/// Labs of this user, then root's by name.
fn labs() -> Vec<LabRow> {
    let mine = Homes::mine();
    let mut rows: Vec<_> = mine.list().iter().filter_map(|name| one(&mine, name)).collect();
    let root = Homes::of_root();
    if root != mine && !rustix::process::geteuid().is_root() {
        rows.extend(root.list().into_iter().map(|name| LabRow {
            name,
            state: "private".into(),
            owner: "root".into(),
            ..LabRow::default()
        }));
    }
    rows
}

fn one(homes: &Homes, name: &str) -> Option<LabRow> {
    let client = which::of(homes, name).ok()?;
    let unknown =
        |state: &str| LabRow { name: name.to_owned(), state: state.to_owned(), ..LabRow::default() };
    match launch::state(client.home()) {
        State::Absent => None,
        State::Dead => Some(unknown("dead")),
        State::Alive(_) => match client.ask(&Command::Status) {
            Ok(Reply::Labs(rows)) => rows.into_iter().next().or_else(|| Some(unknown("up"))),
            _ => Some(unknown("starting")),
        },
    }
}

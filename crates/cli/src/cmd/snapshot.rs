//! `netloom snapshot`.

use netloom_api::{Command, Reply, SnapshotAction};

use crate::client::{Patience, now};
use crate::exit::{DONE, Outcome};
use crate::output::{self, Format, Kind};
use crate::which;

/// Arguments of `snapshot`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A snapshot has all that a running machine is: memory, processors, devices, and what it has written to its disk. It is kept
until `rm` or `down --volumes`, also when the lab ends. A machine goes on from one only if it is made of the same as then.
Example:  netloom snapshot save vm1 before-upgrade; netloom snapshot restore vm1 before-upgrade")]
pub(crate) struct Snapshot {
    #[command(subcommand)]
    verb: Verb,
}

/// What to do with snapshots.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Keep what a running machine is; it stands still meanwhile
    Save(One),
    /// Go on from there; what the machine is now is lost
    Restore(One),
    /// List the snapshots of a machine
    Ls(All),
    /// Remove one
    Rm(Named),
}

/// A snapshot.
#[derive(Debug, clap::Args)]
struct One {
    /// The virtual machine
    node: String,
    /// The snapshot's name [default: `saved`; of `restore`: the newest]
    name: Option<String>,
    #[command(flatten)]
    format: Format,
}

/// A snapshot that is there.
#[derive(Debug, clap::Args)]
struct Named {
    /// The virtual machine
    node: String,
    /// The snapshot's name
    name: String,
    #[command(flatten)]
    format: Format,
}

/// All of a machine.
#[derive(Debug, clap::Args)]
struct All {
    /// The virtual machine
    node: String,
    #[command(flatten)]
    format: Format,
}

impl Snapshot {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let (action, node, name, format) = match self.verb {
            Verb::Save(One { node, name, format }) => (SnapshotAction::Save, node, name, format),
            Verb::Restore(One { node, name, format }) => (SnapshotAction::Restore, node, name, format),
            Verb::Ls(All { node, format }) => (SnapshotAction::Ls, node, None, format),
            Verb::Rm(Named { node, name, format }) => (SnapshotAction::Rm, node, Some(name), format),
        };
        let begun = now();
        let command = Command::Snapshot { node: node.clone(), action, name };
        let reply = which::client(lab)?.work(&command, &mut Patience::new(None), &mut |_| ())?;
        let done = match action {
            SnapshotAction::Save => "saved",
            SnapshotAction::Restore => "restored",
            SnapshotAction::Ls | SnapshotAction::Rm => return output::reply(&reply, format),
        };
        if format.output == Kind::Table && !format.is_bare() && matches!(reply, Reply::Snapshots(_)) {
            let ms = now().duration_since(begun).as_secs_f64() * 1e3;
            output::line(&format!("{node} {done} in {}", output::words::time(ms)));
            return Ok(DONE);
        }
        output::reply(&reply, format)
    }
}

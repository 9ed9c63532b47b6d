//! What `ovs-appctl -t ovsdb-server` can say.
//!
//! Source: ovsdb-server(1), "Runtime Management Commands".

use std::path::Path;

use netloom_ovsdb::server::CloseReason;
use tokio::sync::mpsc::UnboundedSender;

use super::core::{Core, Shared};
use super::remotes::Remotes;
use crate::ovs::unixctl::{Answer, Commands};

const NOTHING: Answer = Ok(String::new());

/// Registers the commands. `exit` says so by `end`.
pub(super) fn register(commands: &mut Commands, core: &Shared, remotes: &Remotes, end: UnboundedSender<()>) {
    commands.add("exit", "", 0..=0, move |_| {
        // Nobody is told: then it ends already.
        let _ = end.send(());
        NOTHING
    });
    databases(commands, core, remotes);
    of_remotes(commands, core, remotes);
    looks(commands, core);
    backup(commands);
}

fn databases(commands: &mut Commands, core: &Shared, remotes: &Remotes) {
    let here = core.clone();
    commands.add("ovsdb-server/list-dbs", "", 0..=0, move |_| {
        Ok(here.lock().server.names().map(|name| format!("{name}\n")).collect())
    });
    let (here, followers) = (core.clone(), remotes.clone());
    commands.add("ovsdb-server/add-db", "DB", 1..=1, move |words| {
        let mut core = here.lock();
        let file = words.first().map_or("", String::as_str);
        core.add(Path::new(file)).map_err(|error| error.to_string())?;
        end_unaware(&mut core);
        drop(core);
        followers.reconfigure();
        NOTHING
    });
    let (here, followers) = (core.clone(), remotes.clone());
    commands.add("ovsdb-server/remove-db", "DB", 1..=1, move |words| {
        let mut core = here.lock();
        let name = words.first().map_or("", String::as_str);
        if name.starts_with('_') && core.server.database(name).is_some() {
            return Err("Cannot remove reserved database.".to_owned());
        }
        if !core.remove(name) {
            return Err("Failed to find the database.".to_owned());
        }
        end_unaware(&mut core);
        drop(core);
        followers.reconfigure();
        NOTHING
    });
    let here = core.clone();
    commands.add("ovsdb-server/compact", "", 0..=1, move |words| compact(&mut here.lock(), words.first()));
    let here = core.clone();
    commands.add("ovsdb-server/get-db-storage-status", "DB", 1..=1, move |words| {
        match here.lock().has_file(words.first().map_or("", String::as_str)) {
            true => Ok("status: ok\n".to_owned()),
            false => Err("Failed to find the database.".to_owned()),
        }
    });
}

/// Those who have not said that they can stand it connect anew when databases come and go.
fn end_unaware(core: &mut Core) {
    core.server.end_sessions(&CloseReason::DatabasesChanged, false);
    core.settle(None);
}

fn compact(core: &mut Core, wanted: Option<&String>) -> Answer {
    let names: Vec<String> =
        core.server.names().filter(|name| core.has_file(name)).map(str::to_owned).collect();
    let chosen: Vec<&String> =
        names.iter().filter(|name| wanted.is_none_or(|wanted| wanted == *name)).collect();
    if chosen.is_empty() && wanted.is_some() {
        return Err("no database by that name".to_owned());
    }
    for name in chosen {
        tracing::info!(target: "ovsdb_server", "compacting {name} database by user request");
        core.compact(name).map_err(|error| format!("{name}: {error}"))?;
    }
    NOTHING
}

fn of_remotes(commands: &mut Commands, core: &Shared, remotes: &Remotes) {
    let here = remotes.clone();
    commands.add("ovsdb-server/list-remotes", "", 0..=0, move |_| {
        Ok(here.list().iter().map(|remote| format!("{remote}\n")).collect())
    });
    let here = remotes.clone();
    commands.add("ovsdb-server/add-remote", "REMOTE", 1..=1, move |words| {
        here.add(words.first().map_or("", String::as_str)).map(|()| String::new())
    });
    let here = remotes.clone();
    commands.add("ovsdb-server/remove-remote", "REMOTE", 1..=1, move |words| {
        match here.remove(words.first().map_or("", String::as_str)) {
            true => NOTHING,
            false => Err("no such remote".to_owned()),
        }
    });
    let here = core.clone();
    commands.add("ovsdb-server/reconnect", "", 0..=0, move |_| {
        let mut core = here.lock();
        core.server.end_sessions(&CloseReason::Reconnect, true);
        core.settle(None);
        NOTHING
    });
}

fn looks(commands: &mut Commands, core: &Shared) {
    let here = core.clone();
    commands.add("memory/show", "", 0..=0, move |_| {
        let usage = here.lock().server.usage();
        let mut words = vec![format!("cells:{}", usage.cells), format!("monitors:{}", usage.monitors)];
        words.push(format!("n-weak-refs:{}", usage.weak_references));
        for (name, count) in
            [("backlog", usage.backlog), ("sessions", usage.sessions), ("triggers", usage.triggers)]
        {
            if count > 0 {
                words.push(format!("{name}:{count}"));
            }
        }
        Ok(words.join(" ") + "\n")
    });
    let here = core.clone();
    commands.add("coverage/show", "", 0..=0, move |_| {
        let commits = here.lock().server.commits();
        Ok(format!("Event coverage since the start:\ntxn_committed            total: {commits}\n"))
    });
}

/// It never is a backup of another server, so there is nothing to be told of one.
fn backup(commands: &mut Commands) {
    commands.add("ovsdb-server/sync-status", "", 0..=0, |_| Ok("state: active\n".to_owned()));
    commands.add("ovsdb-server/get-active-ovsdb-server", "", 0..=0, |_| NOTHING);
    commands.add("ovsdb-server/get-sync-exclude-tables", "", 0..=0, |_| NOTHING);
}

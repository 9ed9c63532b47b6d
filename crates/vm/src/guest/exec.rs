//! Becoming a program of the guest: session, terminal, user, directory.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use netloom_sys::{child, privileges, terminal};

use super::say;

/// What is wanted, as arguments.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wanted<'a> {
    /// Standard input is a terminal, to be the controlling one.
    terminal: bool,
    /// The machine's console is to be.
    console: bool,
    cwd: Option<&'a str>,
    user: Option<&'a str>,
    argv: &'a [String],
}

/// Becomes the program; returns only if that fails: 127 when it is not there, 126 when it cannot be run, 125 for the rest.
pub(super) fn run(words: &[String]) -> i32 {
    let Some(wanted) = parse(words) else { return 125 };
    let Some((program, arguments)) = wanted.argv.split_first() else { return 125 };
    if let Err(error) = prepare(&wanted) {
        say(&error);
        return 125;
    }
    let mut command = Command::new(program);
    command.args(arguments);
    if let Some(user) = wanted.user {
        match become_user(user) {
            Ok(home) => {
                command.env("HOME", home);
            }
            Err(error) => {
                say(&error);
                return 125;
            }
        }
    }
    let error = command.exec();
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    say(&if missing && !program.contains('/') {
        format!("{program}: command not found")
    } else {
        format!("Cannot start {program}: {error}")
    });
    if missing { 127 } else { 126 }
}

fn parse(words: &[String]) -> Option<Wanted<'_>> {
    let mut wanted = Wanted::default();
    let mut rest = words;
    loop {
        let (word, tail) = rest.split_first()?;
        rest = tail;
        match word.as_str() {
            "--" => break,
            "--terminal" => wanted.terminal = true,
            "--console" => wanted.console = true,
            "--cwd" | "--user" => {
                let (value, tail) = rest.split_first()?;
                rest = tail;
                let slot = if word == "--cwd" { &mut wanted.cwd } else { &mut wanted.user };
                *slot = Some(value.as_str());
            }
            _ => return None,
        }
    }
    wanted.argv = rest;
    Some(wanted)
}

fn prepare(wanted: &Wanted<'_>) -> Result<(), String> {
    let text = |error: netloom_sys::HostError| error.to_string();
    if wanted.console {
        take_console().map_err(|error| format!("the console: {error}"))?;
    } else if wanted.terminal {
        terminal::control(rustix::stdio::stdin()).map_err(text)?;
    } else {
        terminal::leave().map_err(text)?;
    }
    let cwd = wanted.cwd.unwrap_or("/");
    std::env::set_current_dir(cwd).map_err(|error| format!("Cannot enter the directory {cwd}: {error}"))
}

/// /dev/console stands for another device, and only that one can control a session.
fn take_console() -> Result<(), String> {
    let active = std::fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let name = active.split_whitespace().last().unwrap_or("console");
    // Without becoming the controlling one by the way, which is to be done in the new session.
    let flags = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap_or(0);
    let file = File::options().read(true).write(true).custom_flags(flags).open(format!("/dev/{name}"));
    let file = file.map_err(|error| format!("/dev/{name}: {error}"))?;
    terminal::control(&file).map_err(|error| error.to_string())?;
    let fd = std::os::fd::AsFd::as_fd(&file);
    child::set_stdio([fd; 3]).map_err(|error| error.to_string())
}

/// Becomes a user by the guest's own names, `NAME|UID[:GROUP|GID]`; where that user is at home.
fn become_user(text: &str) -> Result<String, String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (uid, gid, groups, home) = look_up(text, &read("/etc/passwd"), &read("/etc/group"))?;
    if uid != 0 || gid != 0 {
        child::give_stdio(uid);
        privileges::become_user(uid, gid, &groups).map_err(|error| error.to_string())?;
    }
    Ok(home)
}

type User = (u32, u32, Vec<u32>, String);

/// Source: passwd(5), group(5).
fn look_up(text: &str, passwd: &str, group: &str) -> Result<User, String> {
    let (name, wanted_group) = text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group)));
    let lines = |text: &str| -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(':').map(str::to_owned).collect()).collect()
    };
    let number = |field: Option<&String>| field.and_then(|field| field.parse::<u32>().ok());
    let (users, all_groups) = (lines(passwd), lines(group));
    let user = users.iter().find(|fields| fields.first().is_some_and(|known| known == name));
    let user = user.or_else(|| users.iter().find(|fields| fields.get(2).is_some_and(|uid| uid == name)));
    let (uid, mut gid, home) = match (user, name.parse::<u32>()) {
        (Some(fields), _) => {
            let uid = number(fields.get(2)).ok_or_else(|| format!("/etc/passwd: {name} has no number"))?;
            (uid, number(fields.get(3)).unwrap_or(0), fields.get(5).cloned())
        }
        (None, Ok(uid)) => (uid, 0, None),
        (None, Err(_)) => return Err(format!("there is no user {name} in the guest")),
    };
    if let Some(wanted) = wanted_group {
        let found = all_groups.iter().find(|fields| fields.first().is_some_and(|known| known == wanted));
        let by_name = number(found.and_then(|fields| fields.get(2)));
        gid = by_name
            .or_else(|| wanted.parse().ok())
            .ok_or_else(|| format!("there is no group {wanted} in the guest"))?;
    }
    let member = |fields: &&Vec<String>| {
        let own = user.and_then(|fields| fields.first()).map_or(name, String::as_str);
        wanted_group.is_none() && fields.get(3).is_some_and(|all| all.split(',').any(|one| one == own))
    };
    let groups = all_groups.iter().filter(member).filter_map(|fields| number(fields.get(2))).collect();
    Ok((uid, gid, groups, home.unwrap_or_else(|| "/".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_the_program_are_its_own() {
        let words = ["--terminal", "--cwd", "/srv", "--", "ls", "--", "--user"].map(str::to_owned);
        let wanted = parse(&words).unwrap();
        assert_eq!((wanted.terminal, wanted.cwd, wanted.user), (true, Some("/srv"), None));
        assert_eq!(wanted.argv, ["ls", "--", "--user"]);
        assert_eq!(parse(&["--odd".to_owned(), "--".to_owned()]), None);
        assert_eq!(parse(&["--cwd".to_owned()]), None);
    }

    #[test]
    fn users_go_by_name_and_number() {
        let (passwd, group) =
            ("root:x:0:0::/root:/bin/sh\nwww:x:33:34::/var/www:/bin/sh\n", "root:x:0:\nweb:x:40:a,www\n");
        let found = |text| look_up(text, passwd, group);
        assert_eq!(found("www"), Ok((33, 34, vec![40], "/var/www".to_owned())));
        assert_eq!(found("33:web"), Ok((33, 40, vec![], "/var/www".to_owned())));
        assert_eq!(found("1000"), Ok((1000, 0, vec![], "/".to_owned())));
        assert!(found("nobody").is_err() && found("www:nobody").is_err());
    }
}

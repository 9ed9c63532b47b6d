//! Numbers of users and groups that a machine has set aside for a user: with them a user namespace has many users instead of
//! one. Only the programs `newuidmap` and `newgidmap` may write such a map, from outside the namespace.
//!
//! Source: subuid(5), newuidmap(1), user_namespaces(7).

use std::fmt;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The numbers of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subordinates {
    users: Range,
    groups: Range,
    programs: [PathBuf; 2],
}

/// The first, and how many.
type Range = (u32, u32);

/// Why a user has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// A program is not there.
    Program(&'static str),
    /// A file says nothing of the user.
    Line {
        /// Which file.
        file: &'static str,
        /// By name, or by number if there is none.
        user: String,
    },
    /// A program refused, in its words.
    Refused(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(name) => write!(f, "{name} is not installed"),
            Self::Line { file, user } => write!(f, "{file} sets no numbers aside for {user}"),
            Self::Refused(words) => f.write_str(words),
        }
    }
}

impl Subordinates {
    /// Those of the user this process runs as.
    ///
    /// # Errors
    /// What is lacking.
    pub fn of_this_user() -> Result<Self, Lack> {
        let uid = rustix::process::geteuid().as_raw();
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let name = name_of(&text("/etc/passwd"), uid);
        let range = |file: &'static str| {
            let user = name.clone().unwrap_or_else(|| uid.to_string());
            range_of(&text(file), name.as_deref(), uid).ok_or(Lack::Line { file, user })
        };
        let programs = [program("newuidmap")?, program("newgidmap")?];
        Ok(Self { users: range("/etc/subuid")?, groups: range("/etc/subgid")?, programs })
    }

    /// How many users the namespace has, root among them.
    #[must_use]
    pub const fn users(&self) -> u32 {
        self.users.1.saturating_add(1)
    }

    /// Starts who is to write the maps: it waits until this process is in its namespace.
    pub(super) fn prepare(&self) -> Result<Writer, Lack> {
        let [newuidmap, newgidmap] = &self.programs;
        let map = |(first, count): Range, own: u32| {
            [
                "0".to_owned(),
                own.to_string(),
                "1".to_owned(),
                "1".to_owned(),
                first.to_string(),
                count.to_string(),
            ]
        };
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let mut command = Command::new("/bin/sh");
        // Groups first: if that is refused, this process can still write both maps itself.
        command.args([
            "-c",
            "read go || exit 1; g=$1 u=$2 pid=$3; shift 3; \"$g\" $pid $1 $2 $3 $4 $5 $6 && shift 6 && \"$u\" $pid $*",
            "sh",
        ]);
        command.arg(newgidmap).arg(newuidmap).arg(std::process::id().to_string());
        command.args(map(self.groups, gid)).args(map(self.users, uid));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().map(Writer).map_err(|error| Lack::Refused(format!("/bin/sh: {error}")))
    }
}

/// A process outside the namespace that writes the maps when it is told, and ends when nobody can tell it any more.
pub(super) struct Writer(Child);

impl Writer {
    /// Has the maps written.
    pub(super) fn write(mut self) -> Result<(), Lack> {
        let mut said = String::new();
        if let Some(mut go) = self.0.stdin.take() {
            // If it is gone, its exit code says so.
            let _ = go.write_all(b"go\n");
        }
        if let Some(mut errors) = self.0.stderr.take() {
            let _ = errors.read_to_string(&mut said);
        }
        match self.0.wait() {
            Ok(status) if status.success() => Ok(()),
            _ => Err(Lack::Refused(said.lines().next().unwrap_or("newuidmap failed").to_owned())),
        }
    }
}

/// Programs that have privileges are not taken from anywhere.
fn program(name: &'static str) -> Result<PathBuf, Lack> {
    let dirs = ["/usr/bin", "/bin", "/usr/local/bin", "/run/wrappers/bin"];
    let found = dirs.iter().map(|dir| Path::new(dir).join(name)).find(|path| path.is_file());
    found.ok_or(Lack::Program(name))
}

/// The name of a user in a text like that of /etc/passwd.
fn name_of(passwd: &str, uid: u32) -> Option<String> {
    let mut lines = passwd.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// The longest range of a user, by name or number.
fn range_of(text: &str, name: Option<&str>, uid: u32) -> Option<Range> {
    let number = uid.to_string();
    let ranges = text.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let user = fields.next().filter(|user| Some(*user) == name || *user == number)?;
        let (first, count) = (fields.next()?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?);
        (!user.is_empty() && first.checked_add(count).is_some()).then_some((first, count))
    });
    ranges.filter(|(_, count)| *count > 0).max_by_key(|(_, count)| *count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_name_and_by_number() {
        let text =
            "# none\nana:100000:65536\nbob:200000:10\nbob:300000:1000\n1003:7:8\neve:4294967290:9\ndan:5:0\n";
        assert_eq!(range_of(text, Some("ana"), 1_000), Some((100_000, 65_536)));
        assert_eq!(range_of(text, Some("bob"), 1_001), Some((300_000, 1_000)), "the longest");
        assert_eq!(range_of(text, None, 1_003), Some((7, 8)));
        for (name, uid) in [(Some("eve"), 1), (Some("dan"), 2), (Some("zoe"), 3), (None, 4)] {
            assert_eq!(range_of(text, name, uid), None, "{name:?}");
        }
    }

    #[test]
    fn users_have_names() {
        let passwd = "root:x:0:0::/root:/bin/sh\nodd\nana:x:1000:1000::/home/ana:/bin/sh\n";
        assert_eq!(name_of(passwd, 1_000).as_deref(), Some("ana"));
        assert_eq!(name_of(passwd, 7), None);
    }

    #[test]
    fn what_is_lacking_is_named() {
        let line = Lack::Line { file: "/etc/subuid", user: "ana".to_owned() };
        assert_eq!(line.to_string(), "/etc/subuid sets no numbers aside for ana");
        assert_eq!(Lack::Program("newuidmap").to_string(), "newuidmap is not installed");
    }
}

//! What of a lab can outlive its daemon, line by line: so that `down` can remove it after a `kill -9`, and
//! nothing else.
//!
//! Before something is made its *intent* is written (kind and the name it will have), afterwards *done* with the
//! identity it got, and *gone* once it was removed. One JSON object a line; a torn last line is ignored. What dies
//! with its owner anyway (fds, namespaces without a name, children of the spawner) is not in it.
//!
//! This module does not touch a file: lines go through a [`Sink`], and what is read is text.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};

/// The version of the journal's lines.
const VERSION: u32 = 1;

/// What was, or was to be, made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A process; its name is the node and what it runs.
    Process,
    /// A name under /run/netns; its name is the path.
    Netns,
    /// A device outside the lab's namespaces; its name is the device's.
    Device,
    /// A mount; its name is the path.
    Mount,
    /// A cgroup; its name is the path.
    Cgroup,
    /// A file; its name is the path.
    File,
    /// A folder and what is in it; its name is the path.
    Folder,
    /// A virtual function of a network card; its name is the path of the file that says what it was.
    Function,
}

/// What tells a thing from another that came to have the same name later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Identity {
    /// A process.
    Process {
        /// Its id.
        pid: u32,
        /// When it started, in clock ticks since boot (`/proc/PID/stat`, field 22).
        start: u64,
    },
    /// A file, folder, cgroup or namespace.
    Inode {
        /// The device it is on.
        dev: u64,
        /// Its number there.
        inode: u64,
    },
    /// A network device.
    Device {
        /// Its index.
        index: u32,
        /// Its alias: `netloom:<lab>`.
        alias: String,
    },
    /// A mount.
    Mount {
        /// Its id (`statx`, unique until the next boot).
        id: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    /// The first line of a daemon's life.
    Begin { version: u32, lab: String, boot: String, pid: u32 },
    /// Something is about to be made.
    Intent { id: u64, kind: Kind, name: String },
    /// It was made.
    Done { id: u64, identity: Identity },
    /// It was removed.
    Gone { id: u64 },
}

/// Where lines go. An implementation appends the bytes at once, so that a crash tears at most the last line.
pub trait Sink {
    /// Appends a line, its end included.
    ///
    /// # Errors
    /// The host's.
    fn append(&mut self, line: &str) -> io::Result<()>;
}

impl Sink for String {
    fn append(&mut self, line: &str) -> io::Result<()> {
        self.push_str(line);
        Ok(())
    }
}

/// Names one entry of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(u64);

/// Writes a journal.
#[derive(Debug)]
pub struct Journal<S> {
    sink: S,
    next: u64,
}

impl<S: Sink> Journal<S> {
    /// Begins a daemon's part of the journal. `after`: what was read of the journal there is, if any, so that the
    /// numbers go on.
    ///
    /// # Errors
    /// The sink's.
    pub fn begin(mut sink: S, lab: &str, boot: &str, pid: u32, after: Option<&Replay>) -> io::Result<Self> {
        let line = Line::Begin { version: VERSION, lab: lab.to_owned(), boot: boot.to_owned(), pid };
        if after.is_some_and(|replay| replay.torn) {
            // Ends the torn line, which then is a line that cannot be read and is passed over.
            sink.append("\n")?;
        }
        append(&mut sink, &line)?;
        Ok(Self { sink, next: after.map_or(0, |replay| replay.next) })
    }

    /// Says that something is about to be made.
    ///
    /// # Errors
    /// The sink's: then it must not be made.
    pub fn intent(&mut self, kind: Kind, name: &str) -> io::Result<EntryId> {
        let id = self.next;
        append(&mut self.sink, &Line::Intent { id, kind, name: name.to_owned() })?;
        self.next += 1;
        Ok(EntryId(id))
    }

    /// Says that it was made, and as what.
    ///
    /// # Errors
    /// The sink's.
    pub fn done(&mut self, entry: EntryId, identity: Identity) -> io::Result<()> {
        append(&mut self.sink, &Line::Done { id: entry.0, identity })
    }

    /// Says that it was removed, or never came to be.
    ///
    /// # Errors
    /// The sink's.
    pub fn gone(&mut self, entry: EntryId) -> io::Result<()> {
        append(&mut self.sink, &Line::Gone { id: entry.0 })
    }
}

fn append(sink: &mut impl Sink, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    sink.append(&text)
}

/// Something that may still be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its entry.
    pub entry: EntryId,
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What it was when it was made; `None`: nobody knows whether it was made at all.
    pub identity: Option<Identity>,
    /// The boot in which it was made.
    pub boot: String,
}

/// What a journal says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replay {
    /// The lab.
    pub lab: String,
    /// The boot of the last daemon.
    pub boot: String,
    /// The last daemon's process id.
    pub pid: u32,
    /// What may still be there, in the order in which to remove it: latest first.
    pub leftovers: Vec<Leftover>,
    /// Whole lines that could not be read.
    pub unreadable: usize,
    /// Whether the last line is torn.
    torn: bool,
    next: u64,
}

/// Reads a journal.
#[must_use]
pub fn replay(text: &str) -> Replay {
    let mut out = Replay::default();
    let mut open: BTreeMap<u64, Leftover> = BTreeMap::new();
    for line in text.split_inclusive('\n') {
        let Some(whole) = line.strip_suffix('\n') else {
            out.torn = true;
            break;
        };
        match serde_json::from_str(whole) {
            Ok(Line::Begin { version: VERSION, lab, boot, pid }) => {
                (out.lab, out.boot, out.pid) = (lab, boot, pid)
            }
            Ok(Line::Intent { id, kind, name }) => {
                out.next = out.next.max(id.saturating_add(1));
                let boot = out.boot.clone();
                open.insert(id, Leftover { entry: EntryId(id), kind, name, identity: None, boot });
            }
            Ok(Line::Done { id, identity }) => {
                if let Some(entry) = open.get_mut(&id) {
                    entry.identity = Some(identity);
                }
            }
            Ok(Line::Gone { id }) => {
                open.remove(&id);
            }
            Ok(Line::Begin { .. }) | Err(_) => out.unreadable += usize::from(!whole.is_empty()),
        }
    }
    out.leftovers = open.into_values().rev().collect();
    out
}

/// What is found under the name of a leftover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is now.
    pub identity: Identity,
    /// Whether it carries the lab's mark (alias, extended attribute, environment).
    pub marked: bool,
}

impl Leftover {
    /// Whether it may be removed: only if it is the very thing that was made, or, where nobody knows, if it has
    /// our name *and* our mark.
    #[must_use]
    pub fn is_ours(&self, boot: &str, found: Option<&Found>) -> bool {
        let Some(found) = found else { return false };
        match &self.identity {
            None => found.marked,
            Some(identity) => *identity == found.identity && (self.boot == boot || self.survives_boot()),
        }
    }

    /// Whether such a thing can still be there after the machine was started anew.
    const fn survives_boot(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: Identity = Identity::Inode { dev: 1, inode: 7 };

    fn journal(text: &mut String, f: impl FnOnce(&mut Journal<&mut String>)) {
        let before = replay(text);
        let mut journal = Journal::begin(text, "shop", "boot-1", 42, Some(&before)).expect("memory");
        f(&mut journal);
    }

    impl Sink for &mut String {
        fn append(&mut self, line: &str) -> io::Result<()> {
            self.push_str(line);
            Ok(())
        }
    }

    #[test]
    fn what_was_made_and_not_removed_is_left_latest_first() {
        let mut text = String::new();
        journal(&mut text, |j| {
            let a = j.intent(Kind::File, "/tmp/a").expect("memory");
            j.done(a, FILE).expect("memory");
            let b = j.intent(Kind::Netns, "/run/netns/b").expect("memory");
            let c = j.intent(Kind::Process, "red/web").expect("memory");
            j.done(c, Identity::Process { pid: 9, start: 77 }).expect("memory");
            j.gone(c).expect("memory");
            let _ = b;
        });
        let replay = replay(&text);
        assert_eq!((replay.lab.as_str(), replay.pid, replay.unreadable), ("shop", 42, 0));
        let left: Vec<_> = replay.leftovers.iter().map(|l| (l.name.as_str(), l.identity.is_some())).collect();
        assert_eq!(left, [("/run/netns/b", false), ("/tmp/a", true)]);
    }

    #[test]
    fn every_torn_end_is_ignored_and_the_journal_goes_on() {
        let mut whole = String::new();
        journal(&mut whole, |j| {
            let a = j.intent(Kind::File, "/tmp/a").expect("memory");
            j.done(a, FILE).expect("memory");
        });
        for end in 0..whole.len() {
            let mut text = whole[..end].to_owned();
            assert_eq!(replay(&text).unreadable, 0, "{text}");
            let known = replay(&text).leftovers.len();
            journal(&mut text, |j| {
                j.intent(Kind::Folder, "/tmp/b").expect("memory");
            });
            let after = replay(&text);
            assert_eq!(after.leftovers.len(), known + 1, "{text}");
            assert_eq!(after.leftovers[0].name, "/tmp/b");
        }
    }

    #[test]
    fn only_the_very_thing_is_ours() {
        let left = |kind, identity: Option<Identity>| Leftover {
            entry: EntryId(0),
            kind,
            name: "x".into(),
            identity,
            boot: "boot-1".into(),
        };
        let found = |identity: &Identity, marked| Some(Found { identity: identity.clone(), marked });
        let other = Identity::Inode { dev: 1, inode: 8 };
        let known = left(Kind::File, Some(FILE));
        assert!(known.is_ours("boot-1", found(&FILE, false).as_ref()));
        assert!(known.is_ours("boot-2", found(&FILE, false).as_ref()), "files survive a boot");
        assert!(!known.is_ours("boot-1", found(&other, true).as_ref()), "another file of that name");
        assert!(!known.is_ours("boot-1", None));
        let process = Identity::Process { pid: 1, start: 2 };
        assert!(
            !left(Kind::Process, Some(process.clone())).is_ours("boot-2", found(&process, true).as_ref())
        );
        let unknown = left(Kind::Netns, None);
        assert!(unknown.is_ours("boot-1", found(&FILE, true).as_ref()));
        assert!(!unknown.is_ours("boot-1", found(&FILE, false).as_ref()), "our name without our mark");
    }

    #[test]
    fn junk_is_counted_not_believed() {
        let replay = replay("{}\n{\"line\":\"intent\"}\nx\n{\"line\":\"gone\",\"id\":3}\n\n");
        assert_eq!((replay.unreadable, replay.leftovers.len()), (3, 0));
    }
}

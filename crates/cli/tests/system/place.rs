//! A place of a test's own: its directory, its labs, and who runs them.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Who types the commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever runs the tests.
    Me,
    /// An ordinary user, where the tests are run by root.
    User,
}

/// A place of a test's own. Dropping it takes its labs down.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    pub(crate) who: Who,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a test for everybody who can run labs here.
pub(crate) fn for_each(test: impl Fn(&Place)) {
    for who in [Who::Me, Who::User] {
        if let Some(place) = Place::of(who) {
            test(&place);
        }
    }
}

/// Runs a test for an ordinary user only.
pub(crate) fn for_user(test: fn(&Place)) {
    let who = if rustix::process::geteuid().is_root() { Who::User } else { Who::Me };
    if let Some(place) = Place::of(who) {
        test(&place);
    }
}

/// Runs a test once, for whoever runs the tests.
pub(crate) fn once(test: fn(&Place)) {
    if let Some(place) = Place::of(Who::Me) {
        test(&place);
    }
}

/// Runs a test once, for root: others make no machines, which is said aloud.
pub(crate) fn once_as_root(test: fn(&Place)) {
    if rustix::process::geteuid().is_root() {
        once(test);
    } else {
        eprintln!("skipped: only root makes machines");
    }
}

/// Whether a program is missing here, which is said aloud with the package that has it.
pub(crate) fn lacks(programs: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &&&str| std::env::split_paths(&path).any(|folder| folder.join(program).exists());
    let Some(missing) = programs.iter().find(|program| !is_there(program)) else { return false };
    let package = if *missing == "ping" { "iputils-ping" } else { "iproute2" };
    eprintln!("skipped: there is no {missing} (Debian: {package})");
    true
}

impl Place {
    /// `None`, said aloud, where this one cannot run labs.
    fn of(who: Who) -> Option<Self> {
        if who == Who::User && !rustix::process::geteuid().is_root() {
            return None;
        }
        // Not below a directory that an ordinary user cannot enter; short, since socket paths are.
        let dir = tempfile::Builder::new().prefix("nl").tempdir_in("/tmp").unwrap();
        if who == Who::User {
            std::os::unix::fs::chown(dir.path(), Some(USER), Some(USER)).unwrap();
        }
        let place = Self { dir, who };
        if place.is_root() {
            return Some(place);
        }
        let tried = place.as_user("unshare").args(["--user", "--map-root-user", "--net", "true"]).output();
        let binary = place.as_user(BINARY).arg("--version").output();
        match (tried, binary) {
            (Ok(tried), Ok(binary)) if tried.status.success() && binary.status.success() => Some(place),
            (tried, binary) => {
                eprintln!("skipped for an ordinary user: {tried:?} {binary:?}");
                None
            }
        }
    }

    /// Whether commands are root's here.
    pub(crate) fn is_root(&self) -> bool {
        self.who == Who::Me && rustix::process::geteuid().is_root()
    }

    fn as_user(&self, program: &str) -> Command {
        if self.who == Who::Me {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        let user = USER.to_string();
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups", program]);
        command
    }

    /// `netloom` with these arguments, in this place.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.as_user(BINARY);
        command
            .args(arguments)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("NETLOOM_RUN_DIR", self.run_dir())
            .env("NETLOOM_DATA_DIR", self.path("data"))
            .env("NETLOOM_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Where labs have their directories.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// A file of this place.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        if self.who == Who::User {
            std::os::unix::fs::chown(&path, Some(USER), Some(USER)).unwrap();
        }
    }

    /// Makes a directory of whoever runs the labs.
    pub(crate) fn make_dir(&self, name: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(&path).unwrap();
        if self.who == Who::User {
            std::os::unix::fs::chown(&path, Some(USER), Some(USER)).unwrap();
        }
    }

    /// Runs `netloom WORDS`; no word has a blank in it.
    pub(crate) fn run(&self, words: &str) -> Done {
        self.run_words(&words.split(' ').collect::<Vec<_>>())
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Done {
        Done::from(self.command(words).output().unwrap())
    }

    /// Runs `netloom WORDS`, which must succeed; its output.
    pub(crate) fn ok(&self, words: &str) -> String {
        let done = self.run(words);
        assert_eq!(done.code, 0, "{:?}: netloom {words}: {done:?}", self.who);
        done.out
    }

    /// Writes a lab file and brings it up.
    pub(crate) fn up(&self, text: &str) {
        self.write("lab.loom.yml", text);
        self.ok("up lab.loom.yml");
    }

    /// A shell command in a node.
    pub(crate) fn sh(&self, node: &str, script: &str) -> Done {
        self.run_words(&["exec", "-T", node, "--", "sh", "-c", script])
    }

    /// A shell command in a node, which must succeed; its output without the last line feed.
    pub(crate) fn sh_ok(&self, node: &str, script: &str) -> String {
        let done = self.sh(node, script);
        assert_eq!(done.code, 0, "{:?}: {script}: {done:?}", self.who);
        done.out.trim_end().to_owned()
    }

    /// Starts `netloom WORDS` and lets it run.
    pub(crate) fn start(&self, words: &str) -> Child {
        self.command(&words.split(' ').collect::<Vec<_>>()).spawn().unwrap()
    }

    /// Milliseconds of the first round trips that `netloom ping` reports from one node to another, IPv4.
    pub(crate) fn rtt(&self, from: &str, to: &str) -> f64 {
        let text = self.ok(&format!("ping {from} {to} -4 -c 3 -o json"));
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        json.pointer("/pings/rows/0/min_ms")
            .and_then(serde_json::Value::as_f64)
            .unwrap_or_else(|| panic!("{text}"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let done = self.run("down --all");
        if !std::thread::panicking() {
            assert_eq!(done.code, 0, "{done:?}");
        }
    }
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Looks again and again until something is there, for at most 5 s.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "not within 5 s: {what}");
        // Between two looks, so that looking does not take the processor from what is looked for.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends a child of ours as Ctrl-C would, and waits; what it printed.
pub(crate) fn interrupt(mut child: Child) -> Done {
    // `setpriv` executes the program in its own place: the number is the program's.
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut err).unwrap();
    let status = child.wait().unwrap();
    Done::from(Output { status, stdout: out, stderr: err })
}

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_netloom");
/// The number of an ordinary user; it needs no name.
const USER: u32 = 1000;

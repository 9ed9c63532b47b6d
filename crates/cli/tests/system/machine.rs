//! A machine of a test's own: a network namespace in which labs are brought up.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::place::{Done, Place};

/// The namespace. Dropping it takes it away, and with it everything in it.
pub(crate) struct Machine {
    name: String,
    /// The file that labs find as /etc/resolv.conf.
    resolver: OnceLock<PathBuf>,
}

impl Machine {
    /// One with nothing but its loopback; `None`, said aloud, where there are none to be had.
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root makes machines");
            return None;
        }
        let name = format!("nlm{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let machine = Self { name, resolver: OnceLock::new() };
        machine.ip_of(&["netns", "add", &machine.name]);
        machine.ip("link set lo up");
        Some(machine)
    }

    /// The namespace's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Labs find this file as /etc/resolv.conf from now on.
    pub(crate) fn with_resolver(&self, file: &Path) {
        self.resolver.set(file.to_owned()).unwrap();
    }

    /// `ip WORDS` on the machine.
    pub(crate) fn ip(&self, words: &str) {
        let words: Vec<&str> = ["-n", &self.name].into_iter().chain(words.split(' ')).collect();
        self.ip_of(&words);
    }

    fn ip_of(&self, words: &[&str]) {
        let done = Command::new("ip").args(words).output().unwrap();
        assert!(done.status.success(), "ip {words:?}: {done:?}");
    }

    fn inside(&self, program: &std::ffi::OsStr) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// A program on the machine.
    pub(crate) fn program(&self, program: &str) -> Command {
        self.inside(program.as_ref())
    }

    /// `netloom WORDS` on the machine, by whoever has the place.
    pub(crate) fn netloom(&self, place: &Place, words: &[&str]) -> Done {
        Done::from(self.command(place, words).output().unwrap())
    }

    /// Starts `netloom WORDS` and lets it run.
    pub(crate) fn start(&self, place: &Place, words: &[&str]) -> Child {
        self.command(place, words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    fn command(&self, place: &Place, words: &[&str]) -> Command {
        let inner = place.command(words);
        let mut command = match self.resolver.get() {
            None => self.inside(inner.get_program()),
            Some(file) => {
                // `ip netns exec` has made a mount namespace already.
                let mut command = self.inside("sh".as_ref());
                command.args(["-c", "mount --bind $0 /etc/resolv.conf && exec \"$@\""]).arg(file);
                command.arg(inner.get_program());
                command
            }
        };
        command.args(inner.get_args()).env_clear().stdin(Stdio::null());
        command.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.current_dir(inner.get_current_dir().unwrap());
        command
    }

    /// `netloom WORDS`, which must succeed; its output. No word has a blank in it.
    pub(crate) fn ok(&self, place: &Place, words: &str) -> String {
        let done = self.netloom(place, &words.split(' ').collect::<Vec<_>>());
        assert_eq!(done.code, 0, "{:?}: netloom {words}: {done:?}", place.who);
        done.out
    }

    /// Writes a lab file and brings it up.
    pub(crate) fn up(&self, place: &Place, text: &str) {
        place.write("lab.loom.yml", text);
        self.ok(place, "up lab.loom.yml");
    }

    /// Kills the daemon of the only lab of the place.
    pub(crate) fn kill_daemon(&self, place: &Place) {
        let json: serde_json::Value = serde_json::from_str(&self.ok(place, "ls labs -o json")).unwrap();
        let pid = i32::try_from(json["labs"][0]["pid"].as_i64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    /// A script of Python's on the machine.
    pub(crate) fn python(&self, script: &str) -> Done {
        Done::from(self.inside("python3".as_ref()).args(["-c", script]).output().unwrap())
    }

    /// A script of Python's on the machine, which must succeed; its output without the last line feed.
    pub(crate) fn python_ok(&self, script: &str) -> String {
        let done = self.python(script);
        assert_eq!(done.code, 0, "{script}: {done:?}");
        done.out.trim_end().to_owned()
    }

    /// Starts a script of Python's on the machine, which says a line once it is ready. Killed when it is dropped.
    pub(crate) fn serve(&self, script: &str) -> Served {
        use std::io::{BufRead as _, BufReader};
        let mut command = self.inside("python3".as_ref());
        let mut child = command.args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "{script}");
        Served(child)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
    }
}

/// A program that serves.
pub(crate) struct Served(Child);

impl Served {
    /// Waits until it has ended by itself.
    pub(crate) fn ended(mut self, patience: Duration) {
        let begin = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < patience, "it has not ended");
            // Between two looks: an end without a wait for it has no other way.
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

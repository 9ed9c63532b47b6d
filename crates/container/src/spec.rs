//! What a host and a process are to be: plain values, with nothing left to look up.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::capability::Capabilities;

/// A host: a network namespace with the machine's own files; or a container, with those of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// The node's full name in the lab (`red/web`): processes of one name share their namespaces.
    pub name: String,
    /// What `hostname` prints.
    pub hostname: String,
    /// How much of the machine can be written.
    pub filesystem: Filesystem,
    /// Lifts the limits on /proc/sys, /sys and device files; `capabilities` is a field of its own.
    pub privileged: bool,
    /// What its processes may do.
    pub capabilities: Capabilities,
    /// Programs gain nothing from setuid bits and file capabilities.
    pub no_new_privileges: bool,
    /// The directory of the lab file: read-write at its own path. An absolute path without symbolic links.
    pub lab_dir: Option<PathBuf>,
    /// Where /tmp, /run, /var/log and /dev/shm of this host are kept: made when missing, it outlives the host's processes.
    pub private_dir: PathBuf,
    /// The file shown as /etc/hosts; many hosts may share one.
    pub hosts_file: Option<PathBuf>,
    /// The file shown as /etc/resolv.conf; `None`: as the machine or the image has it.
    pub resolver_file: Option<PathBuf>,
    /// Further files and directories shown at places of the host's choice.
    pub files: Vec<BoundFile>,
    /// Device files of the machine beside the usual ones, such as /dev/net/tun.
    pub devices: Vec<PathBuf>,
    /// Files of an image instead of the machine's: `filesystem` and `lab_dir` mean nothing then.
    pub image: Option<Box<ImageRoot>>,
    /// Its programs have only the system calls of [`crate::seccomp`].
    pub seccomp: bool,
    /// Folders of the control group that its programs are in; they must be there.
    pub groups: Vec<PathBuf>,
    /// The same for the node's own first process, which holds its namespaces.
    pub init_groups: Vec<PathBuf>,
}

impl HostSpec {
    /// A host as the lab file means it when it says nothing: the machine read-only, a bounded set of capabilities.
    #[must_use]
    pub fn new(name: impl Into<String>, private_dir: impl Into<PathBuf>) -> Self {
        let name = name.into();
        Self {
            hostname: name.rsplit('/').next().unwrap_or_default().to_owned(),
            name,
            filesystem: Filesystem::Machine,
            privileged: false,
            capabilities: Capabilities::of_a_host(),
            no_new_privileges: true,
            lab_dir: None,
            private_dir: private_dir.into(),
            hosts_file: None,
            resolver_file: None,
            files: Vec::new(),
            devices: Vec::new(),
            image: None,
            seccomp: false,
            groups: Vec::new(),
            init_groups: Vec::new(),
        }
    }

    /// A container: the files of an image, no power over its own network, a bounded set of system calls.
    #[must_use]
    pub fn container(name: impl Into<String>, private_dir: impl Into<PathBuf>, image: ImageRoot) -> Self {
        let capabilities = Capabilities::of_a_container();
        let image = Some(Box::new(image));
        Self { capabilities, image, seccomp: true, ..Self::new(name, private_dir) }
    }

    /// The same host with the machine's files read-write, as Mininet shows them.
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.filesystem = Filesystem::Shared;
        self.no_new_privileges = false;
        self
    }

    /// The same host without limits.
    #[must_use]
    pub fn privileged(mut self) -> Self {
        self.privileged = true;
        self.capabilities = Capabilities::ALL;
        self.no_new_privileges = false;
        self.seccomp = false;
        self
    }

    /// Where its processes start unless they say otherwise.
    #[must_use]
    pub fn working_dir(&self) -> &Path {
        self.lab_dir.as_deref().unwrap_or(Path::new("/"))
    }
}

/// The files of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRoot {
    /// Unpacked layers, the lowest first; they are never written.
    pub layers: Vec<PathBuf>,
    /// A directory for what is written, on a file system that can hold the upper layer of an overlay.
    pub written: PathBuf,
    /// Made if the image does not have it.
    pub workdir: Option<PathBuf>,
    /// The root is read-only once everything is in place.
    pub read_only: bool,
    /// What else is mounted.
    pub mounts: Vec<Mount>,
}

/// Something mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The absolute path inside; made when missing.
    pub target: PathBuf,
    /// What.
    pub source: MountSource,
    /// It cannot be written.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MountSource {
    /// `path` below the directory `base`, which no link leads out of: for places that nodes can write.
    Beneath {
        /// The directory.
        base: PathBuf,
        /// A relative path.
        path: PathBuf,
    },
    /// A file or directory of the machine.
    Machine(PathBuf),
    /// A directory of the lab's own; while it is empty it gets what the image has at the target.
    Volume(PathBuf),
    /// A file system in memory.
    Memory {
        /// The most it holds.
        bytes: u64,
        /// Permissions of its root.
        mode: u32,
    },
}

/// How much of the machine's files a host can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filesystem {
    /// The machine read-only, the lab file's directory read-write, /tmp, /run, /var/log and /dev private.
    Machine,
    /// The machine's files as they are, read-write, /dev included.
    Shared,
}

/// A file or directory shown at another place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundFile {
    /// The absolute path inside the host; it need not exist on the machine.
    pub target: PathBuf,
    /// The absolute path on the machine.
    pub source: PathBuf,
}

/// A process to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// The program, looked up in the `PATH` of `env` unless it holds a slash, and its arguments.
    pub argv: Vec<String>,
    /// Its whole environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Where it starts, else [`HostSpec::working_dir`].
    pub cwd: Option<PathBuf>,
    /// Whom it runs as, else root of the node.
    pub user: Option<User>,
    /// Whom it runs as in the node's own names, `NAME[:GROUP]`, looked up when it starts; counts before `user`.
    pub identity: Option<String>,
    /// A terminal of this size instead of three streams.
    pub terminal: Option<TerminalSize>,
    /// No program: what the spawner was given as its agent does the work, with `argv`.
    pub agent: bool,
    /// How many more descriptors it gets, as 3 and so on, which follow the three streams.
    #[serde(default)]
    pub extra: usize,
}

impl ProcessSpec {
    /// A process with these arguments, an ordinary `PATH` and nothing else.
    #[must_use]
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: vec![("PATH".to_owned(), DEFAULT_PATH.to_owned())],
            cwd: None,
            user: None,
            identity: None,
            terminal: None,
            agent: false,
            extra: 0,
        }
    }

    /// Adds variables to its environment; a later one of a name takes the place of an earlier one.
    pub fn set_env(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            match self.env.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => self.env.push((name, value)),
            }
        }
    }
}

/// A user by numbers: names differ between images, who knows the image looks them up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The user.
    pub uid: u32,
    /// Its main group.
    pub gid: u32,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
}

/// The size of a terminal in characters; 0 means unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
}

/// Where programs are looked up when the environment has no `PATH`.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_host_is_bounded() {
        let host = HostSpec::new("red/web", "/x");
        assert_eq!(host.hostname, "web");
        assert!(host.no_new_privileges && !host.privileged);
        assert_eq!(host.capabilities, Capabilities::of_a_host());
        assert_eq!(host.working_dir(), Path::new("/"));
    }

    #[test]
    fn a_variable_is_there_once() {
        let mut process = ProcessSpec::new(["true"]);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        process.set_env([pair("A", "1"), pair("PATH", "/x"), pair("A", "2")]);
        assert_eq!(process.env, [pair("PATH", "/x"), pair("A", "2")]);
    }

    #[test]
    fn privileged_lifts_capabilities_but_not_the_read_only_machine() {
        let host = HostSpec::new("h1", "/x").privileged();
        assert_eq!(host.capabilities, Capabilities::ALL);
        assert_eq!(host.filesystem, Filesystem::Machine);
    }
}

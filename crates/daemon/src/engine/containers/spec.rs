//! From a node of the lab file and its image to what is started: the file wins, the image fills in.

use std::path::{Component, Path, PathBuf};

use netloom_api::{ApiError, ErrorKind};
use netloom_container::{BoundFile, HostSpec, ImageRoot, Mount, MountSource};
use netloom_lab::Lab;
use netloom_lab::container::{Container, Health, HealthRule, Volume, VolumeSource, signal};
use netloom_lab::lab::Node;

use super::{Containers, One, Ready, volumes};

/// The signal that asks a program to end, unless somebody says otherwise: SIGTERM.
const STOP: i32 = 15;

impl Containers {
    /// What a container's programs see.
    pub(in crate::engine) fn host(
        &self,
        lab: &Lab,
        node: &Node,
        container: &Container,
        one: &One,
    ) -> HostSpec {
        let memory = container.tmpfs.iter().map(|tmpfs| Mount {
            target: PathBuf::from(&tmpfs.target),
            source: MountSource::Memory { bytes: tmpfs.bytes, mode: tmpfs.mode },
            read_only: false,
        });
        let volumes = container.volumes.iter().map(|volume| mount(&self.lab, lab.dir(), volume));
        let root = ImageRoot {
            layers: one.image.layers.clone(),
            written: one.written.clone(),
            workdir: one.image.workdir(container),
            read_only: container.read_only,
            mounts: memory.chain(volumes).collect(),
        };
        let mut spec = HostSpec::container(&node.name, PathBuf::new(), root);
        spec.resolver_file = Some(self.resolver.clone());
        let file = |(target, source): (&String, &String)| BoundFile {
            target: target.into(),
            source: lab.dir().join(source),
        };
        spec.files = node.files.iter().map(file).collect();
        if node.privileged { spec.privileged() } else { spec }
    }
}

fn mount(lab: &str, dir: &Path, volume: &Volume) -> Mount {
    let source = match &volume.source {
        VolumeSource::Named(name) => MountSource::Volume(volumes(lab).unwrap_or_default().join(name)),
        VolumeSource::Path(path) => match beneath(dir, Path::new(path)) {
            Some(path) => MountSource::Beneath { base: dir.to_owned(), path },
            None => MountSource::Machine(dir.join(path)),
        },
    };
    Mount { target: PathBuf::from(&volume.target), source, read_only: volume.read_only }
}

/// `path` as seen from `dir`, if it lies in it: hosts write there, and what they put in the way must not lead out of it.
pub(super) fn beneath(dir: &Path, path: &Path) -> Option<PathBuf> {
    let path = if path.is_absolute() { path.strip_prefix(dir).ok()? } else { path };
    let mut inside = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => inside.push(name),
            _ => return None,
        }
    }
    Some(inside)
}

impl Ready {
    /// The command of a container; empty: it has none, and waits for `exec`.
    pub(in crate::engine) fn command(&self, container: &Container) -> Vec<String> {
        let cmd = container.cmd.as_ref();
        match &container.entrypoint {
            Some(entrypoint) => [entrypoint.as_slice(), cmd.map_or(&[], Vec::as_slice)].concat(),
            None => [&self.run.entrypoint[..], cmd.unwrap_or(&self.run.cmd)].concat(),
        }
    }

    /// The environment of its programs, without what the lab file says.
    pub(in crate::engine) fn env(&self) -> Vec<(String, String)> {
        let pair = |text: &String| {
            let (name, value) = text.split_once('=')?;
            let good = !name.is_empty() && !text.contains('\0');
            good.then(|| (name.to_owned(), value.to_owned()))
        };
        self.run.env.iter().filter_map(pair).collect()
    }

    /// Whom its programs run as.
    pub(in crate::engine) fn user(&self, container: &Container) -> String {
        let own = Some(&self.run.user).filter(|user| !user.is_empty());
        container.user.as_ref().or(own).cloned().unwrap_or_else(|| "0".to_owned())
    }

    /// Where its programs start.
    pub(in crate::engine) fn workdir(&self, container: &Container) -> Option<PathBuf> {
        let own = Some(&self.run.working_dir).filter(|dir| dir.starts_with('/'));
        container.workdir.as_ref().or(own).map(PathBuf::from)
    }

    /// The signal that asks its program to end.
    pub(in crate::engine) fn stop_signal(&self, container: &Container) -> i32 {
        container.stop_signal.or_else(|| signal(&self.run.stop_signal)).unwrap_or(STOP)
    }

    /// How it says that it is well.
    pub(in crate::engine) fn health(&self, rule: &HealthRule) -> Option<Health> {
        match rule {
            HealthRule::Check(health) => Some(health.clone()),
            HealthRule::Never => None,
            HealthRule::Image => {
                let own = self.run.healthcheck.as_ref()?;
                let nanos = |time: u64, usual: netloom_flow::Nanos| {
                    if time == 0 { usual } else { netloom_flow::Nanos(time) }
                };
                let usual = Health::new(own.command()?);
                Some(Health {
                    interval: nanos(own.interval, netloom_flow::Nanos::from_secs(30)),
                    timeout: nanos(own.timeout, netloom_flow::Nanos::from_secs(30)),
                    retries: if own.retries == 0 { 3 } else { own.retries },
                    start_period: netloom_flow::Nanos(own.start_period),
                    ..usual
                })
            }
        }
    }

    /// What a node wants of its image that the image does not have.
    ///
    /// # Errors
    /// A node that others wait for can never be healthy.
    pub(in crate::engine) fn check(&self, node: &Node, container: &Container) -> Result<(), ApiError> {
        if self.command(container).is_empty() && !node.after.is_empty() {
            let said = format!("{} waits for others, but {} has no program to start.", node.name, self.name);
            return Err(ApiError::new(ErrorKind::Failed, said).hint("give it a `cmd`"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netloom_image::document::Run;

    fn image(run: Run) -> Ready {
        Ready { name: "x".to_owned(), digest: None, layers: Vec::new(), run }
    }

    fn container() -> Container {
        Container {
            image: "x".to_owned(),
            entrypoint: None,
            cmd: None,
            user: None,
            workdir: None,
            volumes: Vec::new(),
            tmpfs: Vec::new(),
            read_only: false,
            stop_signal: None,
            stop_timeout: netloom_lab::container::STOP_TIMEOUT,
        }
    }

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_file_wins_and_an_entrypoint_takes_the_cmd_of_the_image_along() {
        let image = image(Run { entrypoint: words("run"), cmd: words("a b"), ..Run::default() });
        let mut wanted = container();
        assert_eq!(image.command(&wanted), words("run a b"));
        wanted.cmd = Some(words("c"));
        assert_eq!(image.command(&wanted), words("run c"));
        wanted.entrypoint = Some(words("sh -c"));
        assert_eq!(image.command(&wanted), words("sh -c c"));
        wanted.cmd = None;
        assert_eq!(image.command(&wanted), words("sh -c"));
    }

    #[test]
    fn the_image_fills_in() {
        let run = Run {
            env: words("A=1 =2 B C=3=4"),
            user: "www".to_owned(),
            working_dir: "/srv".to_owned(),
            stop_signal: "SIGQUIT".to_owned(),
            ..Run::default()
        };
        let image = image(run);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(image.env(), [pair("A", "1"), pair("C", "3=4")]);
        let mut wanted = container();
        assert_eq!((image.user(&wanted).as_str(), image.stop_signal(&wanted)), ("www", 3));
        assert_eq!(image.workdir(&wanted), Some(PathBuf::from("/srv")));
        (wanted.user, wanted.stop_signal) = (Some("0:0".to_owned()), Some(9));
        assert_eq!((image.user(&wanted).as_str(), image.stop_signal(&wanted)), ("0:0", 9));
    }

    #[test]
    fn volumes_beside_the_lab_file_stay_there() {
        let inside = |path: &str| beneath(Path::new("/lab"), Path::new(path));
        assert_eq!(inside("./a/./b"), Some(PathBuf::from("a/b")));
        assert_eq!(inside("/lab/a"), Some(PathBuf::from("a")));
        assert_eq!(inside("."), Some(PathBuf::new()));
        assert_eq!((inside("../a"), inside("/srv"), inside("a/../../b")), (None, None, None));
    }
}

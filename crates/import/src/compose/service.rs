//! A service as a node.

use super::networks::Networks;
use super::{order, ports, storage};
use crate::made::{Made, Map};
use crate::names::Names;
use crate::outside::variables;
use crate::read::{Field, Reading, find};
use crate::size;

/// What services know of the whole file.
pub(super) struct Project<'n> {
    pub(super) name: String,
    pub(super) services: Names,
    /// How many containers a service has.
    pub(super) replicas: Vec<(&'n str, u64)>,
    pub(super) left_out: Vec<&'n str>,
    pub(super) files: storage::Files,
}

impl Project<'_> {
    /// The node of a service: `web`, or `web1..3` if there are several containers.
    pub(super) fn node_name(&self, service: &str) -> String {
        let name = self.services.new_name(service).unwrap_or(service);
        match self.count(service) {
            1 => name.to_owned(),
            count => format!("{name}1..{count}"),
        }
    }

    /// All nodes of a service by name.
    pub(super) fn node_names(&self, service: &str) -> Vec<String> {
        let name = self.services.new_name(service).unwrap_or(service);
        match self.count(service) {
            1 => vec![name.to_owned()],
            count => (1..=count).map(|number| format!("{name}{number}")).collect(),
        }
    }

    /// Whether a node has this name.
    fn is_node(&self, name: &str) -> bool {
        self.replicas.iter().any(|(service, _)| self.node_names(service).iter().any(|node| node == name))
    }

    fn count(&self, service: &str) -> u64 {
        self.replicas.iter().find(|(name, _)| *name == service).map_or(1, |(_, count)| *count)
    }
}

/// How many containers `scale` or `deploy.replicas` ask for.
pub(super) fn replicas(reading: &mut Reading<'_>, service: Field<'_>) -> u64 {
    let keys = reading.fields(service.node, "a service");
    let scale = find(&keys, "scale");
    let replicas = find(&keys, "deploy").and_then(|deploy| {
        let deploy = reading.fields(deploy.node, "`deploy`");
        find(&deploy, "replicas")
    });
    let Some(field) = scale.or(replicas) else { return 1 };
    match field.node.text().and_then(|text| text.parse().ok()) {
        Some(count @ 1..=1_000) => count,
        _ => {
            reading.error(field.node.span, "the number of containers is one from 1 to 1000", None);
            1
        }
    }
}

/// Makes the node.
pub(super) fn node(
    reading: &mut Reading<'_>,
    project: &Project<'_>,
    networks: &mut Networks,
    service: Field<'_>,
) -> Map {
    let keys = reading.fields(service.node, "a service");
    let path = format!("services.{}", service.name);
    let mut map = Map::default();
    let mut aliases = vec![service.name.to_owned()];
    renamed(reading, project, service, &path);
    image(reading, project, service, &keys, &mut map);
    environment(reading, &keys, &mut map);
    networks.join(reading, &keys, &path, (&mut map, &mut aliases));
    for field in keys {
        let what = format!("{path}.{}", field.name);
        match field.name {
            // Read above, or of no consequence here: every node has a reaper, and takes what is sent to it.
            "image" | "environment" | "env_file" | "networks" | "network_mode" | "scale" | "profiles"
            | "expose" | "init" | "tty" | "stdin_open" | "attach" | "pull_policy" | "platform"
            | "mac_address" => {}
            "command" => command(reading, "cmd", field, &mut map),
            "entrypoint" => command(reading, "entrypoint", field, &mut map),
            "user" => copy(reading, "user", field, &mut map),
            "working_dir" => copy(reading, "workdir", field, &mut map),
            "stop_signal" => copy(reading, "stop-signal", field, &mut map),
            "stop_grace_period" => time(reading, "stop-timeout", field, &mut map),
            "read_only" => yes(reading, "read-only", field, &mut map),
            "privileged" => yes(reading, "privileged", field, &mut map),
            "restart" => restart(reading, field, &what, &mut map),
            "depends_on" => order::after(reading, project, field, &what, &mut map),
            "healthcheck" => order::health(reading, field, &what, &mut map),
            "ports" => ports::published(reading, field, &what, &mut map),
            "volumes" => storage::volumes(reading, field, service.name, &what, &mut map),
            "tmpfs" => storage::tmpfs(reading, field, &what, &mut map),
            "configs" | "secrets" => {}
            "sysctls" => sysctls(reading, field, &what, &mut map),
            "cpus" => limit(reading, "cpu", field, &mut map),
            "cpuset" => limit(reading, "cpuset", field, &mut map),
            "pids_limit" => limit(reading, "pids", field, &mut map),
            "mem_limit" => memory(reading, field, &mut map),
            "deploy" => deploy(reading, field, &what, &mut map),
            "container_name" => aliases.extend(reading.text(field)),
            "hostname" => {
                other_name(reading, project, service, field, &what);
                aliases.extend(reading.text(field));
            }
            "build" => reading.note(
                field.span,
                what,
                "not built: build the image elsewhere and load it with `netloom image load`",
            ),
            name if name.starts_with("x-") => {}
            _ => reading.note(field.span, what, "not carried over"),
        }
    }
    project.files.mount(reading, service, &path, &mut map);
    known_as(reading, project, service, aliases, &mut map);
    map.limits_as_docker();
    map
}

/// Other names than the node's: its own if that is no name for a node, and those the file gives it besides.
fn known_as(
    reading: &mut Reading<'_>,
    project: &Project<'_>,
    service: Field<'_>,
    aliases: Vec<String>,
    map: &mut Map,
) {
    let own = project.node_names(service.name);
    let mut all: Vec<String> = Vec::new();
    for alias in aliases {
        let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let is_name =
            alias.len() < 64 && !alias.starts_with('-') && !alias.is_empty() && alias.chars().all(fit);
        if own.contains(&alias) || all.contains(&alias) {
            continue;
        }
        if is_name && !project.is_node(&alias) {
            all.push(alias);
        } else {
            let what = format!("services.{}", service.name);
            reading.note(service.span, what, format!("`{alias}` is not carried over as another name of it"));
        }
    }
    map.list("aliases", all);
}

fn renamed(reading: &mut Reading<'_>, project: &Project<'_>, service: Field<'_>, path: &str) {
    let node = project.node_name(service.name);
    if node != service.name {
        let why = format!("it is called `{node}`; others reach it as `{}`, too", service.name);
        reading.note(service.span, path, why);
    }
}

/// The image, or the name that Compose gives to what it builds.
fn image(
    reading: &mut Reading<'_>,
    project: &Project<'_>,
    service: Field<'_>,
    keys: &[Field<'_>],
    map: &mut Map,
) {
    let image = find(keys, "image").and_then(|field| reading.text(field));
    let Some(image) = image else {
        if find(keys, "build").is_none() {
            reading.error(service.span, format!("the service `{}` has no image", service.name), None);
        }
        map.text("image", format!("{}-{}", project.name, service.name));
        return;
    };
    map.text("image", image);
}

/// Variables of files come first, those of the service win.
fn environment(reading: &mut Reading<'_>, keys: &[Field<'_>], map: &mut Map) {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut set = |name: String, value: String| match all.iter_mut().find(|(known, _)| *known == name) {
        Some(known) => known.1 = value,
        None => all.push((name, value)),
    };
    let outside = reading.outside;
    if let Some(field) = find(keys, "env_file") {
        for (path, required) in env_files(reading, field) {
            match outside.file(&path) {
                Some(text) => {
                    variables(&text, |name| outside.variable(name))
                        .into_iter()
                        .for_each(|(name, value)| set(name, value));
                }
                None if required => reading.error(field.node.span, format!("`{path}` cannot be read"), None),
                None => {}
            }
        }
    }
    if let Some(field) = find(keys, "environment") {
        for (name, value) in reading.pairs(field) {
            if let Some(value) = value.or_else(|| outside.variable(&name)) {
                set(name, value);
            }
        }
    }
    let mut env = Map::default();
    all.into_iter().for_each(|(name, value)| env.text(&name, value));
    map.map("env", env);
}

/// Paths, and whether the file has to be there.
fn env_files(reading: &mut Reading<'_>, field: Field<'_>) -> Vec<(String, bool)> {
    let mut out = Vec::new();
    for node in crate::read::items(field.node) {
        if node.text().is_some() {
            out.extend(reading.text(Field { node, ..field }).map(|path| (path, true)));
            continue;
        }
        let keys = reading.fields(node, "`env_file`");
        let required = find(&keys, "required").is_none_or(|field| reading.flag(field));
        let path = find(&keys, "path").and_then(|field| reading.text(field));
        out.extend(path.map(|path| (path, required)));
    }
    out
}

/// A text is split by the lab file as by Compose; a list stays one.
fn command(reading: &mut Reading<'_>, key: &str, field: Field<'_>, map: &mut Map) {
    match field.node.text() {
        _ if field.node.is_null() => {}
        Some(text) => map.text(key, text),
        None => map.put(key, Made::texts(reading.texts(field))),
    }
}

fn copy(reading: &mut Reading<'_>, key: &str, field: Field<'_>, map: &mut Map) {
    if let Some(text) = reading.text(field) {
        map.text(key, text);
    }
}

fn yes(reading: &mut Reading<'_>, key: &str, field: Field<'_>, map: &mut Map) {
    if reading.flag(field) {
        map.put(key, Made::Bare("true".to_owned()));
    }
}

pub(super) fn time(reading: &mut Reading<'_>, key: &str, field: Field<'_>, map: &mut Map) {
    let Some(text) = reading.text(field) else { return };
    match size::duration(&text) {
        Some(time) => map.text(key, time),
        None => {
            reading.error(field.node.span, format!("`{text}` is no duration"), Some("such as 1m30s or 500ms"))
        }
    }
}

fn restart(reading: &mut Reading<'_>, field: Field<'_>, what: &str, map: &mut Map) {
    let Some(text) = reading.text(field) else { return };
    match text.split_once(':').map_or(text.as_str(), |(word, _)| word) {
        "no" | "false" => {}
        "always" | "unless-stopped" => map.text("restart", "always"),
        "on-failure" => {
            map.text("restart", "on-failure");
            if text.contains(':') {
                reading.note(field.span, what, "the number of restarts is not limited");
            }
        }
        _ => reading.error(field.node.span, format!("`{text}` is no way to restart"), None),
    }
}

/// Those of the network are the node's own; others are the machine's.
fn sysctls(reading: &mut Reading<'_>, field: Field<'_>, what: &str, map: &mut Map) {
    let mut own = Map::default();
    for (name, value) in reading.pairs(field) {
        if name.starts_with("net.") {
            own.text(&name, value.unwrap_or_default());
        } else {
            reading.note(
                field.span,
                format!("{what}.{name}"),
                "not carried over: a node has only those of the network",
            );
        }
    }
    map.map("sysctl", own);
}

fn limit(reading: &mut Reading<'_>, key: &str, field: Field<'_>, map: &mut Map) {
    if let Some(text) = reading.text(field) {
        map.limit(key, &text);
    }
}

fn memory(reading: &mut Reading<'_>, field: Field<'_>, map: &mut Map) {
    let Some(text) = reading.text(field) else { return };
    match size::bytes(&text) {
        Some(bytes) => map.memory(bytes),
        None => reading.error(field.node.span, format!("`{text}` is no size"), Some("such as 512m or 2g")),
    }
}

/// Limits of `deploy.resources`; the rest is for clusters.
fn deploy(reading: &mut Reading<'_>, field: Field<'_>, what: &str, map: &mut Map) {
    for field in reading.fields(field.node, "`deploy`") {
        let what = format!("{what}.{}", field.name);
        match field.name {
            "replicas" => {}
            "resources" => {
                let resources = reading.fields(field.node, "`resources`");
                let limits = find(&resources, "limits").map(|field| reading.fields(field.node, "`limits`"));
                for field in limits.unwrap_or_default() {
                    let what = format!("{what}.limits.{}", field.name);
                    match field.name {
                        "cpus" => limit(reading, "cpu", field, map),
                        "pids" => limit(reading, "pids", field, map),
                        "memory" => memory(reading, field, map),
                        _ => reading.note(field.span, what, "not carried over"),
                    }
                }
            }
            _ => reading.note(field.span, what, "not carried over: it is for clusters"),
        }
    }
}

fn other_name(
    reading: &mut Reading<'_>,
    project: &Project<'_>,
    service: Field<'_>,
    field: Field<'_>,
    what: &str,
) {
    let Some(text) = reading.text(field) else { return };
    let node = project.node_name(service.name);
    if text != node {
        reading.note(
            field.span,
            what,
            format!("it is another name of `{node}`, which is what `hostname` prints"),
        );
    }
}

//! Docker Compose files (the Compose specification, <https://compose-spec.io>).

mod interpolate;
mod networks;
mod order;
mod ports;
mod service;
mod storage;

use netloom_lab::yaml::Node;
use netloom_lab::{FileError, Span};

use crate::made::{Made, Map};
use crate::names::{Names, label};
use crate::note::Imported;
use crate::outside::Outside;
use crate::read::{Field, Reading, find};
use service::Project;

/// Makes a lab file of a Compose file. `name` is what the lab is called if the file does not say.
///
/// # Errors
/// Everything that makes it no Compose file.
pub fn compose(source: &str, name: &str, outside: &dyn Outside) -> Result<Imported, Vec<FileError>> {
    let mut root = Reading::parse(source)?;
    let mut reading = Reading::new(outside);
    interpolate::texts(&mut reading, &mut root);
    let map = read(&mut reading, &root, name);
    if !reading.errors.is_empty() {
        return Err(reading.errors);
    }
    reading.notes.sort_by_key(|note| note.span);
    Ok(Imported { text: map.write("Made from a Compose file by `netloom import`."), notes: reading.notes })
}

fn read(reading: &mut Reading<'_>, root: &Node, name: &str) -> Map {
    let top = reading.fields(root, "a Compose file");
    let Some(services) = find(&top, "services") else {
        reading.error(
            Span { end: root.span.start, ..root.span },
            "there are no `services`",
            Some("this is no Compose file, or one of before 2016"),
        );
        return Map::default();
    };
    let services = reading.fields(services.node, "`services`");
    let (services, left_out) = wanted(reading, &services);
    let project = Project {
        name: find(&top, "name").and_then(|field| reading.text(field)).unwrap_or_else(|| name.to_owned()),
        services: Names::of(services.iter().map(|field| field.name)),
        replicas: services.iter().map(|field| (field.name, service::replicas(reading, *field))).collect(),
        left_out,
        files: storage::files(reading, &top),
    };
    let mut networks = networks::Networks::of(reading, &top);
    let mut nodes = Map::default();
    for field in services {
        let node = service::node(reading, &project, &mut networks, field);
        nodes.put(&project.node_name(field.name), Made::Map(node));
    }
    for field in &top {
        match field.name {
            "services" | "name" | "networks" | "volumes" | "version" | "configs" | "secrets" => {}
            other if other.starts_with("x-") => {}
            other => reading.note(field.span, other, "not carried over: a lab file has nothing like it"),
        }
    }
    let mut map = Map::default();
    map.put("netloom", Made::Bare("1".to_owned()));
    map.text("name", label(&project.name).to_ascii_lowercase());
    map.map("networks", networks.made());
    map.map("nodes", nodes);
    map
}

/// The services that start when nobody asks for a profile; and the names of the others.
fn wanted<'n>(reading: &mut Reading<'_>, all: &[Field<'n>]) -> (Vec<Field<'n>>, Vec<&'n str>) {
    let mut out = Vec::new();
    let mut left_out = Vec::new();
    for field in all {
        let keys = reading.fields(field.node, "a service");
        match find(&keys, "profiles") {
            Some(profiles) if !crate::read::items(profiles.node).is_empty() => {
                let what = format!("services.{}", field.name);
                reading.note(
                    profiles.span,
                    what,
                    "left out: it belongs to a profile, which a lab file does not have",
                );
                left_out.push(field.name);
            }
            _ => out.push(*field),
        }
    }
    (out, left_out)
}

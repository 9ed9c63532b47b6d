//! The lab file: YAML text to a checked tree of what was written, before any name is looked up.
//!
//! [`load`] reports every error of a file in one run: a reader notes what is wrong and goes on. The keys are in
//! tables ([`keys`]), from which the published schema is made too.

mod container;
mod controller;
mod event;
mod expectation;
mod gaps;
pub(crate) mod keys;
mod limits;
mod link;
mod network;
mod nic;
mod node;
mod qos;
mod read;
mod switch;
mod topology;
mod tunnel;
mod vars;
mod vf;
mod vm;
pub mod yaml;

use std::path::{Path, PathBuf};

use netloom_flow::Nanos;

pub(crate) use container::{ContainerSpec, only_containers};
pub(crate) use controller::{ControllerEntry, ControllerSpec, Place};
pub(crate) use event::{EventEntry, WrittenEvent};
pub(crate) use gaps::Gaps;
pub(crate) use limits::{LimitsSpec, TenantEntry};
pub(crate) use link::{BothWays, EndPattern, LinkEntry};
pub(crate) use network::NetworkEntry;
pub(crate) use node::{ByInterface, NodeEntry, NodeSpec, RouteSpec, WrittenRoute};
pub(crate) use qos::{PortQos, QosEntry, QosSpec};
pub(crate) use read::Reader;
pub(crate) use switch::{SwitchEntry, SwitchSpec};
pub(crate) use tunnel::{Far, TunnelEntry};
pub(crate) use vf::VfSpec;

use crate::address::Cidr;
use crate::error::{Errors, FileError, Span, Spanned};
use crate::expect::Sentence;
use crate::lab::{ArpMode, Fidelity, Filesystem, Lab, Loops};
use crate::topology::Topology;

/// Longest lab file, in bytes.
pub const MAX_FILE: usize = 8 << 20;

/// What a lab file says, with the place of each thing. Made by [`load`]; [`crate::resolve`] goes on from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabFile {
    /// Where the file is.
    pub path: PathBuf,
    /// The name of the lab: `name:`, or the file's own without `.loom.yml`.
    pub name: String,
    pub(crate) seed: u64,
    pub(crate) node_defaults: NodeSpec,
    pub(crate) switch_defaults: SwitchSpec,
    pub(crate) link_defaults: BothWays,
    pub(crate) tenants: Vec<TenantEntry>,
    pub(crate) controllers: Vec<ControllerEntry>,
    pub(crate) qos: Vec<QosEntry>,
    pub(crate) networks: Vec<NetworkEntry>,
    pub(crate) nodes: Vec<NodeEntry>,
    pub(crate) switches: Vec<SwitchEntry>,
    /// Tunnels between two switches of the lab among them, last.
    pub(crate) links: Vec<LinkEntry>,
    pub(crate) tunnels: Vec<TunnelEntry>,
    pub(crate) topology: Option<Spanned<Topology>>,
    pub(crate) events: Vec<WrittenEvent>,
    pub(crate) expect: Vec<Spanned<Sentence>>,
    pub(crate) loops: Loops,
    pub(crate) arp: ArpMode,
    pub(crate) workers: u16,
    pub(crate) settle: Nanos,
    pub(crate) fidelity: Fidelity,
    pub(crate) filesystem: Filesystem,
    pub(crate) subnet: Vec<Spanned<Cidr>>,
    /// How interfaces without a name are called.
    pub naming: Naming,
    /// Byte at which each line of the file starts.
    pub(crate) lines: Vec<usize>,
    /// What is not here because it is written wrong.
    pub(crate) gaps: Gaps,
}

/// How the interfaces of nodes are called that no link names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Naming {
    /// `eth0`
    #[default]
    Plain,
    /// `h1-eth0`, as users of Mininet know it.
    Mininet,
}

impl LabFile {
    /// The line, from 1, that a span starts in.
    pub(crate) fn line(&self, span: Span) -> u32 {
        let line = self.lines.partition_point(|start| *start <= span.start);
        u32::try_from(line).unwrap_or(u32::MAX)
    }
}

/// Reads a lab file. `path` is for messages, the lab's name and files beside it; nothing is opened. `sets` are
/// the `--set NAME=VALUE` of the command line.
///
/// # Errors
/// Everything that is wrong with the file as far as one can tell without looking names up.
pub fn load(source: &str, path: &Path, sets: &[(String, String)]) -> Result<LabFile, Errors> {
    let (file, reader) = read(source, path, sets)?;
    Errors::unless_empty(path, reader.errors, file)
}

/// Reads and resolves a lab file, and finds all of its errors in one run: those that [`load`] reports, files that
/// are not there, and what [`crate::resolve()`] reports. Left out is only what may follow from another error, such
/// as a name that nothing has when a thing's name could not be read. `exists` is asked for paths joined with the
/// lab file's folder.
///
/// # Errors
/// All of them, by their place in the file.
pub fn check(
    source: &str,
    path: &Path,
    sets: &[(String, String)],
    exists: &dyn Fn(&Path) -> bool,
) -> Result<Lab, Errors> {
    let (file, mut reader) = read(source, path, sets)?;
    let resolved = crate::resolve(&file);
    check_files(&file, &mut reader, exists);
    match resolved {
        Ok(lab) => Errors::unless_empty(path, reader.errors, lab),
        Err(more) => Err(Errors::of(path, [reader.errors, more.errors].concat())),
    }
}

/// What the file says, and what is wrong with it. Fails if nothing can be read at all.
fn read(source: &str, path: &Path, sets: &[(String, String)]) -> Result<(LabFile, Reader), Errors> {
    let mut reader = Reader::default();
    if source.len() > MAX_FILE {
        reader.error(Span::default(), format!("the file is longer than {MAX_FILE} bytes"), None);
        return Err(Errors { path: path.to_owned(), errors: reader.errors });
    }
    let mut root = match yaml::parse(source, &mut reader.errors) {
        Ok(root) => root,
        Err(error) => {
            reader.errors.push(error);
            return Err(Errors { path: path.to_owned(), errors: reader.errors });
        }
    };
    if !reader.errors.is_empty() {
        reader.lose(Gaps::ALL);
    }
    let variables = vars::collect(&mut reader, &root, sets);
    vars::substitute(&mut reader, &mut root, &variables);
    let mut file = read_top(&mut reader, &root, path);
    file.lines = std::iter::once(0).chain(source.match_indices('\n').map(|(i, _)| i + 1)).collect();
    explain_empty(source, &mut reader.errors);
    file.gaps = reader.gaps();
    Ok((file, reader))
}

/// Notes every file that the lab file names and that is not there.
fn check_files(file: &LabFile, reader: &mut Reader, exists: &dyn Fn(&Path) -> bool) {
    let dir = file.path.parent().unwrap_or(Path::new(""));
    let specs = file.nodes.iter().map(|n| &n.spec).chain([&file.node_defaults]);
    let tls = file.controllers.iter().filter_map(|controller| controller.spec.tls.as_ref());
    let tls = tls.flat_map(|tls| [&tls.key, &tls.certificate, &tls.ca]);
    for source in specs.flat_map(|spec| &spec.files).map(|(_, source)| source).chain(tls) {
        if !exists(&dir.join(&source.value)) {
            let hint = format!(
                "paths are relative to {}",
                if dir.as_os_str().is_empty() { "the lab file".into() } else { dir.display().to_string() }
            );
            reader.error(source.span, format!("there is no file `{}`", source.value), Some(&hint));
        }
    }
}

/// The name a lab has by its file: `shop` of `dir/shop.loom.yml`.
#[must_use]
pub fn name_of(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = [".loom.yml", ".loom.yaml", ".yml", ".yaml"].iter().find_map(|end| name.strip_suffix(end));
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let clean: String = stem.unwrap_or(&name).chars().map(fit).take(40).collect();
    let clean = clean.trim_matches('-');
    if clean.is_empty() { "lab".to_owned() } else { clean.to_owned() }
}

fn read_top(reader: &mut Reader, root: &yaml::Node, path: &Path) -> LabFile {
    let fields = reader.fields(root, keys::TOP, "a lab file");
    reader.minor(|reader| {
        if fields.integer(reader, "netloom").is_none() && fields.take("netloom").is_none() {
            let message = "the file does not say which version of the grammar it has";
            reader.error(Span::default(), message, Some("begin it with `netloom: 1`"));
        }
    });
    let _ = fields.take("vars");
    let name = fields.take("name").and_then(|node| {
        let label = |text: &str| crate::names::check_label(text).map(|()| text.to_owned());
        reader.minor(|reader| reader.parse(node, label))
    });
    let (node_defaults, switch_defaults, link_defaults) =
        fields.take("defaults").map(|node| defaults(reader, node)).unwrap_or_default();
    let mut number = |name| reader.minor(|reader| fields.integer(reader, name)).map(|n| n.value);
    let (seed, workers) = (number("seed"), number("workers").and_then(|n| u16::try_from(n).ok()));
    let mut links = fields
        .take("links")
        .map(|node| reader.losing(Gaps::LINKS, |reader| link::read_all(reader, node)))
        .unwrap_or_default();
    let tunnels = fields
        .take("tunnels")
        .map(|node| reader.losing(Gaps::LINKS, |reader| tunnel::read_all(reader, node)))
        .unwrap_or_default();
    links.extend(tunnels.iter().filter_map(|entry| match &entry.far {
        Far::Here(far) => Some(tunnel::as_link(entry, far)),
        Far::Elsewhere => None,
    }));
    LabFile {
        path: path.to_owned(),
        name: name.map_or_else(|| name_of(path), |n| n.value),
        seed: seed.unwrap_or(0),
        node_defaults,
        switch_defaults,
        link_defaults,
        tenants: fields.take("tenants").map(|node| limits::tenants(reader, node)).unwrap_or_default(),
        controllers: fields
            .take("controllers")
            .map(|node| reader.losing(Gaps::THINGS, |reader| controller::read_all(reader, node)))
            .unwrap_or_default(),
        qos: fields
            .take("qos")
            .map(|node| reader.losing(Gaps::THINGS, |reader| qos::read_all(reader, node)))
            .unwrap_or_default(),
        networks: fields.take("networks").map(|node| network::read_all(reader, node)).unwrap_or_default(),
        nodes: fields.take("nodes").map(|node| node::read_all(reader, node)).unwrap_or_default(),
        switches: fields.take("switches").map(|node| switch::read_all(reader, node)).unwrap_or_default(),
        links,
        tunnels,
        topology: fields.take("topology").and_then(|node| topology::read(reader, node)),
        events: fields
            .take("events")
            .map(|node| reader.minor(|reader| event::read_all(reader, node)))
            .unwrap_or_default(),
        expect: fields
            .take("expect")
            .map(|node| reader.minor(|reader| expectation::read_all(reader, node)))
            .unwrap_or_default(),
        loops: pick(reader, fields.take("loops"), keys::LOOPS, &[Loops::Tree, Loops::Ecmp, Loops::Allow]),
        arp: pick(reader, fields.take("arp"), keys::ARPS, &[ArpMode::Local, ArpMode::Flood, ArpMode::Static]),
        workers: workers.unwrap_or(1),
        settle: fields
            .take("settle")
            .and_then(|node| reader.minor(|reader| reader.parse(node, crate::quantity::duration)))
            .map_or(crate::lab::SETTLE, |d| d.value),
        fidelity: pick(
            reader,
            fields.take("fidelity"),
            keys::FIDELITIES,
            &[Fidelity::Auto, Fidelity::Strict, Fidelity::Report],
        ),
        filesystem: pick(
            reader,
            fields.take("filesystem"),
            keys::FILESYSTEMS,
            &[Filesystem::Private, Filesystem::Shared],
        ),
        subnet: fields
            .take("subnet")
            .map(|node| reader.losing(Gaps::ADDRESSES, |reader| network::subnets(reader, node)))
            .unwrap_or_default(),
        naming: Naming::default(),
        lines: Vec::new(),
        gaps: Gaps::NONE,
    }
}

/// The value at the place of the word in `words`; the first if nothing, or something wrong, is written.
fn pick<T: Copy + Default>(
    reader: &mut Reader,
    node: Option<&yaml::Node>,
    words: &[&str],
    values: &[T],
) -> T {
    let index = node.and_then(|node| reader.minor(|reader| reader.choice(node, words)));
    index.and_then(|i| values.get(i).copied()).unwrap_or_default()
}

fn defaults(reader: &mut Reader, node: &yaml::Node) -> (NodeSpec, SwitchSpec, BothWays) {
    let fields = reader.fields(node, keys::DEFAULTS, "defaults");
    (
        fields.take("node").map(|node| node::read(reader, node)).unwrap_or_default(),
        fields.take("switch").map(|node| reader.minor(|r| switch::read(r, node))).unwrap_or_default(),
        fields.take("link").map(|node| link::defaults(reader, node)).unwrap_or_default(),
    )
}

/// An empty file is told how to begin, not what it lacks.
fn explain_empty(source: &str, errors: &mut [FileError]) {
    if source.trim().is_empty()
        && let [only] = errors
    {
        only.message = "the file is empty".to_owned();
        only.hint =
            Some("begin it with `netloom: 1`; examples/quickstart.loom.yml is a whole one".to_owned());
    }
}

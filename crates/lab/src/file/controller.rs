//! A controller as the file has it.

use netloom_flow::Nanos;

use super::keys;
use super::read::Reader;
use super::yaml::{Node, Value};
use crate::error::{Span, Spanned};
use crate::target::Target;

/// After so long without a byte, a controller is asked whether it is there, as by OVS.
const PROBE: Nanos = Nanos::from_secs(5);
/// The longest pause between two calls, as of OVS.
const BACKOFF: Nanos = Nanos::from_secs(8);

/// Where a controller is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControllerEntry {
    pub(crate) name: Spanned<String>,
    pub(crate) spec: ControllerSpec,
}

/// What is written of a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ControllerSpec {
    pub(crate) place: Place,
    pub(crate) probe: Nanos,
    pub(crate) backoff: Nanos,
    pub(crate) auxiliary: u8,
    pub(crate) in_band: bool,
    pub(crate) tls: Option<TlsSpec>,
}

/// Files of TLS, beside the lab file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsSpec {
    pub(crate) key: Spanned<String>,
    pub(crate) certificate: Spanned<String>,
    pub(crate) ca: Spanned<String>,
}

/// Where a controller is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Targets(Vec<Spanned<Target>>),
    Node { node: Spanned<String>, port: u16 },
    Run(String),
    Learn,
}

impl ControllerSpec {
    /// With the times of OVS.
    pub(crate) const fn at(place: Place) -> Self {
        Self { place, probe: PROBE, backoff: BACKOFF, auxiliary: 0, in_band: false, tls: None }
    }
}

/// Reads `controllers:`.
pub(crate) fn read_all(reader: &mut Reader, node: &Node) -> Vec<ControllerEntry> {
    let mut out = Vec::new();
    for (name, span, value) in reader.entries(node) {
        let spec = read(reader, value);
        let fits = match crate::names::check_label(name) {
            Ok(()) if ["none", "learn"].contains(&name) => {
                reader.error(
                    span,
                    format!("a controller cannot be called `{name}`"),
                    Some("the word has a meaning"),
                );
                false
            }
            Ok(()) => true,
            Err(error) => {
                reader.text_error(span, name.len(), error);
                false
            }
        };
        if let Some(spec) = spec.filter(|_| fits) {
            out.push(ControllerEntry { name: Spanned::new(name.to_owned(), span), spec });
        }
    }
    out
}

fn read(reader: &mut Reader, node: &Node) -> Option<ControllerSpec> {
    match &node.value {
        Value::Map(_) => of_map(reader, node),
        Value::Seq { .. } => {
            let targets = targets(reader, node);
            (!targets.is_empty()).then(|| ControllerSpec::at(Place::Targets(targets)))
        }
        Value::Scalar { .. } if node.text() == Some("learn") => Some(ControllerSpec::at(Place::Learn)),
        Value::Scalar { .. } => {
            let target = target(reader, node)?;
            Some(ControllerSpec::at(Place::Targets(vec![target])))
        }
    }
    .and_then(|spec| with_files(reader, node.span, spec))
}

fn of_map(reader: &mut Reader, node: &Node) -> Option<ControllerSpec> {
    let fields = reader.fields(node, keys::CONTROLLER, "a controller");
    let targets = fields.take("target").map(|node| targets(reader, node));
    let run = fields.take("run").and_then(|node| reader.string(node));
    let at = fields.take("node").and_then(|node| reader.string(node));
    let port = fields.integer(reader, "port").and_then(|port| u16::try_from(port.value).ok());
    let auxiliary =
        fields.integer(reader, "auxiliary").and_then(|it| u8::try_from(it.value).ok()).unwrap_or(0);
    let in_band = fields.take("in-band").and_then(|node| reader.flag(node)).unwrap_or(false);
    let mut duration = |name: &str| {
        fields.take(name).and_then(|node| reader.parse(node, crate::quantity::duration)).map(|it| it.value)
    };
    let (probe, backoff) = (duration("probe").unwrap_or(PROBE), duration("backoff").unwrap_or(BACKOFF));
    let mut file = |name: &str| fields.take(name).and_then(|node| reader.string(node));
    let files = [file("key"), file("certificate"), file("ca")];
    let count = usize::from(targets.is_some()) + usize::from(run.is_some()) + usize::from(at.is_some());
    if count != 1 {
        let message = if count == 0 {
            "it does not say where the controller is"
        } else {
            "a controller is in one place"
        };
        reader.error(node.span, message, Some("one of `target`, `node` with `port`, and `run`"));
        return None;
    }
    if port.is_some() && at.is_none() {
        reader.error(node.span, "`port` is for a controller in a node", Some("a target has its port in it"));
    }
    let tls = match files {
        [None, None, None] => None,
        [Some(key), Some(certificate), Some(ca)] => Some(TlsSpec { key, certificate, ca }),
        _ => {
            let hint = "all three of `key`, `certificate` and `ca`, as ovs-vsctl set-ssl takes them";
            reader.error(
                node.span,
                "TLS needs a key, a certificate and the authority of the peer",
                Some(hint),
            );
            return None;
        }
    };
    let place = match (targets, run, at) {
        (Some(targets), ..) if targets.is_empty() => return None,
        (Some(targets), ..) => Place::Targets(targets),
        (_, Some(run), _) => Place::Run(run.value),
        (.., Some(node)) => Place::Node { node, port: port.unwrap_or(crate::target::DEFAULT_PORT) },
        _ => return None,
    };
    Some(ControllerSpec { place, probe, backoff, auxiliary, in_band, tls })
}

/// `ssl:` needs certificates, and nothing else does.
fn with_files(reader: &mut Reader, span: Span, spec: ControllerSpec) -> Option<ControllerSpec> {
    let Place::Targets(targets) = &spec.place else { return Some(spec) };
    match (targets.iter().find(|target| target.value.is_tls()), &spec.tls) {
        (Some(target), None) => {
            let hint =
                format!("{{ target: {}, key: KEY.pem, certificate: CERT.pem, ca: CA.pem }}", target.value);
            reader.error(
                target.span,
                "TLS needs a key, a certificate and the authority of the peer",
                Some(&hint),
            );
            None
        }
        (None, Some(_)) => {
            reader.error(span, "none of its targets uses TLS", Some("ssl: or pssl: does"));
            None
        }
        _ => Some(spec),
    }
}

fn targets(reader: &mut Reader, node: &Node) -> Vec<Spanned<Target>> {
    reader.list(node).iter().filter_map(|item| target(reader, item)).collect()
}

pub(super) fn target(reader: &mut Reader, node: &Node) -> Option<Spanned<Target>> {
    reader.parse(node, Target::parse)
}

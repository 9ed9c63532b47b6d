//! `--switch` and `--controller`: what our switch is told.

use super::spec::Spec;
use crate::exit::Failure;

/// What every switch is told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Switches {
    /// Keys of a switch in a lab file.
    pub(super) keys: Vec<(&'static str, String)>,
    /// Whether Mininet would show a controller `c0`.
    pub(super) controller: bool,
    /// What is done about loops, as a lab file has it.
    pub(super) loops: &'static str,
    /// Controllers elsewhere: name and target.
    pub(super) remote: Vec<(String, String)>,
}

fn refused(what: String, why: &str) -> Failure {
    let message = format!("--switch {what} is not done: {why}.");
    Failure::from(netloom_api::ApiError::new(netloom_api::ErrorKind::Unsupported, message))
        .hint("leave it out")
}

impl Switches {
    /// What `--switch` and `--controller` say.
    pub(super) fn of(switch: &str, controllers: &[String]) -> Result<Self, Failure> {
        let mut spec = Spec::parse(switch)?;
        let mut out = Self { controller: true, loops: "tree", ..Self::default() };
        // Bridges learn by themselves; the others stand still without a controller, as failMode=secure says.
        let alone = match spec.name {
            "default" | "ovs" | "ovsk" | "ovsl" | "user" | "ivs" => false,
            "ovsbr" | "lxbr" => true,
            name => {
                return Err(Failure::usage(format!("--switch {name} is not known."))
                    .hint("default, ovs, ovsk, ovsl, ovsbr, lxbr, user or ivs: all mean our switch"));
            }
        };
        if let Some(protocols) = spec.take("protocols") {
            // Commas divide parameters, so that versions are divided otherwise.
            let versions: Vec<&str> = protocols.split(['+', ';', ' ']).collect();
            out.keys.push(("openflow", format!("[{}]", versions.join(", "))));
        }
        match spec.take("stp") {
            // Loops are cut unless somebody asks for them.
            None | Some("1" | "True" | "true") => {}
            Some("0" | "False" | "false") => out.loops = "allow",
            Some(stp) => return Err(Failure::usage(format!("stp={stp}: 1 or 0."))),
        }
        match spec.take("datapath") {
            None | Some("user") => {}
            Some(datapath) => {
                return Err(refused(format!("datapath={datapath}"), "packets are switched in user space"));
            }
        }
        for (key, why) in [
            ("batch", "there is no ovs-vsctl to be spared"),
            ("prio", "the root of the spanning tree is netloom's to choose"),
            ("inband", "controllers are reached by the machine's own network"),
            ("dpid", "each switch has the number in its name, as in Mininet"),
        ] {
            if let Some(value) = spec.take(key) {
                return Err(refused(format!("{key}={value}"), why));
            }
        }
        let mut standalone = alone;
        match spec.take("failMode") {
            None => {}
            Some("standalone") => standalone = true,
            Some("secure") => standalone = false,
            Some(mode) => return Err(Failure::usage(format!("failMode={mode}: standalone or secure."))),
        }
        spec.end("protocols, failMode, stp, datapath=user")?;
        for controller in controllers {
            out.controller(controller)?;
        }
        if (!out.controller || !out.remote.is_empty()) && !standalone {
            out.keys.push(("fail_mode", "secure".to_owned()));
        }
        if !out.remote.is_empty() {
            let names: Vec<&str> = out.remote.iter().map(|(name, _)| name.as_str()).collect();
            out.keys.push(("controller", format!("[{}]", names.join(", "))));
        }
        Ok(out)
    }

    fn controller(&mut self, text: &str) -> Result<(), Failure> {
        let mut spec = Spec::parse(text)?;
        match spec.name {
            "default" | "ref" | "ovsc" => {}
            "none" => self.controller = false,
            "remote" => {
                let ip = spec.take("ip").unwrap_or("127.0.0.1").to_owned();
                let port = spec.number("port", 6653)?;
                let target = format!("tcp:{ip}:{port}");
                if let Err(error) = netloom_lab::target::Target::parse(&target) {
                    return Err(Failure::usage(format!("--controller {text}: {}.", error.message))
                        .hint("remote,ip=127.0.0.1,port=6653"));
                }
                self.remote.push((format!("c{}", self.remote.len()), target));
            }
            "ryu" | "nox" => {
                let error = netloom_api::ApiError::new(
                    netloom_api::ErrorKind::Unsupported,
                    format!("--controller {} is not done: it would have to be started.", spec.name),
                );
                return Err(Failure::from(error).hint("start it, and say --controller remote"));
            }
            name => {
                return Err(Failure::usage(format!("--controller {name} is not known."))
                    .hint("default, ref, ovsc, none or remote[,ip=ADDRESS][,port=PORT]"));
            }
        }
        spec.end("ip and port, of remote")
    }
}

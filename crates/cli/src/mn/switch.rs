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
            return Err(refused(
                format!("protocols={protocols}"),
                "our switches do not speak OpenFlow to a controller yet",
            ));
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
            ("inband", "our switches do not speak OpenFlow to a controller yet"),
            ("dpid", "our switches do not speak OpenFlow to a controller yet"),
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
        spec.end("failMode, stp, datapath=user")?;
        for controller in controllers {
            out.controller(controller)?;
        }
        if !out.controller && !standalone {
            out.keys.push(("fail_mode", "secure".to_owned()));
        }
        Ok(out)
    }

    fn controller(&mut self, text: &str) -> Result<(), Failure> {
        let spec = Spec::parse(text)?;
        match spec.name {
            "default" | "ref" | "ovsc" => {}
            "none" => self.controller = false,
            "remote" | "ryu" | "nox" => {
                let error = netloom_api::ApiError::new(
                    netloom_api::ErrorKind::Unsupported,
                    format!(
                        "--controller {} is not done: our switches do not speak OpenFlow to a controller yet.",
                        spec.name
                    ),
                );
                return Err(
                    Failure::from(error).hint("--controller default learns; `netloom flow add` sets flows")
                );
            }
            name => {
                return Err(Failure::usage(format!("--controller {name} is not known."))
                    .hint("default, ref, ovsc or none"));
            }
        }
        spec.end("none")
    }
}

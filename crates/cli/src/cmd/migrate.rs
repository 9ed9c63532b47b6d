//! `netloom migrate`.

use std::net::IpAddr;
use std::path::Path;

use netloom_api::{ApiError, Command, ErrorKind};
use netloom_daemon::Homes;

use crate::client::Patience;
use crate::exit::{Failure, Outcome};
use crate::output::{self, Format};
use crate::which;

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The other lab has a place for it: a node of the same name, made of the same, off; `vm: { standby: true }` makes it so. Its memory
goes over the network while it runs; then it stands still for a moment, and packets for it are kept until it goes on. What fails
before that leaves it where it is; so does Ctrl-C.
Example:  netloom migrate vm1 east")]
pub(crate) struct Migrate {
    /// The virtual machine
    node: String,
    /// The lab it is to go to: its name, or the path of its api.sock
    host: String,
    /// The address at which that lab's machine takes its memory [default: where tunnels of this lab lead, or this machine]
    #[arg(long, value_name = "ADDRESS")]
    via: Option<IpAddr>,
    /// Encrypt its memory on the way
    #[arg(long)]
    tls: bool,
    #[command(flatten)]
    format: Format,
}

impl Migrate {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let Self { node, host, via, tls, format } = self;
        let socket = socket(&host)?;
        let command = Command::Migrate { node, host, socket, via, tls };
        let client = which::client(lab)?;
        let mut phases = output::progress::Phases::new();
        let reply = client.work(&command, &mut Patience::new(None), &mut |event| phases.show(&event));
        phases.clear();
        output::reply(&reply?, format)
    }
}

/// Where the daemon of a lab is asked.
fn socket(host: &str) -> Result<String, Failure> {
    let path = if host.contains('/') {
        let path = Path::new(host);
        // A folder is the lab's own, in which it has its usual name.
        if path.is_dir() { path.join("api.sock") } else { path.to_owned() }
    } else {
        which::of(&Homes::mine(), host)?.home().socket()
    };
    let absolute = std::path::absolute(&path).unwrap_or(path);
    if absolute.exists() {
        return Ok(absolute.display().to_string());
    }
    let error = ApiError::new(ErrorKind::NotFound, format!("There is no lab {host} to go to."));
    Err(error
        .hint("`netloom ls labs` lists those that are up; HOST may be the path of an api.sock, too")
        .into())
}

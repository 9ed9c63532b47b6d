//! `netloom down`.

use netloom_api::Reply;
use netloom_daemon::Homes;

use crate::exit::{DONE, FAILED, Failure, Outcome};
use crate::lifecycle;
use crate::output::{self, Kind, Style, report, screen};
use crate::which;

/// Arguments of `down`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Removes exactly what the lab made, also if its daemon was killed. Nothing else is touched."
)]
pub(crate) struct Down {
    /// The labs to end [default: the one meant]
    #[arg(value_name = "LAB", conflicts_with = "all")]
    labs: Vec<String>,
    /// End all labs of this user
    #[arg(long)]
    all: bool,
    /// Also remove the volumes that containers of the lab keep their data in
    #[arg(long)]
    volumes: bool,
    /// Print a summary, or JSON
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    output: Kind,
}

impl Down {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let homes = Homes::mine();
        let labs = if self.all {
            homes.list()
        } else if self.labs.is_empty() {
            vec![self.meant(&homes, lab)?]
        } else {
            self.labs.clone()
        };
        let many = labs.len() > 1;
        let (mut code, mut last) = (DONE, None);
        // One that cannot be ended does not keep the others up.
        for lab in labs {
            let outcome =
                which::of(&homes, &lab).and_then(|client| lifecycle::end_with(&client, self.volumes));
            match outcome {
                Ok(report) => {
                    if !report.left.is_empty() {
                        code = FAILED;
                    }
                    if self.output == Kind::Json {
                        output::json(&Reply::Down(report))?;
                    } else {
                        let head = if many { format!("{lab:<12} ") } else { String::new() };
                        output::line(&format!("{head}{}", screen::down(&report)));
                    }
                }
                Err(failure) if many => {
                    output::note(report::render(&failure, Style::stderr()).trim_end());
                    last = Some(crate::exit::code(failure.error.kind));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(last.unwrap_or(code))
    }

    /// As elsewhere; a dead lab counts, too.
    fn meant(&self, homes: &Homes, lab: Option<&str>) -> Result<String, Failure> {
        match (which::client(lab), homes.list().as_slice()) {
            (Ok(client), _) => Ok(client.home().lab().to_owned()),
            (Err(_), [only]) => Ok(only.clone()),
            (Err(failure), _) => Err(failure),
        }
    }
}

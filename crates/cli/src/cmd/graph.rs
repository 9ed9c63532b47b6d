//! `netloom graph`.

use netloom_api::{Command, Reply};

use crate::exit::{DONE, Outcome};
use crate::lifecycle::unexpected;
use crate::{graph, output, which};

/// Arguments of `graph`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:  netloom graph -o svg > lab.svg;  netloom graph -o dot | dot -Tpng > lab.png"
)]
pub(crate) struct GraphCmd {
    /// The form of the drawing
    #[arg(short = 'o', long = "output", value_name = "FORM", value_enum, default_value = "text")]
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    Text,
    Dot,
    Mermaid,
    Svg,
    Json,
}

impl GraphCmd {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let reply = which::client(lab)?.ask(&Command::Graph)?;
        let Reply::Graph(lab) = &reply else { return Err(unexpected(&reply).into()) };
        output::put(&match self.form {
            Form::Text => graph::text(lab),
            Form::Dot => graph::dot(lab),
            Form::Mermaid => graph::mermaid(lab),
            Form::Svg => graph::svg(lab),
            Form::Json => {
                output::json(&reply)?;
                return Ok(DONE);
            }
        });
        Ok(DONE)
    }
}

//! `netloom env`.

use netloom_api::{ApiError, ErrorKind};

use crate::exit::{DONE, Outcome};
use crate::output::{self, Kind};
use crate::which;

/// Arguments of `env`.
#[derive(Debug, clap::Args)]
#[command(after_help = "For example:  eval \"$(netloom env)\"; ovs-ofctl dump-flows s1")]
pub(crate) struct Env {
    /// Print words for a shell, or JSON with `"schema": 1`
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    output: Kind,
}

impl Env {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let client = which::client(lab)?;
        if !which::is_up(&client) {
            let text = format!("The lab {} is not up.", client.home().lab());
            return Err(ApiError::new(ErrorKind::NotFound, text).into());
        }
        let dir = client.home().dir().to_string_lossy().into_owned();
        if self.output == Kind::Json {
            let variables = serde_json::json!({ "OVS_RUNDIR": dir });
            output::line(&format!("{:#}", serde_json::json!({ "schema": 1, "env": variables })));
        } else {
            output::line(&format!("export OVS_RUNDIR={}", quoted(&dir)));
        }
        Ok(DONE)
    }
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_the_path_as_it_is() {
        assert_eq!(quoted("/run/netloom/shop-7"), "/run/netloom/shop-7");
        assert_eq!(quoted("/tmp/my labs/it's"), r"'/tmp/my labs/it'\''s'");
        assert_eq!(quoted("/tmp/$(x)"), "'/tmp/$(x)'");
    }
}

//! `netloom run`: up, test, down, in a lab of its own.

use std::path::PathBuf;
use std::time::Duration;

use netloom_api::{Command, DownReport, Progress, Reply, TestReport, Verdict};

use crate::client::{Patience, now};
use crate::exit::{DONE, Failure, NO, NOT_FAITHFUL, Outcome};
use crate::junit;
use crate::labfile::FileArgs;
use crate::lifecycle::{self, Up, unexpected};
use crate::output::{self, Kind, Style, progress::Phases, screen};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The lab is an instance of its own, such as shop-7f3a, beside any that is up. \
Exits 0 if everything holds, 1 if something does not, 5 if only the links were not faithful.")]
pub(crate) struct Run {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    testing: Testing,
    /// Leave the lab up if something does not hold
    #[arg(long)]
    keep: bool,
}

/// What `run` and `test` share.
#[derive(Debug, clap::Args)]
pub(crate) struct Testing {
    /// Write the outcome as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Give up after TIME, such as 90s or 5min; exits 124
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// Print the screen, or JSON
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    output: Kind,
}

impl Run {
    pub(crate) fn run(self) -> Outcome {
        let begun = now();
        let mut text = self.file.read()?;
        text.check()?;
        text.instance(&tag());
        let mut patience = self.testing.patience();
        let mut phases = Phases::new();
        let _must_end = output::MustEnd::new();
        let up = lifecycle::up(&text, false, None, &mut patience, &mut |event| phases.show(&event))?;
        phases.clear();
        let table = self.testing.output == Kind::Table;
        if table {
            // Under the name the user knows.
            let mut row = up.applied.lab.clone();
            text.base.clone_into(&mut row.name);
            output::line(&screen::lab(&row));
            output::line(&screen::up(&up.applied));
            for note in &up.applied.notes {
                output::note(&format!("note: {note}"));
            }
        }
        let tested = self.testing.test(&up, None, &mut patience);
        let failed = !matches!(&tested, Ok(report) if verdict(report) == DONE);
        let kept = self.keep && failed;
        let ended = if kept { Ok(DownReport::default()) } else { lifecycle::end(&up.client) };
        let report = tested?;
        if table {
            match &ended {
                _ if kept => output::line(&format!(
                    "kept         {name}: `netloom -l {name} ls`, `netloom down {name}`",
                    name = text.name
                )),
                Ok(down) => output::line(&screen::down(down)),
                Err(_) => {}
            }
            let took = now().duration_since(begun).as_secs_f64() * 1e3;
            output::line(&screen::sum(&report, took, Style::stdout()));
        }
        let code = self.testing.finish(&text.base, report)?;
        let ended = ended?;
        if !table && !ended.left.is_empty() {
            output::note(&screen::down(&ended));
        }
        Ok(if ended.left.is_empty() { code } else { code.max(crate::exit::FAILED) })
    }
}

impl Testing {
    /// For how long to wait.
    pub(crate) fn patience(&self) -> Patience {
        Patience::new(self.timeout)
    }

    /// Whether the outcome is printed for people.
    pub(crate) fn is_table(&self) -> bool {
        self.output == Kind::Table
    }

    /// Tests, printing each outcome as it is known.
    pub(crate) fn test(
        &self,
        up: &Up,
        sentences: Option<Vec<String>>,
        patience: &mut Patience,
    ) -> Result<TestReport, Failure> {
        test(&up.client, sentences, patience, self.is_table())
    }

    /// Writes what was asked for besides the screen, and says the exit code.
    pub(crate) fn finish(&self, lab: &str, report: TestReport) -> Outcome {
        let code = verdict(&report);
        if let Some(path) = &self.junit {
            std::fs::write(path, junit::render(lab, &report))
                .map_err(|error| Failure::failed(format!("Cannot write {}.", path.display()), &error))?;
        }
        if self.output == Kind::Json {
            output::json(&Reply::Tested(report))?;
        }
        Ok(code)
    }
}

/// Tests a running lab.
pub(crate) fn test(
    client: &crate::client::Client,
    sentences: Option<Vec<String>>,
    patience: &mut Patience,
    print: bool,
) -> Result<TestReport, Failure> {
    let mut phases = Phases::new();
    let style = Style::stdout();
    let reply = client.work(&Command::Test { sentences }, patience, &mut |event| match &event {
        Progress::Tested { row } => {
            phases.clear();
            if print {
                output::line(&screen::test(row, style));
            }
        }
        event => phases.show(event),
    })?;
    phases.clear();
    match reply {
        Reply::Tested(report) => {
            if let Some(fidelity) = report.fidelity.as_ref().filter(|_| print) {
                output::line(&screen::links(fidelity, style));
            }
            Ok(report)
        }
        other => Err(unexpected(&other).into()),
    }
}

/// 1 if something fails; else 5 if something is not to be trusted; else 0.
fn verdict(report: &TestReport) -> u8 {
    let any = |verdict| report.items.iter().any(|row| row.verdict == verdict);
    let unfaithful = report.fidelity.as_ref().is_some_and(|fidelity| fidelity.strict && !fidelity.faithful);
    if any(Verdict::Fails) {
        NO
    } else if any(Verdict::NotTrusted) || unfaithful {
        NOT_FAITHFUL
    } else {
        DONE
    }
}

/// Four hexadecimal digits that differ between runs: `/proc/sys/kernel/random/uuid` is random without a library.
pub(crate) fn tag() -> String {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    let random = uuid.get(..4).filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()));
    random.map_or_else(|| format!("{:04x}", std::process::id() & 0xffff), str::to_owned)
}

/// `90s`, `5min`, `1500ms`, or seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let (unit, value) = (&text[number.len()..], number.parse::<f64>());
    let factor = match unit {
        "ms" => 1e-3,
        "s" | "" => 1.0,
        "min" | "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(format!("`{unit}` is no unit of time: ms, s, min or h")),
    };
    value
        .ok()
        .and_then(|value| Duration::try_from_secs_f64(value * factor).ok())
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "a time such as 90s or 5min is wanted".to_owned())
}

#[cfg(test)]
mod tests {
    use netloom_api::{Fidelity, TestRow};

    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5min"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2"), Ok(Duration::from_secs(2)));
        for text in ["", "s", "5 parsecs", "-1s", "0s", "NaNs", "1e99h", "5é"] {
            assert!(duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_failure_outweighs_doubt() {
        let report = |verdicts: &[Verdict], fidelity| TestReport {
            items: verdicts.iter().map(|&verdict| TestRow { verdict, ..TestRow::default() }).collect(),
            fidelity,
            ms: 0.0,
        };
        let unfaithful = |strict| {
            Some(Fidelity {
                faithful: false,
                strict,
                p99_ms: 3.0,
                limit_ms: 1.0,
                worst: None,
                details: vec![],
            })
        };
        assert_eq!(verdict(&report(&[], None)), 0);
        assert_eq!(verdict(&report(&[Verdict::Holds], unfaithful(false))), 0);
        assert_eq!(verdict(&report(&[Verdict::Holds], unfaithful(true))), 5);
        assert_eq!(verdict(&report(&[Verdict::Holds, Verdict::NotTrusted], None)), 5);
        assert_eq!(verdict(&report(&[Verdict::NotTrusted, Verdict::Fails], unfaithful(true))), 1);
    }

    #[test]
    fn tags_are_part_of_a_name() {
        assert!(netloom_daemon::is_label(&format!("shop-{}", tag())));
    }
}

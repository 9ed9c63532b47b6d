//! `netloom capture`.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use netloom_api::Command;
use netloom_api::stream::Frame;

use crate::client::Patience;
use crate::exit::{DONE, Failure, Outcome};
use crate::output;
use crate::terminal;
use crate::which;

/// Arguments of `capture`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:  netloom capture core -w core.pcapng
           netloom capture h1 -w - | wireshark -k -i -
           netloom capture s1:s1-eth3 -c 10 -w - | tcpdump -r -")]
pub(crate) struct Capture {
    /// A node, node:interface, switch, switch:port or link
    target: String,
    /// Where the packets go; `-`: standard output [default: NAME.pcapng]
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// End after so many packets
    #[arg(short = 'c', long, value_name = "N")]
    count: Option<u64>,
    /// Keep so many bytes of each packet
    #[arg(short, long, value_name = "BYTES", default_value_t = 0, hide_default_value = true)]
    snap: u32,
}

impl Capture {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        let client = which::client(lab)?;
        let path =
            self.write.unwrap_or_else(|| format!("{}.pcapng", self.target.replace(['/', ':'], "-")).into());
        let to_stdout = path.as_os_str() == "-";
        if to_stdout && io::stdout().is_terminal() {
            return Err(Failure::usage("Packets on a terminal help nobody.")
                .hint("`-w FILE`, or pipe it: `| tcpdump -r -`"));
        }
        let command = Command::Capture { target: self.target, snap: self.snap, packets: self.count };
        let conn = client.stream(&command)?;
        let mut to: Box<dyn Write> = if to_stdout {
            Box::new(io::stdout())
        } else {
            let file = File::create(&path)
                .map_err(|error| Failure::failed(format!("Cannot write {}.", path.display()), &error))?;
            output::note(&format!("capturing to {}; Ctrl-C ends", path.display()));
            Box::new(file)
        };
        let mut failed = None;
        let code = terminal::follow(conn, Patience::new(None), &mut |frame| match frame {
            Frame::Stdout(bytes) => match to.write_all(&bytes).and_then(|()| to.flush()) {
                Ok(()) => true,
                // Wireshark was closed.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => false,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            },
            Frame::Event(text) => {
                output::note(&text);
                true
            }
            _ => true,
        })?;
        match failed {
            Some(error) => Err(Failure::failed(format!("Cannot write {}.", path.display()), &error)),
            None if code == DONE => Ok(DONE),
            None => Ok(code),
        }
    }
}

//! `netloom mn`: Mininet's flags, and its screen.
//!
//! Every flag of Mininet 2.3 is known: done, or refused by name. The flags become a lab file ([`translate`]), so
//! that there is one way to make a lab. Interfaces are called `h1-eth0`, hosts see the machine's files, ARP floods.

mod link;
mod screen;
mod spec;
mod switch;
mod topo;
mod translate;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use netloom_api::{DownReport, Wanted};
use netloom_daemon::Homes;
use netloom_daemon::launch::{self, State};

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::client::{Client, Patience, now};
use crate::exit::{DONE, Failure, INTERRUPTED, NO, Outcome};
use crate::interrupt::Signals;
use crate::labfile::LabText;
use crate::output::{self, progress::Phases};
use crate::prompt::Prompt;
use crate::{lifecycle, which};

/// Mininet's flags.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:  netloom mn --topo tree,depth=2,fanout=3 --link tc,bw=10,delay=5ms --test pingall
What is not done is refused by name: --custom, --cluster, --placement, --innamespace, --listenport, --pin,
--host cfs|rt, --controller ryu|nox.")]
pub(crate) struct Mn {
    /// linear|minimal|reversed|single|torus|tree[,param=value...]
    #[arg(long, default_value = "minimal")]
    topo: String,
    /// default|ovs|ovsk|ovsl|ovsbr|lxbr|user|ivs[,param=value...]: all mean our switch
    #[arg(long, default_value = "default")]
    switch: String,
    /// proc
    #[arg(long, default_value = "proc")]
    host: String,
    /// default|ref|ovsc (a learning switch), none (no flows) or remote[,ip=,port=] (OpenFlow)
    #[arg(long, default_value = "default")]
    controller: Vec<String>,
    /// default|ovs|tc|tcu[,bw=Mbit,delay=,jitter=,loss=%,max_queue_size=]
    #[arg(long, default_value = "default")]
    link: String,
    /// none|build|all|iperf|iperfudp|pingall|pingpair
    #[arg(long)]
    test: Vec<String>,
    /// End the labs of this user; other people's bridges are left alone
    #[arg(short, long)]
    clean: bool,
    /// Refused: Python topologies
    #[arg(long, value_name = "FILE")]
    custom: Vec<String>,
    /// Open an xterm for each node
    #[arg(short, long)]
    xterms: bool,
    /// Base of the hosts' addresses
    #[arg(short, long, default_value = "10.0.0.0/8")]
    ipbase: String,
    /// Give hosts the MAC addresses 00:00:00:00:00:01 and so on
    #[arg(long)]
    mac: bool,
    /// Fill in all ARP entries
    #[arg(long)]
    arp: bool,
    /// info|warning|critical|error|debug|output
    #[arg(short, long, default_value = "info")]
    verbosity: String,
    /// Refused: our switches are no processes
    #[arg(long)]
    innamespace: bool,
    /// Refused: use `dpctl` at the prompt or `netloom flow`
    #[arg(long, value_name = "PORT")]
    listenport: Option<u16>,
    /// Nothing listens anyway
    #[arg(long)]
    nolistenport: bool,
    /// Commands for the prompt, run before the tests
    #[arg(long, value_name = "FILE")]
    pre: Option<PathBuf>,
    /// Commands for the prompt, run after the tests
    #[arg(long, value_name = "FILE")]
    post: Option<PathBuf>,
    /// Refused: processors are not dealt out yet
    #[arg(long)]
    pin: bool,
    /// Lead the hosts to what this machine reaches, through a gateway beside the first switch
    #[arg(long, num_args = 0..=1, default_missing_value = "default")]
    nat: Option<String>,
    /// Refused: one machine
    #[arg(long, value_name = "SERVERS")]
    cluster: Option<String>,
    /// Refused: one machine
    #[arg(long, value_name = "KIND")]
    placement: Option<String>,
    /// Wait for the switches to connect, as always
    #[arg(short, long)]
    wait: bool,
    /// Give up if the lab is not up after SECONDS
    #[arg(short, long, value_name = "SECONDS")]
    twait: Option<u32>,
    /// Print the lab file that the flags mean, and start nothing
    #[arg(long)]
    print: bool,
}

impl Mn {
    pub(crate) fn run(self) -> Outcome {
        let begun = now();
        self.refuse()?;
        if self.clean {
            return clean();
        }
        let tests = self.tests()?;
        let mut lab = translate::Lab::of(&self)?;
        if self.print {
            output::put(&lab.file());
            return Ok(DONE);
        }
        lab.name = free_name();
        let source = lab.file();
        let here = std::env::current_dir().unwrap_or_default();
        let path = here.join("mn.loom.yml").to_string_lossy().into_owned();
        let text = LabText::made(lab.name.clone(), Wanted { source, path, ..Wanted::default() });
        // A wrong address base is seen here: nothing was started then.
        text.check()?;
        let say = |text: String| {
            if matches!(self.verbosity.as_str(), "info" | "debug") {
                output::put(&text);
            }
        };
        say(screen::creating(&lab));
        // Ctrl-C between two commands must not leave the lab up.
        // Nor must a reader who leaves, as in `mn --test pingall | head`.
        let _must_end = output::MustEnd::new();
        let _signals = Signals::ends().map_err(|error| Failure::failed("Cannot catch signals.", &error))?;
        let limit = self.twait.map(|seconds| Duration::from_secs(seconds.into()));
        let mut phases = Phases::new();
        let up =
            lifecycle::up(&text, false, None, &mut Patience::new(limit), &mut |event| phases.show(&event))?;
        phases.clear();
        let takedown = Takedown::watch(up.client.clone())?;
        say(screen::started(&lab));
        let outcome = self.work(&lab, &tests, &up.client);
        say(screen::stopping(&lab));
        let ended = takedown.end();
        say(screen::done(now().duration_since(begun).as_secs_f64()));
        let code = outcome?;
        for left in ended?.left {
            output::note(&format!("still there: {left}"));
        }
        Ok(code)
    }

    /// Scripts, tests, or the prompt.
    fn work(&self, lab: &translate::Lab, tests: &[Test], client: &Client) -> Outcome {
        let mut prompt = Prompt::open(client.clone())?.like_mininet(lab.controller);
        if self.xterms {
            prompt.obey("xterm *");
        }
        let mut code = DONE;
        if let Some(path) = &self.pre {
            code = code.max(prompt.script(path)?);
        }
        for line in tests.iter().flat_map(|test| test.lines()) {
            if prompt.was_interrupted() {
                break;
            }
            if !prompt.obey(line) {
                code = NO;
            }
        }
        if self.test.is_empty() && !prompt.was_interrupted() {
            say_prompt(self);
            code = code.max(prompt.talk()?);
        }
        if let (Some(path), false) = (&self.post, prompt.was_interrupted()) {
            code = code.max(prompt.script(path)?);
        }
        Ok(if prompt.was_interrupted() { INTERRUPTED } else { code })
    }

    fn tests(&self) -> Result<Vec<Test>, Failure> {
        self.test.iter().map(|name| Test::of(name)).collect()
    }

    fn refuse(&self) -> Result<(), Failure> {
        let refuse = |on: bool, flag: &str, why: &str, instead: &str| {
            if on {
                Err(Failure::from(netloom_api::ApiError::new(
                    netloom_api::ErrorKind::Unsupported,
                    format!("{flag} is not done: {why}."),
                ))
                .hint(instead))
            } else {
                Ok(())
            }
        };
        refuse(
            !self.custom.is_empty(),
            "--custom",
            "netloom has no Python in it",
            "write the topology as a lab file; `netloom mn --topo ... --print` shows the form",
        )?;
        refuse(
            self.nat.as_ref().is_some_and(|options| options != "default"),
            "--nat with options",
            "the gateway takes its address from the lab's own",
            "--nat alone",
        )?;
        refuse(
            self.cluster.is_some() || self.placement.is_some(),
            "--cluster",
            "a lab lives on one machine",
            "leave it out: one machine carries thousands of hosts",
        )?;
        refuse(
            self.innamespace,
            "--innamespace",
            "our switches are no processes and are apart from the machine's network already",
            "leave it out",
        )?;
        refuse(
            self.listenport.is_some(),
            "--listenport",
            "our switches listen on no port",
            "use `dpctl` at the prompt, or `netloom flow`",
        )?;
        refuse(self.pin, "--pin", "processors are not dealt out yet", "leave it out")?;
        refuse(
            spec::Spec::parse(&self.host)?.name != "proc",
            &format!("--host {}", self.host),
            "processor time is not dealt out yet",
            "--host proc",
        )?;
        if !["debug", "info", "output", "warning", "warn", "error", "critical"]
            .contains(&self.verbosity.as_str())
        {
            return Err(Failure::usage(format!("-v {} is no level.", self.verbosity))
                .hint("debug, info, output, warning, error or critical"));
        }
        Ok(())
    }
}

/// Takes the lab down, once: at the end, or when the terminal is closed or somebody kills us at the prompt.
struct Takedown {
    client: Client,
    done: Mutex<bool>,
}

impl Takedown {
    /// Also does it when SIGTERM or SIGHUP comes, and then ends the program.
    fn watch(client: Client) -> Result<Arc<Self>, Failure> {
        let failed = |error: std::io::Error| Failure::failed("Cannot catch signals.", &error);
        let takedown = Arc::new(Self { client, done: Mutex::new(false) });
        let mut signals = Signals::kills().map_err(failed)?;
        let (own, terminal) = (Arc::clone(&takedown), tcgetattr(std::io::stdin()).ok());
        let watcher = std::thread::Builder::new().name("takedown".into());
        let watch = move || {
            if signals.wait().is_ok() {
                // Nobody is left to be told.
                let _ = own.end();
                if let Some(before) = terminal {
                    let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &before);
                }
                std::process::exit(i32::from(INTERRUPTED));
            }
        };
        // Ends with the process.
        watcher.spawn(watch).map_err(failed)?;
        Ok(takedown)
    }

    fn end(&self) -> Result<DownReport, Failure> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *done, true) {
            return Ok(DownReport::default());
        }
        lifecycle::end(&self.client)
    }
}

fn say_prompt(mn: &Mn) {
    if matches!(mn.verbosity.as_str(), "info" | "debug") {
        output::put("*** Starting CLI:\n");
    }
}

/// What `--test` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    None,
    All,
    Iperf,
    IperfUdp,
    PingAll,
    PingPair,
}

impl Test {
    fn of(name: &str) -> Result<Self, Failure> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "none" | "build" => Self::None,
            "all" => Self::All,
            "iperf" => Self::Iperf,
            "iperfudp" => Self::IperfUdp,
            "pingall" => Self::PingAll,
            "pingpair" => Self::PingPair,
            _ => {
                return Err(Failure::usage(format!("--test {name} is not known."))
                    .hint("none, build, all, iperf, iperfudp, pingall or pingpair; others are written as `expect:` in a lab file"));
            }
        })
    }

    /// As lines of the prompt.
    const fn lines(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::All => &["pingall", "iperf"],
            Self::Iperf => &["iperf"],
            Self::IperfUdp => &["iperfudp"],
            Self::PingAll => &["pingall"],
            Self::PingPair => &["pingpair"],
        }
    }
}

/// `mn`, or with a number if such a lab is there already.
fn free_name() -> String {
    let homes = Homes::mine();
    let free =
        |name: &String| homes.home(name).is_ok_and(|home| !matches!(launch::state(&home), State::Alive(_)));
    let names = std::iter::once("mn".to_owned()).chain((2..1000).map(|n| format!("mn-{n}")));
    names.into_iter().find(free).unwrap_or_else(|| "mn".to_owned())
}

/// `mn -c`: our labs only, and says so.
fn clean() -> Outcome {
    let homes = Homes::mine();
    output::put(
        "*** Ending the labs of netloom; bridges, interfaces and processes of others are left alone\n",
    );
    for name in homes.list() {
        let report = lifecycle::end(&which::of(&homes, &name)?)?;
        output::line(&format!("{name}: {}", crate::output::screen::down(&report)));
    }
    output::put("*** Cleanup complete.\n");
    Ok(DONE)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Shell {
        #[command(flatten)]
        mn: Mn,
    }

    fn mn(flags: &str) -> Mn {
        Shell::try_parse_from(std::iter::once("mn").chain(flags.split_whitespace())).unwrap().mn
    }

    fn file(flags: &str) -> String {
        let mn = mn(flags);
        mn.refuse().unwrap();
        translate::Lab::of(&mn).unwrap().file()
    }

    #[test]
    fn flags_become_a_lab_file() {
        let flags = [
            "",
            "--topo tree,depth=2,fanout=3 --link tc,bw=10,delay=5ms,loss=1,max_queue_size=100 --mac --arp",
            "--topo linear,3,2 --controller none --ipbase 192.168.0.0/16",
            "--topo reversed,3 --switch ovsk,stp=1,failMode=standalone --controller none",
            "--topo linear,2 --switch ovsk,protocols=OpenFlow13 --controller remote,ip=10.9.9.9,port=6633",
            "--topo torus,3,3 --switch lxbr --controller=none --link tc,bw=0.5,jitter=100",
            "--topo linear,2 --nat",
        ];
        let files: Vec<_> = flags.iter().map(|flags| format!("# mn {flags}\n{}", file(flags))).collect();
        insta::assert_snapshot!(files.join("\n"));
    }

    #[test]
    fn what_is_not_done_is_refused_by_name_with_exit_2() {
        for (flags, name) in [
            ("--custom x.py", "--custom"),
            ("--nat ip=10.0.0.9", "--nat"),
            ("--cluster a,b", "--cluster"),
            ("--innamespace", "--innamespace"),
            ("--listenport 6654", "--listenport"),
            ("--pin", "--pin"),
            ("--host cfs", "--host cfs"),
            ("-v loud", "-v loud"),
            ("--controller ryu", "--controller ryu"),
            ("--controller remote,ip=nowhere", "--controller remote"),
            ("--controller remote,speed=9", "speed"),
            ("--controller dance", "--controller dance"),
            ("--switch p4", "--switch p4"),
            ("--switch ovsk,dance=1", "dance"),
            ("--switch ovsk,stp=maybe", "stp=maybe"),
            ("--switch ovsk,datapath=kernel", "datapath=kernel"),
            ("--switch ovsk,batch=1", "batch=1"),
            ("--switch lxbr,prio=5", "prio=5"),
            ("--link tc,speed=3", "speed"),
            ("--link tc,bw=fast", "bw=fast"),
            ("--link tc,enable_red=1", "enable_red"),
            ("--link default,bw=3", "bw"),
            ("--topo ring", "--topo ring"),
            ("--topo tree,depth=40,fanout=9", "too large"),
            ("--topo torus,2,2", "torus"),
            ("--topo tree,deep=3", "deep"),
            ("--topo single,k=x", "k=x"),
            ("--test dance", "--test dance"),
        ] {
            let mn = mn(flags);
            let refused = mn.refuse().and_then(|()| mn.tests()).and_then(|_| translate::Lab::of(&mn));
            let error = refused.map(|lab| lab.file()).unwrap_err().error;
            assert!(error.message.contains(name), "{flags}: {}", error.message);
            assert_eq!(crate::exit::code(error.kind), 2, "{flags}");
        }
    }

    #[test]
    fn the_screen_is_the_one_users_know() {
        let lab = translate::Lab::of(&mn("--topo single,2 --link tc,bw=10,delay=5ms")).unwrap();
        let screen =
            [screen::creating(&lab), screen::started(&lab), screen::stopping(&lab), screen::done(0.1834)];
        insta::assert_snapshot!(screen.concat());
    }
}

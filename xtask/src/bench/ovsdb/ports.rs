//! Ports added one by one to a bridge, each waited for, in a network of their own.

use super::client::Client;
use super::server::{Server, Whose};
use crate::bench::report::{self, Asked};
use crate::bench::shell::Netns;
use crate::run::Failed;

/// Ports that are added.
const PORTS: usize = 1_000;
/// The first and the last of them that are compared.
const COMPARED: usize = 100;

/// Runs it once for each: what a port costs is the median of many.
///
/// # Errors
/// [`Failed`] if a daemon cannot be set up, or refuses something.
pub(super) fn run() -> Result<(), Failed> {
    report::table(
        &format!("OVSDB and switch: {PORTS} internal ports added one by one"),
        &["what", "all, s", "one of the first 100, ms", "one of the last 100, ms", "last / first", "asked"],
    );
    let ours = added(Whose::Netloom)?;
    let theirs = added(Whose::Ovs)?;
    row("netloom", &ours, Some(Asked::AtMost(1.2, 1.2)));
    row("ovsdb-server and ovs-vswitchd", &theirs, None);
    Ok(())
}

fn row(what: &str, seconds: &[f64], asked: Option<Asked>) {
    let part = |range: &[f64]| report::median(range).unwrap_or(0.0) * 1e3;
    let first = part(seconds.get(..COMPARED).unwrap_or_default());
    let last = part(seconds.get(seconds.len().saturating_sub(COMPARED)..).unwrap_or_default());
    let all: f64 = seconds.iter().sum();
    let ratio = last / first;
    let verdict = asked.map_or_else(|| "-".to_owned(), |asked| asked.verdict(ratio));
    let cells = [all, first, last].map(|value| format!("{value:.2}"));
    let [all, first, last] = &cells;
    report::row(&[what, all, first, last, &format!("{ratio:.2}x"), &verdict]);
}

/// Seconds that each port took.
fn added(whose: Whose) -> Result<Vec<f64>, Failed> {
    let mut server = Server::start_in(Some(Netns::make("ports")?), whose, |_| Ok(()))?;
    let mut client = Client::connect(&server.socket())?;
    client.ask(
        r#"["Open_vSwitch",{"op":"insert","table":"Open_vSwitch","row":{"bridges":["named-uuid","b"]}},
           {"op":"insert","table":"Bridge","uuid-name":"b","row":{"name":"br0","datapath_type":"netdev"}}]"#,
    )?;
    server.start_switch(whose)?;
    let mut seconds = Vec::new();
    for n in 0..PORTS {
        let begun = crate::bench::now();
        client.ask(&format!(
            r#"["Open_vSwitch",{{"op":"insert","table":"Interface","uuid-name":"i","row":{{"name":"p{n}","type":"internal"}}}},{{"op":"insert","table":"Port","uuid-name":"p","row":{{"name":"p{n}","interfaces":["named-uuid","i"]}}}},{{"op":"mutate","table":"Bridge","where":[["name","==","br0"]],"mutations":[["ports","insert",["named-uuid","p"]]]}},{{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["next_cfg","+=",1]]}}]"#
        ))?;
        // Answered when the switch has done it.
        let configuration = n + 1;
        client.ask(&format!(
            r#"["Open_vSwitch",{{"op":"wait","table":"Open_vSwitch","timeout":20000,"where":[],"columns":["cur_cfg"],"until":"==","rows":[{{"cur_cfg":{configuration}}}]}}]"#
        ))?;
        seconds.push(begun.elapsed().as_secs_f64());
    }
    if client.refused() {
        return Err(Failed::Check("a port of the bench was refused".to_owned()));
    }
    Ok(seconds)
}

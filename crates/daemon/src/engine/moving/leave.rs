//! A machine that goes: what is done in the lab where it runs.
//!
//! | what fails | where the guest goes on |
//! |---|---|
//! | anything before its memory is there, the other lab, QEMU, the network, Ctrl-C | here, as if nothing had been |
//! | the other lab's daemon, after `go` | here: its QEMU died with it |
//! | the way to the other lab after `go`, so that nobody knows | nowhere: it stands still here, and its user is told to look |

use std::io::ErrorKind as IoErrorKind;
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use netloom_api::stream::Frame;
use netloom_api::{ApiError, Command, ErrorKind, MigrationRow, Progress as Told};
use netloom_sys::clock;
use netloom_vm::moving::{self, Progress};
use netloom_vm::{Accel, Virt};
use serde_json::{Value, json};

use super::super::Running;
use super::super::machines::{Machine, Moved, Phase};
use super::cards::{Card, end_all};
use super::parley::{Heard, call, connect, hear, say, send_packet};
use super::{GO_NS, PREPARE_NS, Word, pages};
use crate::{Conn, Sink};

/// How often QEMU is asked how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// How long nothing may get there before it is given up.
const STUCK_NS: u64 = 5_000_000_000;
/// How long packets are sent after a machine that is gone, once none has come any more.
const QUIET_NS: u64 = 200_000_000;
/// And in any case.
const AFTER_NS: u64 = 3_000_000_000;
/// How long it may take until a guest that goes on here has what was kept for it.
const BACK_NS: u64 = 2_000_000_000;

/// Where a machine is to go.
#[derive(Debug)]
pub(in crate::engine) struct Target<'a> {
    /// As the user calls it.
    pub(in crate::engine) host: &'a str,
    /// The `api.sock` of its lab.
    pub(in crate::engine) socket: &'a Path,
    /// At which address its memory is taken.
    pub(in crate::engine) via: Option<IpAddr>,
    /// Whether it is encrypted.
    pub(in crate::engine) tls: bool,
}

/// How it has ended, if it has not gone.
#[derive(Debug)]
enum Stay {
    /// It goes on here.
    Here(String),
    /// Somebody asked for that.
    Cancelled,
    /// It is not known where it goes on.
    Unknown(String),
}

impl Running {
    /// Has a machine go on in another lab.
    ///
    /// # Errors
    /// It cannot move, the other lab has no place for it, or something broke; what is said in words says where it goes on.
    pub(in crate::engine) fn leave(
        &self,
        node: &str,
        machine: &Machine,
        target: &Target<'_>,
        sink: &Sink,
    ) -> Result<MigrationRow, ApiError> {
        let begun = clock::now();
        let cards = self.movable(node, machine)?;
        let hello = Command::Receive {
            node: node.to_owned(),
            made_of: machine.made_of(),
            memory: machine.memory(),
            processors: machine.processors(),
            session: machine.next_session(),
            tls: target.tls,
        };
        let mut conn = call(target.socket, &hello)?;
        let stays = |why: String| {
            ApiError::new(ErrorKind::Failed, format!("{node} goes on here: {why}."))
                .hint(format!("`netloom -l {} logs` says what was seen there", target.host))
        };
        let Word::Offer { port, token, key } = await_word(&mut conn, target).map_err(|e| e(node))? else {
            return Err(stays(format!("{} says something else than where it listens", target.host)));
        };
        let stream = connect(&self.ways(target), port, &token).map_err(|why| {
            stays(format!("nobody takes its memory at {why}"))
                .hint("--via ADDRESS: that of the machine, as seen from here")
        })?;
        match await_word(&mut conn, target).map_err(|e| e(node))? {
            Word::Ready {} => {}
            _ => return Err(stays(format!("{} does not get ready", target.host))),
        }
        let key = key.filter(|_| target.tls).map(|key| self.key(node, &key)).transpose();
        let key = key.map_err(|error| stays(format!("its key cannot be written: {error}")))?;
        if target.tls && key.is_none() {
            return Err(stays(format!("{} gives no key", target.host)));
        }

        let watch = machine.watch();
        machine.set_moving(true);
        cards.iter().for_each(Card::keep);
        let gone = send(machine, stream.into(), key.as_ref(), &watch, &mut conn, sink)
            .and_then(|()| put_right(&mut conn, machine, target))
            .and_then(|repaired| Ok((repaired, hand_over(&mut conn, &cards, target)?)));
        machine.set_moving(false);
        match gone {
            Ok((repaired, pause)) => {
                let said = machine.ask("query-migrate", Value::Null).unwrap_or(Value::Null);
                self.has_left(node);
                let (kept, lost) = follow(&mut conn, &cards);
                machine.discard();
                self.set_node(node, true);
                conn.hang_up();
                let progress = Progress::parse(&said);
                #[expect(clippy::cast_precision_loss, reason = "durations of minutes at most")]
                let ms = |nanos: u64| nanos as f64 / 1e6;
                Ok(MigrationRow {
                    node: node.to_owned(),
                    host: target.host.to_owned(),
                    total_ms: ms(clock::now().saturating_sub(begun)),
                    pause_ms: ms(pause),
                    downtime_ms: progress.pause_ms.unwrap_or(0),
                    rounds: progress.rounds,
                    memory: progress.total,
                    transferred: progress.transferred,
                    repaired,
                    kept,
                    lost,
                    encrypted: target.tls,
                })
            }
            Err(Stay::Unknown(why)) => {
                end_all(&cards);
                if let Some(made) = self.state().nodes.get_mut(node) {
                    made.paused = true;
                }
                Err(ApiError::new(ErrorKind::Failed, format!("It is not known whether {node} goes on at {}: {why}.", target.host))
                    .hint(format!("it stands still here: `netloom resume {node}` if it does not run there, `netloom stop {node}` if it does")))
            }
            Err(stay) => {
                // The other lab throws away what it has before this one goes on.
                drop(conn);
                go_on(machine, &cards, key.is_some());
                Err(match stay {
                    Stay::Cancelled => ApiError::new(
                        ErrorKind::Cancelled,
                        format!("Stopped before it was done: {node} goes on here."),
                    ),
                    Stay::Here(why) | Stay::Unknown(why) => stays(why),
                })
            }
        }
    }

    /// The cards of a machine that can move.
    fn movable(&self, node: &str, machine: &Machine) -> Result<Vec<Card>, ApiError> {
        let (lab, how) = {
            let state = self.state();
            (state.lab.clone(), state.nodes.get(node).map(|made| (made.stopped, made.paused)))
        };
        let refused = |kind, why: String| Err(ApiError::new(kind, format!("{node} cannot move: {why}.")));
        let Some((found, vm)) = lab.node(node).and_then(|node| Some((node, node.vm.as_deref()?))) else {
            return refused(ErrorKind::Internal, "it is no virtual machine".to_owned());
        };
        let not_yet = |what: &str| {
            ApiError::new(ErrorKind::Unsupported, format!("not yet supported: moving a machine {what}."))
        };
        if vm.has_disk() {
            return Err(not_yet("with a disk")
                .hint("one with a kernel and files in memory can: `kernel`, `initrd`, `image`"));
        }
        if vm.cloud_init.is_some() {
            return Err(not_yet("with a CD for cloud-init"));
        }
        if found.vf.is_some() {
            return Err(not_yet("with a virtual function of a network card"));
        }
        match how {
            Some((true, _)) => return refused(ErrorKind::Failed, "it is stopped".to_owned()),
            Some((_, true)) => {
                return refused(ErrorKind::Failed, format!("it is paused; `netloom resume {node}`"));
            }
            _ => {}
        }
        if machine.status().phase != Phase::Up {
            return refused(ErrorKind::Failed, "the guest is not up".to_owned());
        }
        if machine.streams() > 0 {
            let why = "programs are run in it from outside, whose streams cannot go along".to_owned();
            return refused(ErrorKind::Failed, why);
        }
        if machine.took_one() {
            let why = "a processor was taken away since it was started, and QEMU ends when it is to tell of such a machine";
            return refused(ErrorKind::Failed, format!("{why}; `stop` and `start` it first"));
        }
        if machine.virt == Virt::Full {
            return Err(not_yet("with `virt: full`"));
        }
        self.moving_cards(found).ok_or_else(|| not_yet("with cards that the switch does not serve"))
    }

    /// At which addresses the other lab's machine may be.
    fn ways(&self, target: &Target<'_>) -> Vec<IpAddr> {
        if let Some(via) = target.via {
            return vec![via];
        }
        let state = self.state();
        let tunnels = state.lab.links.iter().filter_map(|link| link.tunnel.as_ref()?.remote);
        let mut all: Vec<IpAddr> = tunnels.collect();
        all.sort_unstable();
        all.dedup();
        // Two labs of one machine need no tunnel to find each other.
        all.push(IpAddr::from([127, 0, 0, 1]));
        all
    }

    /// It is elsewhere now: whoever looks for it is not led here.
    fn has_left(&self, node: &str) {
        let mut state = self.state();
        if let Some(made) = state.nodes.get_mut(node) {
            (made.stopped, made.away) = (true, true);
        }
        self.tell_owners(&state);
    }
}

/// The next word of the other lab; errors are told with the node's name.
fn await_word<'a>(
    conn: &mut Conn,
    target: &'a Target<'_>,
) -> Result<Word, impl FnOnce(&str) -> ApiError + 'a> {
    let heard = hear(conn, PREPARE_NS);
    match heard {
        Heard::Word(word) => Ok(word),
        heard => Err(move |node: &str| match heard {
            Heard::Error(error) => ApiError {
                message: format!("{} does not take {node}: {}", target.host, error.message),
                ..error
            },
            _ => ApiError::new(
                ErrorKind::Failed,
                format!("{node} goes on here: {} does not answer.", target.host),
            ),
        }),
    }
}

/// Copies it while it runs; returns when the other QEMU has all of it, and it stands still.
fn send(
    machine: &Machine,
    stream: std::os::fd::OwnedFd,
    key: Option<&super::key::Key<'_>>,
    watch: &Receiver<Moved>,
    conn: &mut Conn,
    sink: &Sink,
) -> Result<(), Stay> {
    machine.give(stream, "getfd", json!({ "fdname": moving::SOCKET })).map_err(Stay::Here)?;
    let folder = match key {
        None => None,
        Some(key) => {
            let handle = key.handle().map_err(|error| Stay::Here(error.to_string()))?;
            let given = machine.give(handle, "add-fd", json!({ "fdset-id": KEY_SET })).map_err(Stay::Here)?;
            Some(format!("/proc/self/fd/{}", given["fd"].as_u64().unwrap_or(u64::MAX)))
        }
    };
    for (command, arguments) in moving::send(folder.as_deref()) {
        machine.ask(command, arguments).map_err(Stay::Here)?;
    }
    sink.send(Told::Phase { phase: PHASE.to_owned(), total: machine.memory() >> 20 });
    let (mut why, mut sent, mut since) = (None, 0, clock::now());
    loop {
        match watch.recv_timeout(LOOK) {
            Ok(Moved::Status(status)) => match status.as_str() {
                "completed" => return Ok(()),
                "failed" | "cancelled" => {
                    let said = machine.ask("query-migrate", Value::Null).unwrap_or(Value::Null);
                    let told = said["error-desc"].as_str().map(|told| format!("QEMU: {told}"));
                    return Err(why
                        .or_else(|| told.map(Stay::Here))
                        .unwrap_or_else(|| Stay::Here("its memory does not get there".to_owned())));
                }
                _ => {}
            },
            Ok(Moved::Stopped) => {}
            Err(RecvTimeoutError::Timeout) => {
                let now = clock::now();
                let transferred = tell(machine, sink);
                if transferred != sent {
                    (sent, since) = (transferred, now);
                }
                if why.is_none() {
                    let stuck = now.saturating_sub(since) > STUCK_NS;
                    let stuck = stuck.then(|| Stay::Here("nothing of it gets there any more".to_owned()));
                    why = interrupted(conn, sink).or(stuck);
                    if why.is_some() {
                        machine.ask("migrate_cancel", Value::Null).map_err(Stay::Here)?;
                    }
                }
            }
            Err(RecvTimeoutError::Disconnected) => return Err(Stay::Here("its QEMU has ended".to_owned())),
        }
    }
}

/// The set in which QEMU keeps the folder of a key.
const KEY_SET: u32 = 15;
/// What the phase is called.
const PHASE: &str = "memory";

/// Why it is not to go on with it, if it is not.
fn interrupted(conn: &mut Conn, sink: &Sink) -> Option<Stay> {
    if sink.is_cancelled() {
        return Some(Stay::Cancelled);
    }
    match hear(conn, 0) {
        Heard::Nothing => None,
        Heard::Error(error) => Some(Stay::Here(error.message.trim_end_matches('.').to_owned())),
        _ => Some(Stay::Here("the other lab is gone".to_owned())),
    }
}

/// Tells how far it is; bytes that went over the network so far.
fn tell(machine: &Machine, sink: &Sink) -> u64 {
    let Ok(said) = machine.ask("query-migrate", Value::Null) else { return 0 };
    let progress = Progress::parse(&said);
    let rate = netloom_lab::quantity::show_size(progress.dirty_bytes_per_second.next_multiple_of(1 << 10));
    let item = format!(
        "round {}, {rate}/s written meanwhile, would stand still {} ms",
        progress.rounds, progress.expected_ms
    );
    let done = progress.total.saturating_sub(progress.left) >> 20;
    sink.send(Told::Item { phase: PHASE.to_owned(), done, item });
    progress.transferred
}

/// Has the other lab have what QEMU's emulator forgot to tell of; how many pages that were.
fn put_right(conn: &mut Conn, machine: &Machine, target: &Target<'_>) -> Result<u64, Stay> {
    if machine.accel != Accel::Tcg {
        return Ok(0);
    }
    let gone = |error: std::io::Error| Stay::Here(format!("{} is gone: {error}", target.host));
    let ram = machine.ram().ok_or_else(|| Stay::Here("its QEMU has ended".to_owned()))?;
    say(conn, &Word::Sum {}).map_err(gone)?;
    let here = pages::sums(&*ram).map_err(|error| Stay::Here(error.to_string()))?;
    let mut there = Vec::new();
    while there.len() < here.len() {
        match hear(conn, GO_NS) {
            Heard::Sums(bytes) => there.extend(bytes),
            Heard::Error(error) => return Err(Stay::Here(error.message.trim_end_matches('.').to_owned())),
            _ => return Err(Stay::Here(format!("{} does not say what has come", target.host))),
        }
    }
    let mut count = 0;
    for number in pages::differing(&here, &there) {
        let page = pages::read(&*ram, number).map_err(|error| Stay::Here(error.to_string()))?;
        let packet = [&(number as u64).to_be_bytes()[..], &page].concat();
        conn.send(&Frame::Stderr(packet)).map_err(gone)?;
        count += 1;
    }
    Ok(count)
}

/// Has it go on there. Returns how long its cards were not served, in nanoseconds.
fn hand_over(conn: &mut Conn, cards: &[Card], target: &Target<'_>) -> Result<u64, Stay> {
    let now = clock::now();
    // Nobody heard it: what is there is thrown away.
    say(conn, &Word::Go {}).map_err(|error| Stay::Here(format!("{} is gone: {error}", target.host)))?;
    let until = now + GO_NS;
    loop {
        // Packets first: they are there when it goes on.
        if pass_on(conn, cards).is_err() {
            return Err(broken(target));
        }
        match hear(conn, 1_000_000) {
            Heard::Word(Word::Running {}) => {
                let since = cards.iter().filter_map(|card| card.hold().still_since()).min();
                return Ok(clock::now().saturating_sub(since.unwrap_or(now)));
            }
            Heard::Nothing if clock::now() < until => {}
            Heard::Nothing => {
                return Err(Stay::Unknown(format!("{} has not said so", target.host)));
            }
            Heard::Error(error) => return Err(Stay::Here(error.message.trim_end_matches('.').to_owned())),
            _ => return Err(broken(target)),
        }
    }
}

/// The way to the other lab broke when it was to go on there: asks whether it does.
fn broken(target: &Target<'_>) -> Stay {
    match std::os::unix::net::UnixStream::connect(target.socket) {
        // A daemon that is gone has taken its QEMU along.
        Err(error) if matches!(error.kind(), IoErrorKind::ConnectionRefused | IoErrorKind::NotFound) => {
            Stay::Here(format!("the daemon of {} has ended", target.host))
        }
        _ => Stay::Unknown(format!("the way to {} broke when it was to go on there", target.host)),
    }
}

/// Sends what was kept after it.
fn pass_on(conn: &mut Conn, cards: &[Card]) -> std::io::Result<u64> {
    let mut count = 0;
    for (number, card) in cards.iter().enumerate() {
        for packet in card.hold().take() {
            send_packet(conn, number, &packet)?;
            count += 1;
        }
    }
    Ok(count)
}

/// Sends packets after it until none comes here any more; how many there were in all, and how many were lost.
fn follow(conn: &mut Conn, cards: &[Card]) -> (u64, u64) {
    let begun = clock::now();
    let mut last = begun;
    loop {
        let now = clock::now();
        match pass_on(conn, cards) {
            Ok(0) if now.saturating_sub(last) > QUIET_NS || now.saturating_sub(begun) > AFTER_NS => break,
            Ok(0) => clock::sleep(2_000_000),
            Ok(_) if now.saturating_sub(begun) > AFTER_NS => break,
            Ok(_) => last = now,
            Err(_) => break,
        }
    }
    end_all(cards)
}

/// It goes on here after all, with all that came for it meanwhile.
fn go_on(machine: &Machine, cards: &[Card], is_encrypted: bool) {
    // QEMU lets it go on by itself unless all of it was there already.
    let said = machine.ask("query-status", Value::Null).unwrap_or(Value::Null);
    if said["running"] == false
        && let Err(why) = machine.pause(false)
    {
        tracing::error!(why, "a machine that did not move does not go on");
    }
    for (command, arguments) in moving::forget(is_encrypted) {
        if let Err(why) = machine.ask(command, arguments) {
            tracing::debug!(command, why, "there is nothing to be taken back");
        }
    }
    let _ = machine.ask("remove-fd", json!({ "fdset-id": KEY_SET }));
    let until = clock::now() + BACK_NS;
    let waits = |card: &Card| !card.is_served() || !card.hold().is_empty();
    while cards.iter().any(waits) && clock::now() < until {
        clock::sleep(1_000_000);
    }
    end_all(cards);
}

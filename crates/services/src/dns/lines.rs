//! All TCP connections to the name server, bounded: nobody can have more of them than their share.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netloom_flow::Nanos;
use netloom_packet::build::{Frame, Ip, Tcp};
use netloom_packet::tcp::flag;

use super::line::{Arrived, Line, Segment};
use crate::network::{Asker, DNS, Output};
use crate::spec::Spec;

/// Connections of a network.
const ROOM: usize = 256;
/// Connections by one port of its switch.
const ROOM_OF_PORT: usize = 32;

/// Who is connected: a frame that comes by another port, or from another MAC address, is not theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Caller {
    pub(super) port: u32,
    pub(super) mac: netloom_packet::Mac,
    pub(super) from: (IpAddr, u16),
    pub(super) to: IpAddr,
}

impl Caller {
    pub(super) const fn new(asker: Asker, from: (IpAddr, u16), to: IpAddr) -> Self {
        Self { port: asker.port, mac: asker.mac, from, to }
    }

    pub(super) const fn asker(&self) -> Asker {
        Asker { port: self.port, mac: self.mac }
    }
}

/// The connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    lines: BTreeMap<Caller, Numbered>,
    next: u64,
}

/// A connection, and which of all it is: another one of the same caller is not it.
#[derive(Debug, Clone)]
struct Numbered {
    number: u64,
    line: Line,
}

/// What a segment means for the lines.
pub(super) enum Met {
    /// A line has heard it.
    Line(u64),
    /// It has ended one.
    Over,
    /// There is no room for one more.
    Full,
    /// It belongs to none.
    Stray,
}

impl Lines {
    /// Takes a segment. `most`: what fits into one of ours.
    pub(super) fn handle(&mut self, caller: Caller, it: &Arrived<'_>, most: usize, now: Nanos) -> Met {
        if let Some(found) = self.lines.get_mut(&caller) {
            if found.line.handle(it, now) {
                return Met::Line(found.number);
            }
            self.lines.remove(&caller);
            return Met::Over;
        }
        if it.flags & (flag::SYN | flag::ACK | flag::RST | flag::FIN) != flag::SYN {
            return Met::Stray;
        }
        let of_port = self.lines.keys().filter(|other| other.port == caller.port).count();
        if self.lines.len() >= ROOM || of_port >= ROOM_OF_PORT {
            return Met::Full;
        }
        let number = self.next;
        self.next += 1;
        // Only who sees the answer knows it, and nobody else is heard for this caller: it need not be hard to guess.
        let first = u32::try_from(number.wrapping_mul(64_007) & 0xffff_ffff).unwrap_or(0);
        self.lines.insert(caller, Numbered { number, line: Line::new(it, first, most, now) });
        Met::Line(number)
    }

    /// The line of a caller, if it still is the one with this number.
    pub(super) fn line(&mut self, caller: &Caller, number: u64) -> Option<&mut Line> {
        self.lines.get_mut(caller).filter(|found| found.number == number).map(|found| &mut found.line)
    }

    /// Sends what a line has to say.
    pub(super) fn flush(&mut self, spec: &Spec, caller: &Caller, now: Nanos, out: &mut Vec<Output>) {
        let Some(found) = self.lines.get_mut(caller) else { return };
        out.extend(found.line.flush(now).iter().filter_map(|segment| output(spec, caller, segment)));
    }

    /// Ends a line at once.
    pub(super) fn cut(&mut self, spec: &Spec, caller: &Caller, out: &mut Vec<Output>) {
        let Some(found) = self.lines.remove(caller) else { return };
        out.extend(output(spec, caller, &found.line.reset()));
    }

    /// Does what is due.
    pub(super) fn poll(&mut self, spec: &Spec, now: Nanos, out: &mut Vec<Output>) {
        let due = self.lines.iter().filter(|(_, found)| found.line.deadline() <= now);
        for caller in due.map(|(caller, _)| *caller).collect::<Vec<_>>() {
            if self.lines.get_mut(&caller).is_some_and(|found| found.line.poll(now)) {
                self.flush(spec, &caller, now, out);
            } else {
                self.cut(spec, &caller, out);
            }
        }
    }

    /// When [`Self::poll`] has something to do.
    pub(super) fn deadline(&self) -> Option<Nanos> {
        self.lines.values().map(|found| found.line.deadline()).min()
    }
}

fn output(spec: &Spec, caller: &Caller, segment: &Segment) -> Option<Output> {
    let Segment { seq, ack, flags, window, data } = segment;
    let tcp = Tcp {
        src: DNS,
        dst: caller.from.1,
        seq: *seq,
        ack: *ack,
        flags: *flags,
        window: *window,
        data,
        ..Tcp::default()
    };
    let ip = Ip::between(caller.to, caller.from.0)?.tcp(tcp);
    let frame = Frame::ip(spec.mac, caller.mac, ip).to_vec()?;
    Some(Output::Send { port: caller.port, frame })
}

//! The name server over TCP.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

mod support;

use std::net::Ipv4Addr;

use netloom_flow::Nanos;
use netloom_packet::build::{Frame, Ip, Tcp};
use netloom_packet::tcp::{self, flag};
use netloom_packet::{Mac, parse};
use netloom_services::{Network, Output, Refusal, Served};
use support::*;

const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The option of the longest segment, 200 bytes.
const MSS: [u8; 4] = [2, 4, 0, 200];

/// One side of a connection, as a guest has it.
struct Guest {
    mac: Mac,
    from: u16,
    seq: u32,
    ack: u32,
}

/// What came back: sequence number, flags, data.
type Heard = Vec<(u32, u16, Vec<u8>)>;

impl Guest {
    fn new(from: u16) -> Self {
        Self { mac: WEB, from, seq: 1_000, ack: 0 }
    }

    fn frame(&self, flags: u16, options: &[u8], data: &[u8]) -> Vec<u8> {
        let (seq, ack) = (self.seq, self.ack);
        let tcp = Tcp { src: self.from, dst: 53, seq, ack, flags, window: 4_000, options, data };
        Frame::ip(self.mac, SERVICE, Ip::v4(GUEST, SERVER).tcp(tcp)).to_vec().unwrap()
    }

    fn say(&mut self, network: &mut Network, flags: u16, data: &[u8]) -> Heard {
        let options: &[u8] = if flags & flag::SYN == 0 { &[] } else { &MSS };
        let heard = self.hear(handle(network, 1, &self.frame(flags, options, data)));
        let len = u32::try_from(data.len()).unwrap();
        self.seq += len + u32::from(flags & (flag::SYN | flag::FIN) != 0);
        heard
    }

    /// Takes what came, all of it in order.
    fn hear(&mut self, out: Vec<Output>) -> Heard {
        let mut heard = Heard::new();
        for output in out {
            let Output::Send { frame, .. } = output else { continue };
            let headers = parse(&frame).unwrap();
            let it = tcp::Tcp::of(&frame, &headers).unwrap();
            assert_eq!((it.src(), it.dst()), (53, self.from));
            let data = frame[usize::from(headers.payload)..usize::try_from(headers.end).unwrap()].to_vec();
            if it.flags() & flag::SYN != 0 {
                self.ack = it.seq();
            }
            if it.seq() == self.ack {
                self.ack += u32::try_from(data.len()).unwrap();
                self.ack += u32::from(it.flags() & (flag::SYN | flag::FIN) != 0);
            }
            heard.push((it.seq(), it.flags(), data));
        }
        heard
    }

    fn connect(network: &mut Network, from: u16) -> Self {
        let mut guest = Self::new(from);
        let heard = guest.say(network, flag::SYN, &[]);
        assert_eq!(heard[0].1, flag::SYN | flag::ACK);
        assert!(guest.say(network, flag::ACK, &[]).is_empty());
        guest
    }
}

/// A question for the addresses of a name, with its length in front.
fn question(id: u8, name: &str) -> Vec<u8> {
    let mut out = vec![0, 0, 0, id, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        out.push(u8::try_from(label.len()).unwrap());
        out.extend(label.as_bytes());
    }
    out.extend([0, 0, 1, 0, 1]);
    out[1] = u8::try_from(out.len() - 2).unwrap();
    out
}

fn said(heard: &Heard) -> Vec<u8> {
    heard.iter().flat_map(|(_, _, data)| data.clone()).collect()
}

#[test]
fn questions_are_answered_in_their_connection_until_the_guest_ends_it() {
    let mut network = network();
    let mut guest = Guest::connect(&mut network, 4_000);
    let all = [question(1, "db"), question(2, "web.red")].concat();
    let (first, rest) = all.split_at(11);
    assert_eq!(guest.say(&mut network, flag::ACK | flag::PSH, first)[0].1, flag::ACK, "half a question");
    let heard = guest.say(&mut network, flag::ACK | flag::PSH, rest);
    let answers = said(&heard);
    assert_eq!((answers[3], answers.ends_with(&[10, 0, 0, 1])), (1, true), "in their order: {answers:?}");
    assert!(answers.windows(4).any(|it| it == [10, 0, 0, 2]));
    let heard = guest.say(&mut network, flag::ACK | flag::FIN, &[]);
    assert_eq!(heard.last().unwrap().1, flag::ACK | flag::FIN);
    assert!(guest.say(&mut network, flag::ACK, &[]).is_empty());
    assert_eq!(served(&network), [(Served::Name, 2)]);
    // It is over: whoever goes on is refused.
    assert_eq!(guest.say(&mut network, flag::ACK, b"x")[0].1, flag::RST);
    assert!(refused(&network).is_empty());
}

#[test]
fn a_long_answer_from_outside_comes_as_a_whole() {
    let mut network = network();
    let mut spec = network.spec().clone();
    spec.forwards = true;
    network.set(spec, NOW);
    let mut guest = Guest::connect(&mut network, 4_000);
    let out = handle(&mut network, 1, &guest.frame(flag::ACK, &[], &question(7, "big.org")));
    guest.seq += u32::try_from(question(7, "big.org").len()).unwrap();
    let token =
        out.iter().find_map(|it| if let Output::Ask { token, .. } = it { Some(*token) } else { None });
    let mut reply = question(0, "big.org")[2..].to_vec();
    reply[2..4].copy_from_slice(&[0x81, 0x80]);
    reply.extend([9; 3_000]);
    let mut out = Vec::new();
    network.upstream(token.unwrap(), Some(&reply), NOW, &mut out);
    let mut heard = Vec::new();
    // Some at a time: those that were heard let others come.
    while !out.is_empty() {
        let part = guest.hear(std::mem::take(&mut out));
        assert!(part.iter().all(|(_, _, data)| data.len() <= 200), "what the guest takes at once");
        heard.extend(part);
        out = handle(&mut network, 1, &guest.frame(flag::ACK, &[], &[]));
    }
    let all = said(&heard);
    assert_eq!((all.len(), all[3]), (reply.len() + 2, 7));
    assert_eq!(all[4..], [&[0x81, 0x80][..], &reply[4..]].concat());
}

#[test]
fn only_the_caller_is_heard_and_nobody_has_more_than_a_share() {
    let mut network = network();
    let mut guest = Guest::connect(&mut network, 4_000);
    let mut other = Guest { mac: DB, from: 4_000, seq: guest.seq, ack: guest.ack };
    assert_eq!(
        other.say(&mut network, flag::ACK, &question(1, "db"))[0].1,
        flag::RST,
        "who takes its address"
    );
    assert!(
        guest.say(&mut network, flag::ACK, &question(1, "db")).last().unwrap().2.ends_with(&[10, 0, 0, 2])
    );
    for port in 1..=31 {
        Guest::connect(&mut network, port);
    }
    let refusal = Guest::new(5_000).say(&mut network, flag::SYN, &[]);
    assert_eq!(refusal[0].1, flag::RST | flag::ACK);
    assert_eq!(refused(&network), [(Refusal::Busy, 1)]);
    // Others have theirs: another port of the switch.
    let mut db = Guest { mac: DB, ..Guest::new(5_000) };
    let heard = db.hear(handle(&mut network, 2, &db.frame(flag::SYN, &MSS, &[])));
    assert_eq!(heard[0].1, flag::SYN | flag::ACK);
    // Those that say nothing are let go.
    let mut out = Vec::new();
    network.poll(NOW + Nanos::from_secs(11), &mut out);
    assert!(out.len() > 31);
    assert_eq!(Guest::new(5_000).say(&mut network, flag::SYN, &[])[0].1, flag::SYN | flag::ACK);
}

#[test]
fn what_is_no_question_ends_the_connection() {
    for (nonsense, why) in [(&[0xff, 0xff][..], Refusal::Malformed), (&[0, 1, 9], Refusal::Malformed)] {
        let mut network = network();
        let mut guest = Guest::connect(&mut network, 4_000);
        let heard = guest.say(&mut network, flag::ACK, nonsense);
        assert_eq!(heard.last().unwrap().1, flag::RST | flag::ACK);
        assert_eq!(refused(&network), [(why, 1)]);
    }
    // A transfer is refused in the connection's own words.
    let mut network = network();
    let mut guest = Guest::connect(&mut network, 4_000);
    let mut transfer = question(1, "red.shop");
    let kind = transfer.len() - 4;
    transfer[kind..kind + 2].copy_from_slice(&252_u16.to_be_bytes());
    let heard = guest.say(&mut network, flag::ACK, &transfer);
    assert_eq!((said(&heard)[5] & 0xf, refused(&network)), (5, vec![(Refusal::Unsupported, 1)]));
}

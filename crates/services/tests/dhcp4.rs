//! Clients of DHCP: each gets the address of its interface, and nobody else's.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

mod support;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use netloom_flow::Nanos;
use netloom_packet::Mac;
use netloom_services::{Network, Refusal, Served, Standing};
use support::*;

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;
const DECLINE: u8 = 4;
const RELEASE: u8 = 7;
const INFORM: u8 = 8;

/// A message of a client, with options behind its kind.
struct Message {
    mac: Mac,
    flags: u16,
    ciaddr: Ipv4Addr,
    giaddr: Ipv4Addr,
    options: Vec<u8>,
}

impl Message {
    fn new(mac: Mac, kind: u8) -> Self {
        let none = Ipv4Addr::UNSPECIFIED;
        Self { mac, flags: 0, ciaddr: none, giaddr: none, options: vec![53, 1, kind] }
    }

    fn option(mut self, code: u8, value: &[u8]) -> Self {
        self.options.push(code);
        self.options.push(u8::try_from(value.len()).unwrap());
        self.options.extend(value);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = vec![1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0];
        out.extend(self.flags.to_be_bytes());
        out.extend(self.ciaddr.octets());
        out.extend([0; 8]);
        out.extend(self.giaddr.octets());
        out.extend(self.mac.0);
        out.resize(236, 0);
        out.extend([99, 130, 83, 99]);
        out.extend(&self.options);
        out.push(255);
        out
    }

    fn frame(&self) -> Vec<u8> {
        let from = (IpAddr::V4(self.ciaddr), 68);
        udp((self.mac, Mac::BROADCAST), from, (Ipv4Addr::BROADCAST.into(), 67), &self.bytes())
    }
}

/// A message of the server.
#[derive(Debug)]
struct Reply {
    mac: Mac,
    to: IpAddr,
    flags: u16,
    yiaddr: Ipv4Addr,
    options: BTreeMap<u8, Vec<u8>>,
}

impl Reply {
    fn read(frame: &[u8]) -> Self {
        let (mac, from, to, data) = opened(frame);
        assert_eq!((from, to.1), ((SERVER.into(), 67), 68));
        assert_eq!(
            (data[0], &data[4..8], &data[236..240]),
            (2, &[0xde, 0xad, 0xbe, 0xef][..], &[99, 130, 83, 99][..])
        );
        assert!(data.len() >= 300, "as long as BOOTP");
        let mut options = BTreeMap::<u8, Vec<u8>>::new();
        let mut at = 240;
        while data[at] != 255 {
            let len = usize::from(data[at + 1]);
            options.entry(data[at]).or_default().extend(&data[at + 2..at + 2 + len]);
            at += 2 + len;
        }
        Self {
            mac,
            to: to.0,
            flags: u16::from_be_bytes([data[10], data[11]]),
            yiaddr: Ipv4Addr::new(data[16], data[17], data[18], data[19]),
            options,
        }
    }

    fn kind(&self) -> u8 {
        self.options[&53][0]
    }

    fn address(&self, code: u8) -> Ipv4Addr {
        <[u8; 4]>::try_from(self.options[&code].as_slice()).unwrap().into()
    }
}

fn ask(network: &mut Network, port: u32, message: &Message) -> Reply {
    Reply::read(&answer(network, port, &message.frame()))
}

#[test]
fn a_client_gets_the_address_that_the_lab_gave_its_interface() {
    let mut network = network();
    let offer = ask(&mut network, 1, &Message::new(WEB, DISCOVER));
    let own = Ipv4Addr::new(10, 0, 0, 1);
    assert_eq!((offer.kind(), offer.yiaddr, offer.mac, offer.to), (2, own, WEB, own.into()));
    let request = Message::new(WEB, REQUEST).option(50, &own.octets()).option(54, &SERVER.octets());
    let ack = ask(&mut network, 1, &request.option(61, &[1, 2, 3]));
    assert_eq!((ack.kind(), ack.yiaddr), (5, own));
    assert_eq!(ack.options[&61], [1, 2, 3], "the client's name comes back");
    assert_eq!(ack.address(1), Ipv4Addr::new(255, 255, 255, 0));
    assert_eq!((ack.address(3), ack.address(6)), (Ipv4Addr::new(10, 0, 0, 254), SERVER));
    assert_eq!((ack.address(54), ack.address(28)), (SERVER, Ipv4Addr::new(10, 0, 0, 255)));
    assert_eq!((ack.options[&12].as_slice(), ack.options[&15].as_slice()), (&b"web"[..], &b"red.shop"[..]));
    let seconds = |code: u8| u32::from_be_bytes(ack.options[&code].clone().try_into().unwrap());
    assert_eq!((seconds(51), seconds(58), seconds(59)), (3_600, 1_800, 3_150));
    let leases: Vec<_> = network.leases(NOW + Nanos::from_secs(600)).collect();
    let [lease] = leases.as_slice() else { panic!("{leases:?}") };
    assert_eq!(
        (lease.node.as_str(), lease.standing, lease.left_seconds),
        ("red/web", Standing::Bound, 3_000)
    );
    let late = network.leases(NOW + Nanos::from_secs(4_000)).next().unwrap();
    assert_eq!((late.standing, late.left_seconds), (Standing::Expired, 0));
    assert_eq!(served(&network), [(Served::Offer, 1), (Served::Ack, 1)]);
}

#[test]
fn what_a_client_does_not_ask_for_it_does_not_get_but_for_an_unusual_mtu() {
    let mut network = network();
    let web = ask(&mut network, 1, &Message::new(WEB, DISCOVER).option(55, &[1, 3]));
    assert_eq!(web.options.keys().copied().collect::<Vec<_>>(), [1, 3, 51, 53, 54, 58, 59]);
    let db = ask(&mut network, 2, &Message::new(DB, DISCOVER).option(55, &[1, 121]));
    assert_eq!(db.options[&26], 1_400u16.to_be_bytes());
    // 192.0.2.0/25 by 10.0.0.9; no default route.
    assert_eq!(db.options[&121], [25, 192, 0, 2, 0, 10, 0, 0, 9]);
    assert!(!db.options.contains_key(&3));
}

#[test]
fn answers_are_broadcast_to_those_who_cannot_take_others() {
    let mut network = network();
    let mut message = Message::new(WEB, DISCOVER);
    message.flags = 0x8000;
    let offer = ask(&mut network, 1, &message);
    assert_eq!((offer.mac, offer.to, offer.flags), (Mac::BROADCAST, Ipv4Addr::BROADCAST.into(), 0x8000));
}

#[test]
fn a_client_with_a_wrong_address_is_told_so_at_once() {
    let mut network = network();
    let nak = ask(&mut network, 1, &Message::new(WEB, REQUEST).option(50, &[10, 0, 0, 2]));
    assert_eq!((nak.kind(), nak.yiaddr, nak.to), (6, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST.into()));
    assert!(!nak.options.contains_key(&51));
    let mut renew = Message::new(WEB, REQUEST);
    renew.ciaddr = Ipv4Addr::new(10, 0, 0, 1);
    let ack = ask(&mut network, 1, &renew);
    assert_eq!((ack.kind(), ack.to), (5, Ipv4Addr::new(10, 0, 0, 1).into()));
    renew.ciaddr = Ipv4Addr::new(10, 0, 9, 1);
    assert_eq!(ask(&mut network, 1, &renew).kind(), 6);
}

#[test]
fn leases_are_given_back_refused_and_asked_about() {
    let mut network = network();
    let own = Ipv4Addr::new(10, 0, 0, 1);
    let mut message = Message::new(WEB, INFORM);
    message.ciaddr = own;
    let ack = ask(&mut network, 1, &message);
    assert_eq!((ack.kind(), ack.yiaddr, ack.to), (5, Ipv4Addr::UNSPECIFIED, own.into()));
    assert!(!ack.options.contains_key(&51), "no lease");
    assert_eq!(network.leases(NOW).count(), 0);
    let standing = |network: &Network| network.leases(NOW).next().map(|lease| lease.standing);
    ask(&mut network, 1, &Message::new(WEB, REQUEST).option(50, &own.octets()));
    let mut release = Message::new(WEB, RELEASE).option(54, &SERVER.octets());
    release.ciaddr = Ipv4Addr::new(10, 0, 0, 2);
    assert!(handle(&mut network, 1, &release.frame()).is_empty());
    assert_eq!(standing(&network), Some(Standing::Bound), "it is not another's to give back");
    release.ciaddr = own;
    assert!(handle(&mut network, 1, &release.frame()).is_empty());
    assert_eq!(standing(&network), Some(Standing::Released));
    let decline = Message::new(WEB, DECLINE).option(50, &own.octets()).option(54, &SERVER.octets());
    assert!(handle(&mut network, 1, &decline.frame()).is_empty());
    assert_eq!(standing(&network), Some(Standing::Declined));
    assert_eq!(refused(&network), [(Refusal::WrongAddress, 1), (Refusal::Declined, 1)]);
}

#[test]
fn strangers_get_nothing_and_are_counted() {
    let mut network = network();
    let stranger = Mac([2, 0, 0, 0, 0, 9]);
    let silent = |network: &mut Network, port, message: &Message, why| {
        let before = refused(network).iter().find(|(known, _)| *known == why).map_or(0, |(_, n)| *n);
        assert!(handle(network, port, &message.frame()).is_empty(), "{why:?}");
        assert!(refused(network).contains(&(why, before + 1)), "{why:?}: {:?}", refused(network));
    };
    silent(&mut network, 1, &Message::new(stranger, DISCOVER), Refusal::UnknownClient);
    // Who says to be another is at another's port.
    silent(&mut network, 2, &Message::new(WEB, DISCOVER), Refusal::WrongPort);
    let mut relayed = Message::new(WEB, DISCOVER);
    relayed.giaddr = Ipv4Addr::new(10, 0, 0, 9);
    silent(&mut network, 1, &relayed, Refusal::Relayed);
    let elsewhere = Message::new(WEB, REQUEST).option(54, &[10, 0, 0, 9]).option(50, &[10, 0, 0, 1]);
    silent(&mut network, 1, &elsewhere, Refusal::OtherServer);
    silent(&mut network, 1, &Message::new(WEB, 2), Refusal::Malformed);
    let mut spec = spec();
    spec.clients[0].v4 = None;
    network.set(spec.clone(), NOW);
    silent(&mut network, 1, &Message::new(WEB, DISCOVER), Refusal::NoAddress);
    spec.dhcp = false;
    network.set(spec, NOW);
    silent(&mut network, 1, &Message::new(WEB, DISCOVER), Refusal::Off);
    assert!(served(&network).is_empty());
}

#[test]
fn a_client_behind_another_switch_comes_by_the_link_there() {
    let mut spec = spec();
    spec.clients[0].port = None;
    let mut network = Network::new(spec, NOW);
    assert_eq!(ask(&mut network, 7, &Message::new(WEB, DISCOVER)).kind(), 2);
    assert!(handle(&mut network, 2, &Message::new(WEB, DISCOVER).frame()).is_empty(), "port 2 is another's");
}

#[test]
fn every_cut_and_every_lie_about_lengths_is_refused() {
    let mut network = network();
    let whole = Message::new(WEB, DISCOVER).option(61, &[1; 40]).bytes();
    let ends = |data: &[u8]| {
        udp((WEB, Mac::BROADCAST), (Ipv4Addr::UNSPECIFIED.into(), 68), (Ipv4Addr::BROADCAST.into(), 67), data)
    };
    // Without the end option it is still whole.
    for len in 0..whole.len() - 1 {
        let is_whole = len == 243;
        assert_eq!(handle(&mut network, 1, &ends(&whole[..len])).len(), usize::from(is_whole), "{len}");
    }
    // Options in the fields for boot files, and none that runs over.
    let mut overloaded = Message::new(WEB, DISCOVER);
    overloaded.options = vec![52, 1, 3];
    let mut bytes = overloaded.bytes();
    bytes[108..111].copy_from_slice(&[53, 1, 1]);
    bytes[111] = 255;
    bytes[44] = 255;
    assert_eq!(handle(&mut network, 1, &ends(&bytes)).len(), 1);
    bytes[44..46].copy_from_slice(&[12, 63]);
    assert!(handle(&mut network, 1, &ends(&bytes)).is_empty());
}

#[test]
fn a_message_is_no_longer_than_the_client_takes() {
    let mut spec = spec();
    let hop = |n: u8| netloom_services::Hop { to: [192, 0, n, 0].into(), len: 24, via: [10, 0, 0, 9].into() };
    spec.clients[0].routes = (0..100).map(hop).collect();
    let mut network = Network::new(spec, NOW);
    let small = answer(&mut network, 1, &Message::new(WEB, DISCOVER).frame());
    assert!(small.len() <= 14 + 576, "{}", small.len());
    assert!(!Reply::read(&small).options.contains_key(&121), "it does not fit");
    let large = ask(&mut network, 1, &Message::new(WEB, DISCOVER).option(57, &1_500u16.to_be_bytes()));
    assert_eq!(large.options[&121].len(), 100 * 8 + 5, "in pieces, and the default route with them");
}

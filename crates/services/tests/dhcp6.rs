//! Clients of DHCPv6.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

mod support;

use std::net::Ipv6Addr;

use netloom_packet::Mac;
use netloom_services::{Network, Refusal, Served, Standing, link_local};
use support::*;

const SOLICIT: u8 = 1;
const REQUEST: u8 = 3;
const CONFIRM: u8 = 4;
const REBIND: u8 = 6;
const RELEASE: u8 = 8;
const INFORMATION: u8 = 11;

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap();
    [&code.to_be_bytes()[..], &len.to_be_bytes(), value].concat()
}

fn server_id() -> Vec<u8> {
    option(2, &[&[0, 3, 0, 1], &SERVICE.0[..]].concat())
}

/// An association with the addresses the client has.
fn association(addresses: &[Ipv6Addr]) -> Vec<u8> {
    let each = addresses.iter().flat_map(|address| option(5, &[&address.octets()[..], &[0; 8]].concat()));
    option(3, &[[0, 0, 0, 7].as_slice(), &[0; 8], &each.collect::<Vec<u8>>()].concat())
}

fn frame(mac: Mac, kind: u8, options: &[Vec<u8>]) -> Vec<u8> {
    let data = [&[kind, 1, 2, 3][..], &option(1, &[0, 3, 0, 1, 9]), &options.concat()].concat();
    let to = (v6("ff02::1:2").into(), 547);
    udp((mac, Mac([0x33, 0x33, 0, 1, 0, 2])), (link_local(mac).into(), 546), to, &data)
}

/// The kind of a message, and its options.
fn read(frame: &[u8]) -> (u8, Vec<(u16, Vec<u8>)>) {
    let (mac, from, to, data) = opened(frame);
    assert_eq!((mac, from), (WEB, (link_local(SERVICE).into(), 547)));
    assert_eq!((to, &data[1..4]), ((link_local(WEB).into(), 546), &[1, 2, 3][..]));
    (data[0], options(&data[4..]))
}

fn options(mut rest: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut out = Vec::new();
    while !rest.is_empty() {
        let [a, b, c, d, ..] = rest else { panic!() };
        let len = usize::from(u16::from_be_bytes([*c, *d]));
        out.push((u16::from_be_bytes([*a, *b]), rest[4..4 + len].to_vec()));
        rest = &rest[4 + len..];
    }
    out
}

fn value(all: &[(u16, Vec<u8>)], code: u16) -> Option<&[u8]> {
    all.iter().find(|(known, _)| *known == code).map(|(_, value)| value.as_slice())
}

/// The addresses of the first association, with their valid lifetimes.
fn given(all: &[(u16, Vec<u8>)]) -> Vec<(Ipv6Addr, u32)> {
    let inner = options(&value(all, 3).unwrap()[12..]);
    let each = inner.iter().filter(|(code, _)| *code == 5).map(|(_, value)| {
        let address = <[u8; 16]>::try_from(&value[..16]).unwrap();
        (address.into(), u32::from_be_bytes(value[20..24].try_into().unwrap()))
    });
    each.collect()
}

fn ask(network: &mut Network, kind: u8, options: &[Vec<u8>]) -> (u8, Vec<(u16, Vec<u8>)>) {
    read(&answer(network, 1, &frame(WEB, kind, options)))
}

#[test]
fn a_client_gets_exactly_the_address_of_its_interface() {
    let mut network = network();
    let own = v6("fd00::1");
    let (kind, advert) = ask(&mut network, SOLICIT, &[association(&[])]);
    assert_eq!((kind, given(&advert)), (2, vec![(own, 3_600)]));
    assert_eq!(network.leases(NOW).next().unwrap().standing, Standing::Offered);
    let (kind, reply) = ask(&mut network, REQUEST, &[server_id(), association(&[own])]);
    assert_eq!((kind, given(&reply)), (7, vec![(own, 3_600)]));
    assert_eq!(value(&reply, 1), Some(&[0, 3, 0, 1, 9][..]));
    assert_eq!(value(&reply, 23), Some(&v6("fd00::fd").octets()[..]));
    assert_eq!(value(&reply, 24), Some(&b"\x03red\x04shop\0"[..]));
    assert_eq!(network.leases(NOW).next().unwrap().standing, Standing::Bound);
    // What it has besides is not its own any more.
    let (_, reply) = ask(&mut network, REBIND, &[association(&[v6("fd00::77"), own])]);
    assert_eq!(given(&reply), [(own, 3_600), (v6("fd00::77"), 0)]);
    let (kind, reply) = ask(&mut network, SOLICIT, &[association(&[]), option(14, &[])]);
    assert_eq!((kind, value(&reply, 14)), (7, Some(&[][..])), "at once, as it wishes");
    assert_eq!(served(&network), [(Served::Dhcp6, 4)]);
}

#[test]
fn prefixes_and_second_addresses_are_not_to_be_had() {
    let mut network = network();
    let prefix = option(25, &[0; 12]);
    let (_, advert) = ask(&mut network, SOLICIT, &[prefix, association(&[]), association(&[])]);
    assert_eq!(value(&options(&value(&advert, 25).unwrap()[12..]), 13), Some(&[0, 6][..]));
    let all: Vec<_> = advert.iter().filter(|(code, _)| *code == 3).collect();
    assert_eq!(value(&options(&all[1].1[12..]), 13), Some(&[0, 2][..]));
}

#[test]
fn clients_confirm_give_back_and_ask_for_settings_alone() {
    let mut network = network();
    let (_, reply) = ask(&mut network, CONFIRM, &[association(&[v6("fd00::1")])]);
    assert_eq!(value(&reply, 13), Some(&[0, 0][..]));
    let (_, reply) = ask(&mut network, CONFIRM, &[association(&[v6("fd01::1")])]);
    assert_eq!(value(&reply, 13), Some(&[0, 4][..]), "not on this link");
    let (_, reply) = ask(&mut network, RELEASE, &[server_id(), association(&[v6("fd00::1")])]);
    assert_eq!(value(&reply, 13), Some(&[0, 0][..]));
    assert_eq!(network.leases(NOW).next().unwrap().standing, Standing::Released);
    let (kind, reply) = ask(&mut network, INFORMATION, &[]);
    assert_eq!((kind, value(&reply, 3).is_none(), value(&reply, 23).is_some()), (7, true, true));
}

#[test]
fn what_a_message_must_not_be_is_refused() {
    let mut network = network();
    let silent = |network: &mut Network, port, frame: &[u8], why| {
        let before = refused(network).iter().find(|(known, _)| *known == why).map_or(0, |(_, n)| *n);
        assert!(handle(network, port, frame).is_empty(), "{why:?}");
        assert!(refused(network).contains(&(why, before + 1)), "{why:?}: {:?}", refused(network));
    };
    silent(&mut network, 1, &frame(WEB, REQUEST, &[association(&[])]), Refusal::Malformed);
    silent(&mut network, 1, &frame(WEB, REQUEST, &[option(2, &[9])]), Refusal::OtherServer);
    silent(&mut network, 1, &frame(WEB, SOLICIT, &[server_id()]), Refusal::OtherServer);
    silent(&mut network, 1, &frame(WEB, 12, &[]), Refusal::Relayed);
    silent(&mut network, 1, &frame(WEB, 7, &[]), Refusal::NotServed);
    silent(&mut network, 2, &frame(WEB, SOLICIT, &[]), Refusal::WrongPort);
    silent(&mut network, 1, &frame(Mac([2, 9, 9, 9, 9, 9]), SOLICIT, &[]), Refusal::UnknownClient);
    silent(&mut network, 1, &frame(WEB, CONFIRM, &[]), Refusal::Malformed);
    silent(&mut network, 1, &frame(WEB, SOLICIT, &vec![association(&[]); 5]), Refusal::Malformed);
    silent(&mut network, 1, &frame(WEB, SOLICIT, &[association(&[v6("fd00::1"); 9])]), Refusal::Malformed);
    silent(&mut network, 1, &frame(WEB, SOLICIT, &[vec![0, 3, 0, 99]]), Refusal::Malformed);
}

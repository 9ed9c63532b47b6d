//! Options of tunnels.
//!
//! Source: ovs-vswitchd.conf.db(5), "Tunnel Options".

use std::net::IpAddr;

use netloom_lab::tunnel::TunnelType;
use netloom_netdev::{InKey, OutKey, TunnelKind, TunnelSettings};
use netloom_ovsdb::replica::RowView;
use netloom_packet::tunnel::inherit::Source;
use netloom_packet::tunnel::vxlan::Extension;
use netloom_packet::tunnel::{geneve, vxlan};

/// What the underlay takes; only the MTU of what is inside follows from it.
const UNDERLAY_MTU: u16 = 1_500;

/// A tunnel of the type `kind`; `None`: there is no such type. An error is a sentence.
pub(super) fn read(kind: &str, row: RowView<'_>) -> Option<Result<TunnelSettings, String>> {
    let option = |name: &str| row.value_of("options", name);
    let (tunnel, port) = match kind {
        "vxlan" => {
            let exts = option("exts").unwrap_or_default();
            let has = |wanted: &str| exts.split(',').any(|ext| ext == wanted);
            let extension = match (has("gbp"), has("gpe")) {
                (true, _) => Extension::Gbp,
                (_, true) => Extension::Gpe,
                _ => Extension::None,
            };
            (TunnelKind::Vxlan(extension), vxlan::PORT)
        }
        "geneve" => (TunnelKind::Geneve, geneve::PORT),
        "gre" => (TunnelKind::Gre { sequence: option("seq") == Some("true") }, 0),
        "erspan" => {
            let small = |name: &str| option(name).and_then(number).and_then(|n| u8::try_from(n).ok());
            let kind = TunnelKind::Erspan {
                version: small("erspan_ver").unwrap_or(1),
                index: option("erspan_idx").and_then(number).and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
                direction: small("erspan_dir").unwrap_or(0),
                hardware: small("erspan_hwid").unwrap_or(0),
            };
            (kind, 0)
        }
        "stt" => (TunnelKind::Stt, TunnelType::Stt.port()),
        _ => return None,
    };
    Some(settings(kind, tunnel, port, &option))
}

fn settings<'a>(
    kind: &str,
    tunnel: TunnelKind,
    port: u16,
    option: &dyn Fn(&str) -> Option<&'a str>,
) -> Result<TunnelSettings, String> {
    let wrong = |name: &str| format!("{kind} type requires valid '{name}' argument");
    let address = |name: &str| match option(name) {
        None => Ok((None, false)),
        Some("flow") => Ok((None, true)),
        Some(text) => text.parse::<IpAddr>().map(|ip| (Some(ip), false)).map_err(|_| wrong(name)),
    };
    let (remote, remote_flow) = address("remote_ip")?;
    let (local, local_flow) = address("local_ip")?;
    if remote.is_none() && !remote_flow {
        return Err(wrong("remote_ip"));
    }
    let v6 = remote.or(local).is_some_and(|ip| ip.is_ipv6());
    if remote.is_some_and(|ip| ip.is_ipv6() != v6) || local.is_some_and(|ip| ip.is_ipv6() != v6) {
        return Err("mixing IPv4 and IPv6 addresses".to_owned());
    }
    let is_true = |name: &str, default: bool| option(name).map_or(default, |text| text == "true");
    let dst_port = match option("dst_port") {
        None => port,
        Some(text) => text.parse().map_err(|_| wrong("dst_port"))?,
    };
    let source = |name: &str, default: u8| match option(name) {
        None => Ok(Source::Fixed(default)),
        Some("inherit") => Ok(Source::Inherit(default)),
        Some(text) => {
            let value = number(text).and_then(|n| u8::try_from(n).ok());
            value.map(Source::Fixed).ok_or_else(|| wrong(name))
        }
    };
    let key = |name: &str| option(name).or_else(|| option("key"));
    let in_key = match key("in_key") {
        None => InKey::Exactly(0),
        Some("flow") => InKey::Any,
        Some(text) => InKey::Exactly(number(text).ok_or_else(|| wrong("in_key"))?),
    };
    let out_key = match key("out_key") {
        None => OutKey::None,
        Some("flow") => OutKey::Flow,
        Some(text) => OutKey::Fixed(number(text).ok_or_else(|| wrong("out_key"))?),
    };
    Ok(TunnelSettings {
        kind: tunnel,
        remote,
        local,
        local_flow,
        v6,
        in_key,
        out_key,
        tos: source("tos", 0)?,
        ttl: source("ttl", 64)?,
        df: is_true("df_default", true),
        // UDP over IPv6 has one in any case.
        csum: is_true("csum", v6),
        dst_port,
        underlay_mtu: UNDERLAY_MTU,
        clamp: false,
    })
}

/// Decimal, or with `0x`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

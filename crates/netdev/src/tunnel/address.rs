//! Where a frame goes: what the tunnel's configuration says, and where it leaves that to flows, what they say.

use std::net::IpAddr;

use netloom_flow::{DropReason, TunnelKey};
use netloom_packet::Headers;
use netloom_packet::tunnel::inherit;

use super::settings::{OutKey, TunnelSettings};

/// The outer header of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) to: IpAddr,
    /// `None`: the kernel chooses.
    pub(super) from: Option<IpAddr>,
    pub(super) tos: u8,
    pub(super) ttl: u8,
    /// `None`: without, where that can be.
    pub(super) key: Option<u64>,
}

impl Destination {
    /// The destination of a frame of which flows said `said`.
    ///
    /// # Errors
    /// [`DropReason::TunnelNoRemote`]
    pub(super) fn of(
        settings: &TunnelSettings,
        frame: &[u8],
        headers: &Headers,
        said: &TunnelKey,
    ) -> Result<Self, DropReason> {
        let to = settings.remote.or_else(|| said.dst()).filter(|to| to.is_ipv6() == settings.v6);
        let to = to.ok_or(DropReason::TunnelNoRemote)?;
        let from: Option<IpAddr> = if settings.local_flow { said.src() } else { settings.local };
        let inner = inherit::inner(frame, headers);
        let key = match settings.out_key {
            OutKey::Flow => Some(said.id()),
            OutKey::Fixed(key) => Some(key),
            OutKey::None => None,
        };
        let tos = inherit::outer_tos(settings.tos, inner.map(|(tos, _)| tos));
        let ttl = inherit::outer_ttl(settings.ttl, inner.map(|(_, ttl)| ttl));
        Ok(Self { to, from, tos, ttl, key })
    }
}

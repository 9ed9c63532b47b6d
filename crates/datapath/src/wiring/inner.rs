//! Tunnels whose two ends are switches of the lab: frames arrive as they were sent, if they would have fitted in.

use netloom_flow::{DropReason, PortId, RecircId};
use netloom_packet::too_big::{self, MAX_FRAME, Router};
use netloom_packet::{Gso, Headers, Offload, Wire, ethernet, mss};

use crate::frame::{Frame, HEADROOM};
use crate::wiring::Wiring;

impl Wiring {
    /// A frame has crossed a link between switches, from `near` to `port`. What a tunnel said of it ends here, unless the
    /// link is a tunnel itself; then `None` if the frame would not have fitted in.
    #[inline]
    pub(crate) fn enter_inner(
        &mut self,
        port: PortId,
        near: PortId,
        frame: &mut Frame<'_>,
        headers: &Headers,
        wire: Wire,
    ) -> Option<()> {
        let Some(inner) = self.station(port).and_then(|station| station.inner) else {
            frame.meta.tunnel = None;
            return Some(());
        };
        let Some(mtu) = inner.mtu else { return Some(()) };
        frame.fill();
        if inner.clamp {
            let csum = frame.offload.csum;
            let _ = mss::clamp(frame.data_mut(), headers, csum, mss::of_mtu(mtu, headers.is_ipv6()));
        }
        let longest = match frame.offload.gso {
            Gso::None => frame.len(),
            _ => {
                let segment = usize::from(frame.offload.gso_size).min(headers.payload_len());
                usize::from(headers.payload) + segment
            }
        };
        if longest <= usize::from(mtu) + ethernet::HEADER {
            return Some(());
        }
        self.drop(port, DropReason::TunnelTooLong, wire.packets);
        self.answer_too_long(near, frame, headers, mtu);
        None
    }

    /// Tells the sender what fits, as if the answer came out of the tunnel.
    #[cold]
    fn answer_too_long(&mut self, near: PortId, frame: &Frame<'_>, headers: &Headers, mtu: u16) {
        let Some(router) = Router::receiver(frame.data(), headers) else { return };
        let tags = u16::from(headers.vlans) * 4;
        let mut buffer = [0; HEADROOM + MAX_FRAME];
        let Some(out) = buffer.get_mut(HEADROOM..) else { return };
        let Ok(length) = too_big::emit(frame.data(), headers, &router, mtu.saturating_sub(tags), out) else {
            return;
        };
        let range = HEADROOM..HEADROOM + length;
        if let Some(answer) = Frame::new(&mut buffer, range, Offload::PLAIN) {
            let answer = answer.with_meta(frame.meta);
            let wire = Wire { packets: 1, bytes: length as u64 };
            self.queue_copy(near, RecircId(0), None, &answer, wire);
        }
    }
}

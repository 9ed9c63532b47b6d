//! What the senders of packets that do not fit through a tunnel are told.
//!
//! A switch has no address of its own, so the answer looks as if the packet's receiver gave it: its addresses are known
//! on the tunnel's side of the switch anyway.

use netloom_datapath::Frame;
use netloom_packet::too_big::{self, MAX_FRAME, Router};
use netloom_packet::{Headers, Offload};

use super::settings::TunnelSettings;

/// Answers that wait; more than a sender needs in a round.
const MOST: usize = 16;
/// Room in front, for headers to grow.
const FRONT: usize = 128;

/// Answers on their way back.
#[derive(Debug, Default)]
pub(super) struct Answers(Vec<Vec<u8>>);

impl Answers {
    /// Answers to a frame that is too long; `false` if there is nothing to say, or no room.
    pub(super) fn add(&mut self, frame: &[u8], headers: &Headers, settings: &TunnelSettings) -> bool {
        let Some(router) = Router::receiver(frame, headers).filter(|_| self.0.len() < MOST) else {
            return false;
        };
        let mtu = settings.inner_mtu_with_tags(headers.vlans.into());
        let mut buffer = vec![0; FRONT + MAX_FRAME];
        let Some(out) = buffer.get_mut(FRONT..) else { return false };
        let Ok(length) = too_big::emit(frame, headers, &router, mtu, out) else { return false };
        buffer.truncate(FRONT + length);
        self.0.push(buffer);
        true
    }

    /// Hands all on, as if received.
    pub(super) fn hand_on(&mut self, sink: &mut dyn FnMut(&mut Frame<'_>)) -> u32 {
        let mut count = 0;
        for mut buffer in self.0.drain(..) {
            let range = FRONT..buffer.len();
            if let Some(mut frame) = Frame::new(&mut buffer, range, Offload::PLAIN) {
                sink(&mut frame);
                count += 1;
            }
        }
        count
    }
}

//! A gateway without a device, for tests of other crates: frames in, frames out.

use std::sync::Arc;

use netloom_packet::Offload;

use super::engine::{Engine, Verdict};
use super::settings::GatewaySettings;
use super::share::GatewayShare;
use super::words::{Ask, Tell};

/// A gateway's engine.
#[derive(Debug)]
pub struct BareGateway(Engine);

impl BareGateway {
    /// One that has begun just now.
    #[must_use]
    pub fn new(settings: GatewaySettings, share: Arc<GatewayShare>) -> Self {
        Self(Engine::new(settings, Arc::default(), share))
    }

    /// A frame from the network; whether it goes to the gateway's kernel, with what was changed.
    pub fn outward(&mut self, frame: &mut [u8], outside: &mut dyn FnMut(Ask) -> bool) -> bool {
        self.0.outward(frame, &Offload::PLAIN, outside) == Verdict::Pass
    }

    /// A frame from the gateway's kernel; whether it goes to the network.
    pub fn homeward(&mut self, frame: &mut [u8]) -> bool {
        self.0.homeward(frame, &Offload::PLAIN) == Verdict::Pass
    }

    /// Something became of a flow; the frame that is let in after all.
    pub fn told(&mut self, tell: Tell) -> Option<Vec<u8>> {
        self.0.told(tell).map(|(frame, _)| frame)
    }

    /// How the gateway is set up from now on.
    pub fn set_up(&mut self, settings: GatewaySettings) {
        self.0.set_up(settings);
    }

    /// How many flows there are.
    #[must_use]
    pub fn flows(&self) -> usize {
        self.0.len()
    }
}

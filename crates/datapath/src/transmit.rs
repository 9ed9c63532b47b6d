//! Finishing what a device cannot: checksums and segmentation, at the very end of a frame's way.

use std::num::NonZeroU32;

use netloom_flow::DropReason;
use netloom_packet::{Csum, Gso, Wire, checksum, parse, segment};

use crate::frame::{Frame, HEADROOM};
use crate::port::{OffloadCaps, Port, Refused};

/// Bytes of the buffer a segment is put together in: headroom, headers and the largest segment there is.
pub(crate) const SCRATCH: usize = HEADROOM + (1 << 17);

/// What became of a frame at a device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    /// Taken by the device.
    pub(crate) taken: Wire,
    /// Not taken, and why (the last reason).
    pub(crate) dropped: Option<(DropReason, u32)>,
}

impl Sent {
    const NOTHING: Self = Self { taken: Wire { packets: 0, bytes: 0 }, dropped: None };

    #[inline]
    pub(crate) fn one(result: Result<(), Refused>, wire: Wire) -> Self {
        match result {
            Ok(()) => Self { taken: wire, dropped: None },
            Err(refused) => Self { dropped: Some((refused.into(), wire.packets)), ..Self::NOTHING },
        }
    }

    fn add(&mut self, result: Result<(), Refused>, bytes: usize) {
        match result {
            Ok(()) => {
                self.taken.packets += 1;
                self.taken.bytes += bytes as u64;
            }
            Err(refused) => {
                let before = self.dropped.map_or(0, |(_, packets)| packets);
                self.dropped = Some((refused.into(), before + 1));
            }
        }
    }
}

/// Hands a frame to a device that takes only what `caps` says, finished as far as needed.
pub(crate) fn finished(
    driver: &mut dyn Port,
    caps: OffloadCaps,
    frame: &mut Frame<'_>,
    scratch: &mut [u8],
) -> Sent {
    let mut sent = Sent::NOTHING;
    if caps.takes_gso(frame.offload.gso) || frame.offload.gso == Gso::None {
        let len = frame.len();
        sent.add(one(driver, caps, frame), len);
        return sent;
    }
    frame.fill();
    let headers = parse(frame.data()).unwrap_or_default();
    let Ok(mut cutter) = segment::cut(frame.data(), &headers, &frame.offload, NonZeroU32::MIN) else {
        return Sent { dropped: Some((DropReason::Malformed, 1)), ..sent };
    };
    while let Some(Ok(Some(unit))) = scratch.get_mut(HEADROOM..).map(|out| cutter.next_into(out)) {
        let Some(mut part) = Frame::new(scratch, HEADROOM..HEADROOM + unit.len, unit.offload) else { break };
        sent.add(one(driver, caps, &mut part), unit.len);
    }
    sent
}

/// Hands over one frame that needs no cutting.
fn one(driver: &mut dyn Port, caps: OffloadCaps, frame: &mut Frame<'_>) -> Result<(), Refused> {
    if !caps.csum && matches!(frame.offload.csum, Csum::Partial { .. }) {
        frame.fill();
        let mut offload = frame.offload;
        // A field outside the frame cannot be completed: nobody downstream could, either.
        let _ = checksum::complete(frame.data_mut(), &mut offload);
        frame.offload = offload;
    }
    hand_over(driver, frame)
}

/// Gives a frame to a driver, filled if that wants it whole.
#[inline]
pub(crate) fn hand_over(driver: &mut dyn Port, frame: &mut Frame<'_>) -> Result<(), Refused> {
    if frame.has_body() && !driver.takes_bodies() {
        frame.fill();
    }
    driver.transmit(frame)
}

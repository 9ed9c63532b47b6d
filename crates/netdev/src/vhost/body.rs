//! Frames as a guest sends them: the front is copied out, judged and rewritten; a long body stays in the guest's memory
//! until it is known where it goes.

use std::sync::atomic::AtomicU8;

use netloom_datapath::{Body, FRONT as HEAD, Frame};
use netloom_packet::{Offload, VNET_HDR};
use netloom_sys::packet_socket::FRONT;
use netloom_sys::shared_memory::copy_out;
use netloom_vhost::ring::{Chain, Pieces};
use netloom_vhost::{GuestMemory, Unmapped};

use super::status::Copied;

/// What of a receive buffer is filled when a frame is taken: header and front.
pub(super) const TAKEN: std::ops::Range<usize> = FRONT - VNET_HDR..FRONT + HEAD;

/// The rest of a frame.
pub(super) struct GuestBody<'m> {
    pieces: Pieces<'m>,
    copied: &'m Copied,
}

impl Body for GuestBody<'_> {
    fn read(&self, skip: usize, to: &mut [u8]) {
        let (mut skip, mut to) = (skip, to);
        for piece in self.pieces.all() {
            let from = piece.get(skip.min(piece.len())..).unwrap_or_default();
            skip -= skip.min(piece.len());
            let done = copy_out(from, to);
            self.copied.count_out(done);
            to = to.get_mut(done..).unwrap_or_default();
        }
    }

    fn pieces(&self) -> &[&[AtomicU8]] {
        self.pieces.all()
    }
}

/// The body of the frame in `chain`, of which `length` bytes are there, header included; `None` for a short one. One in too
/// many pieces is copied to `buffer`, whole.
pub(super) fn body_of<'m, M: GuestMemory>(
    memory: &'m M,
    chain: &Chain,
    length: usize,
    buffer: &mut [u8],
    copied: &'m Copied,
) -> Result<Option<GuestBody<'m>>, Unmapped> {
    copied.count_out(length.min(TAKEN.len()) - VNET_HDR);
    if length <= TAKEN.len() {
        return Ok(None);
    }
    if let Some(pieces) = chain.pieces(memory, TAKEN.len())? {
        return Ok(Some(GuestBody { pieces, copied }));
    }
    let whole = buffer.get_mut(TAKEN.start..TAKEN.start + length).unwrap_or_default();
    chain.read(memory, whole)?;
    copied.count_out(length - TAKEN.len());
    Ok(None)
}

/// The frame in `buffer`, of which `length` bytes were taken, header included; none if it makes no sense.
pub(super) fn lend<'a>(
    buffer: &'a mut [u8],
    length: usize,
    body: Option<&'a GuestBody<'_>>,
) -> Option<Frame<'a>> {
    let Some(body) = body else { return crate::scratch::lend(buffer, length) };
    let header = buffer.get(TAKEN.start..)?.first_chunk()?;
    let offload = Offload::parse(header).ok()?;
    let rest = length.checked_sub(TAKEN.len())?;
    Frame::with_body(buffer, FRONT..TAKEN.end, body, rest, offload)
}

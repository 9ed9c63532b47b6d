//! Stateless transport tunneling: a frame with its header is cut into pieces that look like TCP segments.
//!
//! ```text
//! segment 0  | IP | TCP-like: length, offset 0, id  | STT header | inner frame, first part |
//! segment 1  | IP | TCP-like: length, offset n, id  | inner frame, next part               |
//!
//! TCP-like   sequence number = length of the STT frame << 16 | offset of this piece
//!            acknowledgment number = id of the STT frame; ACK and PSH set; no connection, no retransmission
//! ```
//!
//! Network cards cut and sum it because they take it for TCP, and that is its point: one header, one lookup and one
//! checksum per 64 KB. To us it means that an encapsulated super-packet is an ordinary [`Gso::Tcp4`](crate::Gso) one.
//!
//! Source: draft-davie-stt-08 §3; facts on senders from OVS's removed kernel module (`compat/stt.c`).

mod header;
mod reassembly;
mod segment;
mod wait;

pub use header::{HEADER, Opened, Stt, open};
pub use reassembly::{Arrived, Limits, Lost, Peer, Reassembly, Refused, Whole};
pub use segment::{PORT, PieceHeader, Segment};

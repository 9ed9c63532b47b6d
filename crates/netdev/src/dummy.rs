//! The dummy driver: a device without a machine behind it, for tests that decide by themselves what comes in and when.
//!
//! ```text
//! DummyControl::receive ──► queue ──► DummyPort::receive        DummyPort::transmit ──► count, pcap
//!            └── rings an eventfd ──► worker
//! ```
//! Frames that pass may be written to files in the format of pcap(5), stamped with the datapath's own clock: so two runs of
//! a test with a stopped clock write the same bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_datapath::{Budget, Frame, HEADROOM, OffloadCaps, Port, Received, Refused};
use netloom_packet::Offload;
use netloom_sys::clock;
use netloom_sys::eventfd::EventFd;
use netloom_sys::{Errno, HostError};

/// Most frames that wait to be received.
const QUEUE: usize = 4_096;
/// The longest frame, in bytes.
const LONGEST: usize = 65_535;

/// Files that frames are written to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DummyFiles {
    /// What is sent to the device.
    pub sent: Option<PathBuf>,
    /// What comes in by it.
    pub received: Option<PathBuf>,
    /// Both.
    pub both: Option<PathBuf>,
}

/// A device in the datapath.
#[derive(Debug)]
pub struct DummyPort(Arc<Shared>);

/// The other side of a device.
#[derive(Debug, Clone)]
pub struct DummyControl(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bell: EventFd,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    sent: Option<Pcap>,
    received: Option<Pcap>,
    both: Option<Pcap>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DummyPort {
    /// A device, and the way to it.
    ///
    /// # Errors
    /// A file cannot be made; no descriptor is left.
    pub fn new(files: &DummyFiles) -> Result<(Self, DummyControl), HostError> {
        let open = |path: &Option<PathBuf>| {
            let made = path.as_deref().map(Pcap::create).transpose();
            made.map_err(|error| {
                HostError::from_io(
                    "make",
                    format!("{}", path.as_deref().unwrap_or(Path::new("")).display()),
                    &error,
                )
            })
        };
        let state = State {
            waiting: VecDeque::new(),
            sent: open(&files.sent)?,
            received: open(&files.received)?,
            both: open(&files.both)?,
        };
        let shared = Arc::new(Shared { bell: EventFd::new()?, state: Mutex::new(state) });
        Ok((Self(Arc::clone(&shared)), DummyControl(shared)))
    }
}

impl DummyControl {
    /// Has a frame come in. `false`: too many wait, or it is longer than any.
    #[must_use]
    pub fn receive(&self, frame: Vec<u8>) -> bool {
        let mut state = self.0.state();
        if state.waiting.len() >= QUEUE || frame.len() > LONGEST {
            return false;
        }
        state.waiting.push_back(frame);
        drop(state);
        self.0.bell.signal();
        true
    }

    /// Whether all that came has been read.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.0.state().waiting.is_empty()
    }

    /// Whether the datapath still has the device.
    #[must_use]
    pub fn is_there(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl AsFd for DummyPort {
    /// Ready when frames wait.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.bell.as_fd()
    }
}

impl Port for DummyPort {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        self.0.bell.clear();
        let mut received = Received::default();
        let mut bytes = 0_usize;
        while received.packets < budget.packets && bytes < budget.bytes as usize {
            let mut state = self.0.state();
            let Some(frame) = state.waiting.pop_front() else { return received };
            let State { received: file, both, .. } = &mut *state;
            write([file, both], &frame);
            drop(state);
            bytes += frame.len();
            let mut buffer = vec![0; HEADROOM + frame.len()];
            buffer[HEADROOM..].copy_from_slice(&frame);
            let end = buffer.len();
            match Frame::new(&mut buffer, HEADROOM..end, Offload::default()) {
                Some(mut frame) => {
                    sink(&mut frame);
                    received.packets += 1;
                }
                None => received.malformed += 1,
            }
        }
        if !self.0.state().waiting.is_empty() {
            self.0.bell.signal();
            received.more = true;
        }
        received
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let mut state = self.0.state();
        let State { sent, both, .. } = &mut *state;
        write([sent, both], frame.data());
        Ok(())
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::default()
    }
}

/// A file that can no longer be written is let go: a test that wanted it will see that.
fn write<const N: usize>(files: [&mut Option<Pcap>; N], frame: &[u8]) {
    for file in files {
        if file.as_mut().is_some_and(|file| file.write(frame).is_err()) {
            *file = None;
        }
    }
}

/// A file in the format of pcap(5): little-endian, microseconds, Ethernet.
#[derive(Debug)]
struct Pcap(File);

impl Pcap {
    fn create(path: &Path) -> io::Result<Self> {
        let mut file = File::create(path)?;
        // Magic number, version 2.4, time zone, accuracy, longest packet, link type Ethernet.
        let words = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x0004_0000, 1];
        file.write_all(&words.map(u32::to_le_bytes).concat())?;
        Ok(Self(file))
    }

    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let now = clock::now() / 1_000;
        let length = u32::try_from(frame.len()).map_err(|_| Errno::MSGSIZE)?;
        let seconds = u32::try_from(now / 1_000_000).unwrap_or(u32::MAX);
        let micros = u32::try_from(now % 1_000_000).unwrap_or(0);
        let mut bytes = [seconds, micros, length, length].map(u32::to_le_bytes).concat();
        bytes.extend_from_slice(frame);
        // At once: who reads the file wants to see what has been sent.
        self.0.write_all(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_in_is_read_in_order_and_what_is_sent_is_in_the_file() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("tx.pcap");
        let files = DummyFiles { sent: Some(path.clone()), ..DummyFiles::default() };
        let (mut port, control) = DummyPort::new(&files).unwrap();
        assert!(control.receive(vec![1; 60]) && control.receive(vec![2; 61]));
        assert!(!control.is_idle());
        let mut seen = Vec::new();
        let budget = Budget { packets: 1, ..Budget::default() };
        let first = port.receive(budget, &mut |frame| seen.push(frame.data().to_vec()));
        assert!(first.more && first.packets == 1);
        let second = port.receive(Budget::default(), &mut |frame| seen.push(frame.data().to_vec()));
        assert!(!second.more && second.packets == 1);
        assert_eq!(seen, [vec![1; 60], vec![2; 61]]);
        assert!(control.is_idle());
        let mut buffer = vec![7; HEADROOM + 14];
        let mut frame = Frame::new(&mut buffer, HEADROOM..HEADROOM + 14, Offload::default()).unwrap();
        port.transmit(&mut frame).unwrap();
        let file = std::fs::read(&path).unwrap();
        assert_eq!((file.len(), &file[40..]), (24 + 16 + 14, &[7; 14][..]));
        assert_eq!(file[32..40], [14, 0, 0, 0, 14, 0, 0, 0]);
        drop(port);
        assert!(!control.is_there());
        assert!(!control.receive(vec![0; 70_000]), "longer than any");
        let bad = DummyFiles { both: Some(place.path().join("no/where")), ..DummyFiles::default() };
        assert!(DummyPort::new(&bad).is_err());
    }
}

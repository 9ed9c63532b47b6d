//! TAP devices: an Ethernet interface whose cable ends in a file descriptor.
//!
//! Every frame is preceded by a 12-byte virtio-net header (little-endian), so that super-packets and unfinished checksums
//! pass through untouched: worth a factor of 12 in TCP throughput. One read(2) or write(2) moves one frame.
//!
//! Source: Linux `Documentation/networking/tuntap.rst`, `include/uapi/linux/if_tun.h`.

#![expect(unsafe_code, reason = "the TUN ioctls have no safe wrapper elsewhere")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Because, HostError};

/// Length in bytes of the virtio-net header in front of every frame.
pub const VNET_HEADER: usize = 12;

/// Which unfinished frames the kernel side may hand over, and takes back (`TUN_F_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TapOffloads(u32);

impl TapOffloads {
    /// Checksums may be left to the reader.
    #[must_use]
    pub fn csum(self) -> bool {
        self.0 & TUN_F_CSUM != 0
    }

    /// TCP super-packets over IPv4 and IPv6, ECN included.
    #[must_use]
    pub fn tso(self) -> bool {
        self.0 & (TUN_F_TSO4 | TUN_F_TSO6) == TUN_F_TSO4 | TUN_F_TSO6
    }

    /// UDP super-packets (Linux 6.2).
    #[must_use]
    pub fn uso(self) -> bool {
        self.0 & (TUN_F_USO4 | TUN_F_USO6) == TUN_F_USO4 | TUN_F_USO6
    }

    /// The `TUN_F_*` bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

/// The file end of a TAP device.
#[derive(Debug)]
pub struct Tap {
    fd: OwnedFd,
    index: u32,
    offloads: TapOffloads,
}

impl Tap {
    /// Makes the device `name` in the network namespace of the calling thread, or takes over a persistent one of that
    /// name: virtio-net header, the best offloads the kernel offers, non-blocking, down.
    ///
    /// # Errors
    /// `ENOENT`, `EACCES` when /dev/net/tun is missing or closed to the user, `EPERM` without `CAP_NET_ADMIN`, `EBUSY` when
    /// the device is open elsewhere, `EINVAL` for a name longer than 15 bytes or one that is another kind of device.
    pub fn create(name: &str) -> Result<Self, HostError> {
        let fd = rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())
            .because("open", || DEVICE)?;
        let mut request = ifreq(name).because("create the TAP device", || name)?;
        request.ifr_ifru.ifru_flags = IFF_TAP_VNET;
        // SAFETY: TUNSETIFF reads and writes one ifreq, which `request` is and which outlives the call.
        unsafe { ioctl(&fd, libc::TUNSETIFF, (&raw mut request).cast()) }
            .because("create the TAP device", || name)?;
        // The TAP's own fd does not answer this question.
        let index = index_of(name).because("find the TAP device", || name)?;
        let mut tap = Self { fd, index, offloads: TapOffloads::default() };
        tap.set_int(libc::TUNSETVNETHDRSZ, VNET_HEADER_INT)
            .because("set the header size of the TAP device", || name)?;
        tap.set_int(TUNSETVNETLE, 1).because("set the byte order of the TAP device", || name)?;
        tap.offloads = tap.probe_offloads();
        Ok(tap)
    }

    /// Whether this process may make TAPs at all, as far as opening the device node tells.
    ///
    /// # Errors
    /// The reason why not.
    pub fn available() -> Result<(), HostError> {
        rustix::fs::open(DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .because("open", || DEVICE)
            .map(drop)
    }

    /// The interface index in the namespace the device was made in.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// What the kernel agreed to.
    #[must_use]
    pub fn offloads(&self) -> TapOffloads {
        self.offloads
    }

    /// Makes the device outlive its fd (until its namespace goes), or not.
    ///
    /// Closing a persistent TAP takes 0.1 ms, of another 18 ms: netloom's are persistent from birth.
    ///
    /// # Errors
    /// As ioctl(2); not met in practice.
    pub fn persist(&self, on: bool) -> Result<(), HostError> {
        let value = usize::from(on);
        // SAFETY: TUNSETPERSIST takes its argument by value; nothing is dereferenced.
        unsafe { ioctl(&self.fd, libc::TUNSETPERSIST, value as *mut libc::c_void) }
            .because("make persistent the TAP device with index", || self.index.to_string())
    }

    /// Switches carrier on or off, as if the cable were pulled (Linux 5.0).
    ///
    /// # Errors
    /// `ENOTTY`, `EINVAL` on kernels without it.
    pub fn carrier(&self, on: bool) -> Result<(), HostError> {
        self.set_int(TUNSETCARRIER, libc::c_int::from(on))
            .because("set the carrier of the TAP device with index", || self.index.to_string())
    }

    /// Reads one frame with its header; returns the bytes of both. A frame longer than `buffer` is cut.
    ///
    /// # Errors
    /// `EAGAIN` when there is none, `EBADFD` or `EIO` when the device is gone or down.
    #[inline]
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        rustix::io::read(&self.fd, buffer)
    }

    /// Writes one frame, the 12-byte header in front. The receiving stack runs before this returns.
    ///
    /// # Errors
    /// `EIO` when the interface is down, `EINVAL` for a header that contradicts the frame, `ENOBUFS`, `ENOMEM` when
    /// the kernel has no memory.
    #[inline]
    pub fn write(&self, header_and_frame: &[u8]) -> Result<usize, Errno> {
        rustix::io::write(&self.fd, header_and_frame)
    }

    /// Like [`Tap::write`], for a header that is not directly in front of its frame.
    ///
    /// # Errors
    /// As [`Tap::write`].
    pub fn write_parts(&self, header: &[u8; VNET_HEADER], frame: &[u8]) -> Result<usize, Errno> {
        rustix::io::writev(&self.fd, &[std::io::IoSlice::new(header), std::io::IoSlice::new(frame)])
    }

    /// Another handle on the same queue, say for a second thread that only writes.
    ///
    /// # Errors
    /// When no fd is left.
    pub fn duplicate(&self) -> Result<Self, HostError> {
        let fd = self.fd.try_clone().because("duplicate the TAP with index", || self.index.to_string())?;
        Ok(Self { fd, index: self.index, offloads: self.offloads })
    }

    /// Asks for everything, then for less, until the kernel says yes.
    fn probe_offloads(&self) -> TapOffloads {
        for wanted in OFFLOADS {
            // SAFETY: TUNSETOFFLOAD takes its argument by value; nothing is dereferenced.
            let answer =
                unsafe { ioctl(&self.fd, libc::TUNSETOFFLOAD, wanted as usize as *mut libc::c_void) };
            if answer.is_ok() {
                return TapOffloads(wanted);
            }
        }
        TapOffloads(0)
    }

    fn set_int(&self, request: IoctlRequest, value: libc::c_int) -> Result<(), Errno> {
        let mut value = value;
        // SAFETY: each request given here reads one int, which outlives the call.
        unsafe { ioctl(&self.fd, request, (&raw mut value).cast()) }
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

type IoctlRequest = libc::Ioctl;

/// # Safety
/// `argument` must be what `request` expects.
unsafe fn ioctl(fd: &OwnedFd, request: IoctlRequest, argument: *mut libc::c_void) -> Result<(), Errno> {
    // SAFETY: the fd is open; the caller vouches for the argument.
    match unsafe { libc::ioctl(fd.as_raw_fd(), request, argument) } {
        -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
        _ => Ok(()),
    }
}

/// An ifreq naming `name`, everything else zero.
fn ifreq(name: &str) -> Result<libc::ifreq, Errno> {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() >= libc::IFNAMSIZ || bytes.contains(&0) {
        return Err(Errno::INVAL);
    }
    // SAFETY: ifreq is plain old data; all zeroes is a valid value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    Ok(request)
}

/// The index of the interface `name` in the calling thread's namespace.
fn index_of(name: &str) -> Result<u32, Errno> {
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::UNIX,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::net::netdevice::name_to_index(&socket, name)
}

const DEVICE: &str = "/dev/net/tun";
const VNET_HEADER_INT: libc::c_int = 12;
const IFF_TAP_VNET: libc::c_short = 0x0002 | 0x1000 | 0x4000; // IFF_TAP | IFF_NO_PI | IFF_VNET_HDR
const TUNSETVNETLE: IoctlRequest = 0x4004_54dc;
const TUNSETCARRIER: IoctlRequest = 0x4004_54e2;
const TUN_F_CSUM: u32 = 0x01;
const TUN_F_TSO4: u32 = 0x02;
const TUN_F_TSO6: u32 = 0x04;
const TUN_F_TSO_ECN: u32 = 0x08;
const TUN_F_USO4: u32 = 0x20;
const TUN_F_USO6: u32 = 0x40;
const TSO: u32 = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
const OFFLOADS: [u32; 4] =
    [TSO | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6, TSO | TUN_F_TSO_ECN, TSO, TUN_F_CSUM];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{LinkChange, Netlink, NetlinkSocket, Request};
    use crate::netns::NetNs;
    use crate::testing::can_make_taps;

    #[test]
    fn best_offloads_and_empty_queue() {
        if !can_make_taps() {
            return;
        }
        let ns = NetNs::create().unwrap();
        let tap = ns.run(|| Tap::create("t0")).unwrap().unwrap();
        assert!(tap.offloads().csum() && tap.offloads().tso(), "{:#x}", tap.offloads().bits());
        assert!(tap.index() > 1, "lo has index 1");
        assert_eq!(tap.read(&mut [0; 64]), Err(Errno::AGAIN));
        assert_eq!(tap.write(&[0; VNET_HEADER + 60]), Err(Errno::IO), "down, so the kernel refuses");
    }

    #[test]
    fn an_interface_that_is_down_is_quiet_and_no_failure() {
        if !can_make_taps() {
            return;
        }
        let ns = NetNs::create().unwrap();
        ns.run(|| {
            let tap = Tap::create("t0").unwrap();
            let mut netlink = NetlinkSocket::open().unwrap();
            let mut set = |up| {
                let change = LinkChange { up: Some(up), no_ipv6_autoconf: true, ..LinkChange::default() };
                netlink.batch(&[Request::SetLink { index: tap.index(), change }]).unwrap();
            };
            set(true);
            let frame = [0; VNET_HEADER + 60];
            assert_eq!(tap.write(&frame), Ok(frame.len()));
            set(false);
            assert_eq!(tap.read(&mut [0; 64]), Err(Errno::AGAIN));
            assert_eq!(tap.write(&frame), Err(Errno::IO));
            set(true);
            assert_eq!(tap.write_parts(&[0; VNET_HEADER], &frame[VNET_HEADER..]), Ok(frame.len()));
            tap.carrier(false).unwrap();
            let link = netlink.links().unwrap().into_iter().find(|link| link.name == "t0").unwrap();
            assert!(link.up && !link.carrier, "the cable is pulled");
        })
        .unwrap();
    }

    #[test]
    fn a_persistent_tap_can_be_taken_over() {
        if !can_make_taps() {
            return;
        }
        let ns = NetNs::create().unwrap();
        let first = ns.run(|| Tap::create("t0")).unwrap().unwrap();
        let busy = ns.run(|| Tap::create("t0")).unwrap().unwrap_err();
        assert_eq!(busy.errno, Errno::BUSY);
        first.persist(true).unwrap();
        let index = first.index();
        drop(first);
        let second = ns.run(|| Tap::create("t0")).unwrap().unwrap();
        assert_eq!(second.index(), index);
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        for name in ["", "sixteen-bytes-xx", "nul\0nul"] {
            assert_eq!(ifreq(name).err(), Some(Errno::INVAL), "{name:?}");
        }
        assert!(ifreq("fifteen-bytes-x").is_ok());
    }
}

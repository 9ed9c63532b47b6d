//! A PCI function that a program has whole: the way QEMU hands one to a guest.
//!
//! ```text
//! /dev/vfio/GROUP ──► group: viable? ──► container /dev/vfio/vfio, its IOMMU ──► function: configuration space, registers
//! ```
//! Only what tells whether it works: nothing is written, no memory is shared with the card, no interrupt asked for.
//!
//! Source: linux/vfio.h, Documentation/driver-api/vfio.rst.

#![expect(unsafe_code, reason = "ioctls of VFIO and a mapping of registers")]

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::error::HostError;

/// A function that is open. As long as it is, its driver has it.
#[derive(Debug)]
pub struct Function {
    device: File,
    /// Held, as the kernel wants it: they outlive the function.
    _group: File,
    _container: File,
    address: String,
}

/// A part of a function: a base address register, or its configuration space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Bytes; 0: there is none.
    pub size: u64,
    /// It can be mapped.
    pub mappable: bool,
    offset: u64,
}

/// `struct vfio_group_status`.
#[repr(C)]
#[derive(Default)]
struct GroupStatus {
    argsz: u32,
    flags: u32,
}

/// `struct vfio_region_info`.
#[repr(C)]
#[derive(Default)]
struct RegionInfo {
    argsz: u32,
    flags: u32,
    index: u32,
    cap_offset: u32,
    size: u64,
    offset: u64,
}

impl Function {
    /// Opens the function at `address` (`0000:01:10.0`), which is in the IOMMU group `group` and has the driver vfio-pci.
    ///
    /// # Errors
    /// `EBUSY`: another has the group. `EPERM`: functions of the group have drivers of their own.
    pub fn open(address: &str, group: u32) -> Result<Self, HostError> {
        let container = open("/dev/vfio/vfio")?;
        let path = format!("/dev/vfio/{group}");
        let group = open(&path)?;
        let mut status = GroupStatus { argsz: size_of_u32::<GroupStatus>(), flags: 0 };
        // SAFETY: the kernel writes no more than `argsz` bytes, which is the size of what is pointed to.
        let done = unsafe { libc::ioctl(group.as_raw_fd(), GROUP_GET_STATUS, &raw mut status) };
        check(done, "ask for the state of", &path)?;
        if status.flags & VIABLE == 0 {
            return Err(HostError::new("use all of", path, Errno::PERM));
        }
        let fd = container.as_raw_fd();
        // SAFETY: the kernel reads one descriptor.
        let done = unsafe { libc::ioctl(group.as_raw_fd(), GROUP_SET_CONTAINER, &raw const fd) };
        check(done, "put into a container", &path)?;
        // SAFETY: the argument is a number.
        let done = unsafe { libc::ioctl(fd, SET_IOMMU, TYPE1) };
        check(done, "use the IOMMU for", &path)?;
        let name = CString::new(address).map_err(|_| HostError::new("open", address, Errno::INVAL))?;
        // SAFETY: the kernel reads a text that ends with a zero.
        let device = unsafe { libc::ioctl(group.as_raw_fd(), GROUP_GET_DEVICE_FD, name.as_ptr()) };
        check(device, "open the function", address)?;
        // SAFETY: the kernel just made this descriptor, and nobody else has it.
        let device = File::from(unsafe { OwnedFd::from_raw_fd(device) });
        Ok(Self { device, _group: group, _container: container, address: address.to_owned() })
    }

    /// A part of it: 0 to 5 are its base address registers, [`CONFIG`] its configuration space.
    ///
    /// # Errors
    /// There is no such part.
    pub fn region(&self, index: u32) -> Result<Region, HostError> {
        let mut info = RegionInfo { argsz: size_of_u32::<RegionInfo>(), index, ..RegionInfo::default() };
        // SAFETY: the kernel writes no more than `argsz` bytes, which is the size of what is pointed to.
        let done = unsafe { libc::ioctl(self.device.as_raw_fd(), DEVICE_GET_REGION_INFO, &raw mut info) };
        check(done, "ask for a region of", &self.address)?;
        Ok(Region { size: info.size, mappable: info.flags & MAPPABLE != 0, offset: info.offset })
    }

    /// The bytes of its configuration space.
    ///
    /// # Errors
    /// The kernel does not let it be read.
    pub fn config(&self) -> Result<Vec<u8>, HostError> {
        let region = self.region(CONFIG)?;
        let length = usize::try_from(region.size).unwrap_or(0).min(4096);
        let mut bytes = vec![0; length];
        let failed = |error: &std::io::Error| {
            HostError::from_io("read the configuration of", self.address.clone(), error)
        };
        self.device.read_exact_at(&mut bytes, region.offset).map_err(|error| failed(&error))?;
        Ok(bytes)
    }

    /// Maps a part and reads its first 32 bits, as a driver reads a register.
    ///
    /// # Errors
    /// `ENODEV`: it cannot be mapped; and as mmap(2).
    pub fn first_word(&self, region: &Region) -> Result<u32, HostError> {
        let page = rustix::param::page_size();
        if !region.mappable || region.size < page as u64 {
            return Err(HostError::new("map registers of", self.address.clone(), Errno::NODEV));
        }
        // SAFETY: the kernel chooses the place, so nothing that exists is replaced.
        let base = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                page,
                ProtFlags::READ,
                MapFlags::SHARED,
                &self.device,
                region.offset,
            )
        }
        .map_err(|errno| HostError::new("map registers of", self.address.clone(), errno))?;
        // SAFETY: a page was mapped there, which is aligned and longer than what is read.
        let word = unsafe { base.cast::<u32>().read_volatile() };
        // SAFETY: the mapping was made above, and no reference to it is left.
        let _ = unsafe { rustix::mm::munmap(base, page) };
        Ok(word)
    }
}

fn open(path: &str) -> Result<File, HostError> {
    let opened = File::options().read(true).write(true).open(path);
    opened.map_err(|error| HostError::from_io("open", path, &error))
}

fn check(done: i32, what: &'static str, object: &str) -> Result<(), HostError> {
    if done >= 0 {
        return Ok(());
    }
    Err(HostError::from_io(what, object, &std::io::Error::last_os_error()))
}

fn size_of_u32<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}

/// The index of the configuration space.
pub const CONFIG: u32 = 7;
/// `_IO(';', 100 + n)`.
const SET_IOMMU: libc::Ioctl = 0x3b66;
const GROUP_GET_STATUS: libc::Ioctl = 0x3b67;
const GROUP_SET_CONTAINER: libc::Ioctl = 0x3b68;
const GROUP_GET_DEVICE_FD: libc::Ioctl = 0x3b6a;
const DEVICE_GET_REGION_INFO: libc::Ioctl = 0x3b6c;
const TYPE1: libc::c_ulong = 1;
const VIABLE: u32 = 0x1;
const MAPPABLE: u32 = 0x4;

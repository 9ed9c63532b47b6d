//! Functions as the kernel shows them in /sys, and the two things that are done there: another number of VFs, another
//! driver.
//!
//! The root is a parameter, so that tests have a tree of their own.
//!
//! Source: Documentation/ABI/testing/sysfs-bus-pci of the kernel.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use netloom_sys::{Errno, HostError};

use crate::Address;

/// A tree like /sys.
#[derive(Debug, Clone)]
pub struct Sysfs {
    root: PathBuf,
}

/// A function that can have VFs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhysicalFunction {
    /// Where it is.
    pub address: Address,
    /// Its network devices, in this namespace.
    pub netdevs: Vec<String>,
    /// Vendor and device.
    pub ids: (u16, u16),
    /// Its driver, if it has one.
    pub driver: Option<String>,
    /// Its IOMMU group; none: no IOMMU is in use.
    pub iommu_group: Option<u32>,
    /// The processors' memory it is next to, where the machine has several.
    pub numa_node: Option<u32>,
    /// Its network device is up: else its VFs have no cable.
    pub up: bool,
    /// The most VFs there can be.
    pub total: u16,
    /// Those there are, in order.
    pub vfs: Vec<VirtualFunction>,
}

/// A VF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualFunction {
    /// Its number at its PF.
    pub index: u16,
    /// Where it is.
    pub address: Address,
    /// Its network devices, in this namespace.
    pub netdevs: Vec<String>,
    /// Its driver, if it has one.
    pub driver: Option<String>,
    /// Its IOMMU group.
    pub iommu_group: Option<u32>,
    /// The processors' memory it is next to.
    pub numa_node: Option<u32>,
}

impl PhysicalFunction {
    /// VFs there are.
    #[must_use]
    pub fn enabled(&self) -> u16 {
        u16::try_from(self.vfs.len()).unwrap_or(u16::MAX)
    }

    /// Whether a user means it by `name`: a network device of it, or its address.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.netdevs.iter().any(|device| device == name) || self.address.to_string() == name
    }

    /// What it is called: its network device, else its address.
    #[must_use]
    pub fn name(&self) -> String {
        self.netdevs.first().cloned().unwrap_or_else(|| self.address.to_string())
    }
}

impl Sysfs {
    /// That of this machine.
    #[must_use]
    pub fn of_machine() -> Self {
        Self::at("/sys")
    }

    /// Another tree.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// All PFs, by address. What goes away meanwhile is left out.
    ///
    /// # Errors
    /// The machine shows no PCI bus for another reason than having none.
    pub fn physical_functions(&self) -> Result<Vec<PhysicalFunction>, HostError> {
        let all = self.root.join("bus/pci/devices");
        let entries = match fs::read_dir(&all) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(HostError::from_io("list", all.display().to_string(), &error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut found: Vec<_> = names.filter_map(|name| self.physical_function(name.parse().ok()?)).collect();
        found.sort_by_key(|pf| pf.address);
        Ok(found)
    }

    /// One function, if it can have VFs.
    #[must_use]
    pub fn physical_function(&self, address: Address) -> Option<PhysicalFunction> {
        let total = self.number(address, "sriov_totalvfs")?;
        let vfs = (0..total).map_while(|index| self.virtual_function(address, index)).collect();
        Some(PhysicalFunction {
            address,
            netdevs: self.own_netdevs(address),
            ids: (self.hex(address, "vendor"), self.hex(address, "device")),
            driver: self.driver(address),
            iommu_group: self.iommu_group(address),
            numa_node: self.numa_node(address),
            up: self.is_up(address),
            total,
            vfs,
        })
    }

    /// The PF whose network device, or address, is `name`.
    ///
    /// # Errors
    /// As [`Self::physical_functions`].
    pub fn find(&self, name: &str) -> Result<Option<PhysicalFunction>, HostError> {
        Ok(self.physical_functions()?.into_iter().find(|pf| pf.is_called(name)))
    }

    /// A VF as it is now.
    #[must_use]
    pub fn virtual_function(&self, pf: Address, index: u16) -> Option<VirtualFunction> {
        let link = fs::read_link(self.device(pf).join(format!("virtfn{index}"))).ok()?;
        let address: Address = link.file_name()?.to_str()?.parse().ok()?;
        Some(VirtualFunction {
            index,
            address,
            netdevs: self.netdevs(address),
            driver: self.driver(address),
            iommu_group: self.iommu_group(address),
            numa_node: self.numa_node(address),
        })
    }

    /// The driver of a network device that is no PF, if there is such a device. An empty text: it has none.
    #[must_use]
    pub fn driver_of_netdev(&self, name: &str) -> Option<String> {
        if name.contains(['/', '.']) {
            return None;
        }
        let device = self.root.join("class/net").join(name);
        let driver = fs::read_link(device.join("device/driver")).ok();
        let name = driver.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        device.exists().then(|| name.unwrap_or_default().to_owned())
    }

    /// The configuration space of a function, as much as this user may read.
    ///
    /// # Errors
    /// There is no such function.
    pub fn config(&self, address: Address) -> Result<Vec<u8>, HostError> {
        self.read(address, "config")
    }

    /// How many bytes are behind each base address register, from the kernel's own list.
    #[must_use]
    pub fn sizes(&self, address: Address) -> Vec<u64> {
        let text = self.read(address, "resource").unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok();
        let size = |line: &str| {
            let mut words = line.split_whitespace();
            let (from, to) = (number(words.next()?)?, number(words.next()?)?);
            Some(if to > from { (to - from).saturating_add(1) } else { 0 })
        };
        text.lines().map(|line| size(line).unwrap_or(0)).collect()
    }

    /// The other functions of a function's IOMMU group: to hand it over is to hand over all of them.
    #[must_use]
    pub fn companions(&self, address: Address) -> Vec<Address> {
        let folder = self.device(address).join("iommu_group/devices");
        let names = fs::read_dir(folder).into_iter().flatten().flatten();
        let found = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut found: Vec<Address> = found.filter(|other| *other != address).collect();
        found.sort();
        found
    }

    /// Whether an IOMMU is in use.
    #[must_use]
    pub fn has_iommu(&self) -> bool {
        fs::read_dir(self.root.join("kernel/iommu_groups")).is_ok_and(|mut groups| groups.next().is_some())
    }

    /// Whether a driver is there.
    #[must_use]
    pub fn has_driver(&self, driver: &str) -> bool {
        self.root.join("bus/pci/drivers").join(driver).is_dir()
    }

    /// Nobody else changes the VFs of this PF through us until it is dropped.
    ///
    /// # Errors
    /// The function went away.
    pub fn lock(&self, pf: Address) -> Result<File, HostError> {
        let path = self.device(pf).join("sriov_numvfs");
        let failed = |error: &std::io::Error| HostError::from_io("lock", path.display().to_string(), error);
        let file = File::open(&path).map_err(|error| failed(&error))?;
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|errno| HostError::new("lock", path.display().to_string(), errno))?;
        Ok(file)
    }

    /// Has a PF have `number` VFs. From one number to another it goes through none.
    ///
    /// # Errors
    /// What the driver refuses: `ENOENT` and `ENOSYS` where it has no VFs, `ERANGE` where they are too many, `EBUSY` while
    /// a guest has one.
    pub fn set_number(&self, pf: Address, number: u16) -> Result<(), HostError> {
        let now = self.number(pf, "sriov_numvfs").unwrap_or(0);
        if now != 0 && now != number {
            self.write(pf, "sriov_numvfs", "0")?;
        }
        if now != number && number != 0 {
            self.write(pf, "sriov_numvfs", &number.to_string())?;
        }
        Ok(())
    }

    /// As [`Self::set_number`]. A card may start anew with that and lose its cable for a while: it has it again then, if it had
    /// it before, so that its driver knows how fast it is.
    ///
    /// # Errors
    /// As there. A cable that does not come back is none.
    pub fn set_number_steadily(&self, pf: Address, number: u16) -> Result<(), HostError> {
        // VFs that went a moment ago have taken it along, and it comes back by itself.
        let plugged = (0..ATTEMPTS).find_map(|_| match self.cable(pf) {
            Some(false) => {
                pause();
                None
            }
            known => known,
        });
        let plugged = plugged == Some(true);
        self.set_number(pf, number)?;
        // Some drivers say only a moment later that it is gone: it must have been there for ten looks.
        let mut steady = 0;
        for _ in 0..ATTEMPTS {
            if !plugged || steady == 10 {
                break;
            }
            steady = if self.cable(pf) == Some(true) { steady + 1 } else { 0 };
            pause();
        }
        Ok(())
    }

    /// Whether the PF has a cable plugged in; `None`: nobody can tell, it is down.
    fn cable(&self, pf: Address) -> Option<bool> {
        let name = self.netdevs(pf).into_iter().next()?;
        Some(self.number(pf, &format!("net/{name}/carrier"))? == 1)
    }

    /// The VFs that are there, by the PF's own count.
    #[must_use]
    pub fn number_of(&self, pf: Address) -> u16 {
        self.number(pf, "sriov_numvfs").unwrap_or(0)
    }

    /// Takes a function from its driver and gives it back, so that the driver reads anew what was set for it.
    ///
    /// # Errors
    /// The driver does not take it again.
    pub fn rebind(&self, address: Address, driver: &str) -> Result<(), HostError> {
        let folder = self.root.join("bus/pci/drivers").join(driver);
        let text = address.to_string();
        write(&folder.join("unbind"), &text)?;
        write(&folder.join("bind"), &text)
    }

    /// Gives a function to a driver that would not take it by itself, such as vfio-pci; an empty name: to its own again.
    ///
    /// # Errors
    /// There is no such driver, or it refuses.
    pub fn give_to_driver(&self, address: Address, driver: &str) -> Result<(), HostError> {
        if !driver.is_empty() && !self.has_driver(driver) {
            return Err(HostError::new("find the driver", driver, Errno::NOENT));
        }
        // An end of line alone takes the preference away.
        self.write(address, "driver_override", &format!("{driver}\n"))?;
        if let Some(now) = self.driver(address).filter(|now| now != driver) {
            write(&self.root.join("bus/pci/drivers").join(now).join("unbind"), &address.to_string())?;
        }
        write(&self.root.join("bus/pci/drivers_probe"), &address.to_string())
    }

    /// The network device of a VF once its driver has made it, which is after the function is there.
    ///
    /// # Errors
    /// `ETIMEDOUT` when it does not come.
    pub fn await_netdev(&self, pf: Address, index: u16) -> Result<String, HostError> {
        // The kernel says so to udev only; a look every 20 ms costs nothing.
        for _ in 0..ATTEMPTS {
            if let Some(name) = self.virtual_function(pf, index).and_then(|vf| vf.netdevs.into_iter().next())
            {
                return Ok(name);
            }
            pause();
        }
        Err(HostError::new("find the network device of", format!("VF {index} of {pf}"), Errno::TIMEDOUT))
    }

    /// The network device by which frames of a VF come and go, where the switch inside the card shows one (switchdev): it is of
    /// the PF's switch, and its port's name says whose it is.
    #[must_use]
    pub fn representor(&self, pf: Address, index: u16) -> Option<String> {
        let uplinks = self.own_netdevs(pf);
        let switch = uplinks.iter().find_map(|name| self.of_port(name, "phys_switch_id"))?;
        let all = fs::read_dir(self.root.join("class/net")).into_iter().flatten().flatten();
        let mut found: Vec<(bool, String)> = all
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let port = VfPort::parse(&self.of_port(&name, "phys_port_name")?)?;
                let same = self.of_port(&name, "phys_switch_id")? == switch;
                (same && port.vf == index).then(|| (port.pf != u32::from(pf.function()), name))
            })
            .collect();
        // Of a switch that several PFs share, the one that is called by this PF's number.
        found.sort();
        found.into_iter().next().map(|(_, name)| name)
    }

    /// The network devices of a PF that are not those of its VFs at its switch.
    fn own_netdevs(&self, pf: Address) -> Vec<String> {
        let mut names = self.netdevs(pf);
        names.retain(|name| {
            self.of_port(name, "phys_port_name").is_none_or(|port| VfPort::parse(&port).is_none())
        });
        names
    }

    /// What a network device says of the port that it is; nothing where it is none.
    fn of_port(&self, netdev: &str, file: &str) -> Option<String> {
        let text = fs::read_to_string(self.root.join("class/net").join(netdev).join(file)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    fn device(&self, address: Address) -> PathBuf {
        self.root.join("bus/pci/devices").join(address.to_string())
    }

    fn netdevs(&self, address: Address) -> Vec<String> {
        let entries = fs::read_dir(self.device(address).join("net")).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Where there is no device to ask, nothing is known to be down.
    fn is_up(&self, address: Address) -> bool {
        let Some(name) = self.netdevs(address).into_iter().next() else { return true };
        let flags = self.text(address, &format!("net/{name}/flags")).unwrap_or_default();
        u32::from_str_radix(flags.trim_start_matches("0x"), 16).map_or(true, |flags| flags & IFF_UP != 0)
    }

    fn driver(&self, address: Address) -> Option<String> {
        let link = fs::read_link(self.device(address).join("driver")).ok()?;
        Some(link.file_name()?.to_str()?.to_owned())
    }

    fn iommu_group(&self, address: Address) -> Option<u32> {
        let link = fs::read_link(self.device(address).join("iommu_group")).ok()?;
        link.file_name()?.to_str()?.parse().ok()
    }

    /// -1 stands for none.
    fn numa_node(&self, address: Address) -> Option<u32> {
        self.text(address, "numa_node")?.parse().ok()
    }

    fn number(&self, address: Address, file: &str) -> Option<u16> {
        self.text(address, file)?.parse().ok()
    }

    fn hex(&self, address: Address, file: &str) -> u16 {
        let text = self.text(address, file).unwrap_or_default();
        u16::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or(0)
    }

    fn text(&self, address: Address, file: &str) -> Option<String> {
        let bytes = self.read(address, file).ok()?;
        Some(String::from_utf8(bytes).ok()?.trim().to_owned())
    }

    fn read(&self, address: Address, file: &str) -> Result<Vec<u8>, HostError> {
        let path = self.device(address).join(file);
        fs::read(&path).map_err(|error| HostError::from_io("read", path.display().to_string(), &error))
    }

    fn write(&self, address: Address, file: &str, text: &str) -> Result<(), HostError> {
        write(&self.device(address).join(file), text)
    }
}

/// The name of a VF's port at the switch inside a card: `pf0vf3`, with `c1` in front where there are several hosts.
///
/// Source: `Documentation/networking/switchdev.rst`, port netdev naming.
#[derive(Debug, PartialEq, Eq)]
struct VfPort {
    pf: u32,
    vf: u16,
}

impl VfPort {
    fn parse(name: &str) -> Option<Self> {
        let number =
            |text: &str| text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
        let (host, rest) = name.split_once("pf")?;
        let is_host = host.is_empty() || host.strip_prefix('c').and_then(number).is_some();
        let (pf, vf) = rest.split_once("vf")?;
        is_host.then_some(())?;
        Some(Self { pf: number(pf)?, vf: u16::try_from(number(vf)?).ok()? })
    }
}

/// In one write: the kernel takes each as a whole value.
fn write(path: &Path, text: &str) -> Result<(), HostError> {
    let failed = |error: &std::io::Error| HostError::from_io("write", path.display().to_string(), error);
    let mut file = File::options().write(true).open(path).map_err(|error| failed(&error))?;
    file.write_all(text.as_bytes()).map_err(|error| failed(&error))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a driver makes its devices in its own time, which nothing else tells"
)]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// Of a network device's flags.
const IFF_UP: u32 = 0x1;
/// Looks, 20 ms apart: 5 s, as an emulated machine needs about one.
const ATTEMPTS: u32 = 250;

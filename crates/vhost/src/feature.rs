//! Feature bits: of the device, which the guest sees, and of the protocol, which only the front end sees.

/// Device features this back end offers, a bit each (virtio 1.3 §5.1.3, §6; `VHOST_*` of the vhost-user document).
pub const OFFERED: u64 = CSUM
    | GUEST_CSUM
    | MTU
    | GUEST_TSO4
    | GUEST_TSO6
    | GUEST_ECN
    | HOST_TSO4
    | HOST_TSO6
    | HOST_ECN
    | MRG_RXBUF
    | GUEST_ANNOUNCE
    | MQ
    | LOG_ALL
    | INDIRECT_DESC
    | EVENT_IDX
    | PROTOCOL_FEATURES
    | VERSION_1
    | GUEST_USO4
    | GUEST_USO6
    | HOST_USO;

/// The guest may leave checksums of what it sends to us.
pub const CSUM: u64 = 1 << 0;
/// The guest takes frames whose checksum is still to be computed.
pub const GUEST_CSUM: u64 = 1 << 1;
/// The guest is told the MTU (by the front end, which has the configuration of the card).
pub const MTU: u64 = 1 << 3;
/// The guest takes TCP super-packets over IPv4.
pub const GUEST_TSO4: u64 = 1 << 7;
/// The guest takes TCP super-packets over IPv6.
pub const GUEST_TSO6: u64 = 1 << 8;
/// The guest takes TCP super-packets with ECN.
pub const GUEST_ECN: u64 = 1 << 9;
/// The guest may send TCP super-packets over IPv4.
pub const HOST_TSO4: u64 = 1 << 11;
/// The guest may send TCP super-packets over IPv6.
pub const HOST_TSO6: u64 = 1 << 12;
/// The guest may send TCP super-packets with ECN.
pub const HOST_ECN: u64 = 1 << 13;
/// A received frame may take several buffers.
pub const MRG_RXBUF: u64 = 1 << 15;
/// The guest can be asked to announce itself.
pub const GUEST_ANNOUNCE: u64 = 1 << 21;
/// Several pairs of queues.
pub const MQ: u64 = 1 << 22;
/// Writes to guest memory are to be logged while this is set (vhost's own).
pub const LOG_ALL: u64 = 1 << 26;
/// Descriptors may be in a table of their own.
pub const INDIRECT_DESC: u64 = 1 << 28;
/// Notifications are asked for by index.
pub const EVENT_IDX: u64 = 1 << 29;
/// The vhost-user protocol has features of its own.
pub const PROTOCOL_FEATURES: u64 = 1 << 30;
/// Virtio 1.0 and later: little-endian, the 12-byte header.
pub const VERSION_1: u64 = 1 << 32;
/// The guest takes UDP super-packets over IPv4.
pub const GUEST_USO4: u64 = 1 << 54;
/// The guest takes UDP super-packets over IPv6.
pub const GUEST_USO6: u64 = 1 << 55;
/// The guest may send UDP super-packets.
pub const HOST_USO: u64 = 1 << 56;

/// Protocol features this back end offers.
pub mod protocol {
    /// All of them.
    pub const OFFERED: u64 = MQ | LOG_SHMFD | RARP | REPLY_ACK | NET_MTU | CONFIGURE_MEM_SLOTS | STATUS;

    /// Several pairs of queues.
    pub const MQ: u64 = 1 << 0;
    /// The log of written pages comes as shared memory.
    pub const LOG_SHMFD: u64 = 1 << 1;
    /// The back end announces a guest that has moved.
    pub const RARP: u64 = 1 << 2;
    /// Any message may ask for an acknowledgement.
    pub const REPLY_ACK: u64 = 1 << 3;
    /// The front end tells the MTU.
    pub const NET_MTU: u64 = 1 << 4;
    /// Memory regions come and go one by one.
    pub const CONFIGURE_MEM_SLOTS: u64 = 1 << 15;
    /// The front end tells the device status.
    pub const STATUS: u64 = 1 << 16;
}

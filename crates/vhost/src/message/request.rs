//! The numbers of the requests.

/// A request of the front end that this back end knows; in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
#[expect(missing_docs, reason = "the names are those of the vhost-user document")]
pub enum Request {
    GetFeatures = 1,
    SetFeatures = 2,
    SetOwner = 3,
    ResetOwner = 4,
    SetMemTable = 5,
    SetLogBase = 6,
    SetLogFd = 7,
    SetVringNum = 8,
    SetVringAddr = 9,
    SetVringBase = 10,
    GetVringBase = 11,
    SetVringKick = 12,
    SetVringCall = 13,
    SetVringErr = 14,
    GetProtocolFeatures = 15,
    SetProtocolFeatures = 16,
    GetQueueNum = 17,
    SetVringEnable = 18,
    SendRarp = 19,
    NetSetMtu = 20,
    ResetDevice = 34,
    GetMaxMemSlots = 36,
    AddMemReg = 37,
    RemMemReg = 38,
    SetStatus = 39,
    GetStatus = 40,
}

impl Request {
    /// The request of that number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        ALL.iter().copied().find(|request| request.number() == number)
    }

    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> u32 {
        // A fieldless enum with that representation.
        self as u32
    }
}

const ALL: [Request; 26] = [
    Request::GetFeatures,
    Request::SetFeatures,
    Request::SetOwner,
    Request::ResetOwner,
    Request::SetMemTable,
    Request::SetLogBase,
    Request::SetLogFd,
    Request::SetVringNum,
    Request::SetVringAddr,
    Request::SetVringBase,
    Request::GetVringBase,
    Request::SetVringKick,
    Request::SetVringCall,
    Request::SetVringErr,
    Request::GetProtocolFeatures,
    Request::SetProtocolFeatures,
    Request::GetQueueNum,
    Request::SetVringEnable,
    Request::SendRarp,
    Request::NetSetMtu,
    Request::ResetDevice,
    Request::GetMaxMemSlots,
    Request::AddMemReg,
    Request::RemMemReg,
    Request::SetStatus,
    Request::GetStatus,
];

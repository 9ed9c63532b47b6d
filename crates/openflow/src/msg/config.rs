//! How a switch treats fragments, and how much of a packet a controller sees.

/// What happens to IP fragments (`OFPC_FRAG_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FragMode {
    /// They pass, without ports.
    #[default]
    Normal,
    /// They are dropped.
    Drop,
    /// They are put together first.
    Reassemble,
    /// First fragments have ports, later ones have not (Nicira).
    NxMatch,
}

/// The configuration of a switch for one controller (`OFPT_SET_CONFIG`, `OFPT_GET_CONFIG_REPLY`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Config {
    /// What happens to IP fragments.
    pub frag: FragMode,
    /// 1.1 and 1.2: whether packets with a TTL that ran out are sent to the controller.
    pub invalid_ttl_to_controller: bool,
    /// How many bytes of a packet that missed are sent.
    pub miss_send_len: u16,
}

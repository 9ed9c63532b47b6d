//! Messages of experimenters that nobody here knows.

/// An experimenter's message, kept as it came (`OFPT_VENDOR`, `OFPT_EXPERIMENTER`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experimenter {
    /// Whose it is.
    pub id: u32,
    /// Which of his messages; 0 where the body is too short to say.
    pub kind: u32,
    /// What follows.
    pub body: Vec<u8>,
}

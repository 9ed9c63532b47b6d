//! What stands in a file: which start of the machine it is of, what the bridge keeps, and its connections.

use netloom_datapath::{BadConnection, KeptConnection};
use netloom_ovsdb::sealed::{self, SealError};
use netloom_switch::{Kept, KeptError, Unwritable};

/// The first word of a file.
const KIND: &str = "netloom-kept";
/// Of the form. Another one is not read.
const VERSION: u32 = 1;
const BOOT: &str = "boot ";
/// The last line of what the bridge keeps, and of the file.
const END: &str = "end\n";

/// A bridge as it stands in a file.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bridge: Kept,
    pub(super) connections: Vec<KeptConnection>,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum TextError {
    #[error("{0}")]
    Seal(#[from] SealError),
    #[error("It is of another start of the machine")]
    OtherBoot,
    #[error("It has no end")]
    NoEnd,
    #[error("{0}")]
    Bridge(#[from] KeptError),
    #[error("{0}: {1:?}")]
    Connection(BadConnection, String),
}

impl Whole {
    /// The bytes of the file.
    pub(super) fn bytes(&self, boot: &str) -> Result<Vec<u8>, Unwritable> {
        let mut text = format!("{BOOT}{boot}\n{}", self.bridge.text()?);
        for connection in &self.connections {
            text += &connection.to_string();
            text.push('\n');
        }
        text += END;
        Ok(sealed::seal(KIND, VERSION, &text))
    }

    /// Reads a file that this start of the machine has written.
    pub(super) fn read(bytes: &[u8], boot: &str) -> Result<Self, TextError> {
        let text = sealed::open(KIND, VERSION, bytes)?;
        let (first, rest) = text.split_once('\n').ok_or(TextError::NoEnd)?;
        if first.strip_prefix(BOOT) != Some(boot) {
            return Err(TextError::OtherBoot);
        }
        let end = rest.find(&format!("\n{END}")).map(|at| at + 1 + END.len()).ok_or(TextError::NoEnd)?;
        let (bridge, rest) = rest.split_at_checked(end).ok_or(TextError::NoEnd)?;
        let lines = rest.strip_suffix(END).ok_or(TextError::NoEnd)?;
        let connection =
            |line: &str| line.parse().map_err(|error| TextError::Connection(error, line.to_owned()));
        Ok(Self {
            bridge: Kept::read(bridge)?,
            connections: lines.lines().map(connection).collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "boot one\n\
        bridge br0 00000000-0000-4000-8000-000000000001 alone\n\
        clock 77\n\
        flow 1 1 0 0 command cookie=0x0, actions=NORMAL\n\
        end\n\
        connection 0 5 17 10.0.0.1,10.0.0.2,1,2,0,0 10.0.0.2,10.0.0.1,2,1,0,0 both 1/1 0 0 9 - -\n\
        end\n";

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let bytes = sealed::seal(KIND, VERSION, BODY);
        let whole = Whole::read(&bytes, "one").unwrap();
        assert_eq!((whole.bridge.flows.len(), whole.connections.len()), (1, 1));
        assert_eq!(whole.bytes("one").unwrap(), bytes);
    }

    #[test]
    fn what_is_torn_foreign_newer_or_of_another_start_is_refused() {
        let bytes = sealed::seal(KIND, VERSION, BODY);
        for end in 0..bytes.len() {
            assert!(matches!(Whole::read(&bytes[..end], "one"), Err(TextError::Seal(_))), "{end}");
        }
        assert!(matches!(Whole::read(&bytes, "two"), Err(TextError::OtherBoot)));
        let newer = sealed::seal(KIND, VERSION + 1, BODY);
        let error = Whole::read(&newer, "one").unwrap_err();
        assert_eq!(error.to_string(), "It is of version 2 of its form, and only version 1 is known");
        let foreign = Whole::read(b"OVSDB JSON 2 00\n{}", "one").unwrap_err();
        assert_eq!(foreign.to_string(), "It is a file of another kind");
        // Sealed by somebody who knows how, and yet not what is written.
        for (from, to, why) in [
            ("clock 77", "clock x", "Line 2"),
            ("actions=NORMAL", "actions=fly", "Line 3"),
            ("connection 0", "connection", "not as a connection"),
            ("end\nconnection", "connection", "no end"),
            ("flow 1", "flew 1", "begins so"),
            ("- -\nend\n", "- -\n", "no end"),
        ] {
            let changed = BODY.replacen(from, to, 1);
            assert_ne!(changed, BODY);
            let error = Whole::read(&sealed::seal(KIND, VERSION, &changed), "one").unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }
}

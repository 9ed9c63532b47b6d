//! What outlives a daemon that is killed, noted before it is made.

use std::io::Write;
use std::path::Path;

use super::Running;

impl Running {
    /// Notes that a name in /run/netns is about to be made.
    pub(super) fn journal(&self, path: &Path) -> std::io::Result<()> {
        let mut file = std::fs::File::options().append(true).create(true).open(self.home.journal())?;
        writeln!(file, "{}", serde_json::json!({ "intent": "netns-name", "path": path }))?;
        file.sync_data()
    }
}

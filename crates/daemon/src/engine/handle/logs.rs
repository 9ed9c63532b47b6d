//! What nodes and the daemon wrote.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use netloom_api::stream::Frame;
use netloom_api::{ApiError, ErrorKind};
use netloom_container::log::Log;
use netloom_lab::lab::ControllerPlace;

use crate::engine::Running;
use crate::stream::Conn;

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Running {
    /// Sends a node's or the daemon's log, and with `follow` what is added to it until the client leaves.
    pub(super) fn logs(&self, name: Option<&str>, follow: bool, conn: &mut Conn) -> Result<(), ApiError> {
        let path = match name {
            None => self.home.log_file(),
            Some(name) => self.node_log(name)?,
        };
        let failed = |e: io::Error| ApiError::caused(ErrorKind::Failed, "Cannot read the log.", &e);
        // Opened before the rest is read: what is added meanwhile is read from here.
        let mut current = open(&path).map_err(failed)?;
        let mut kept = Log::read(&path).map_err(failed)?;
        if let Some(current) = &mut current {
            // The older file, and then this one for as long as it grows.
            let length = current.metadata().map_err(failed)?.len();
            let new = usize::try_from(length).unwrap_or(usize::MAX).min(kept.len());
            kept.truncate(kept.len() - new);
            current.read_to_end(&mut kept).map_err(failed)?;
        }
        let mut sent = conn.send_bytes(1, &kept);
        while follow && sent.is_ok() {
            if super::left(conn, LOOK) {
                return Ok(());
            }
            let mut more = Vec::new();
            if let Some(file) = &mut current {
                file.read_to_end(&mut more).map_err(failed)?;
            }
            if is_other(&path, current.as_ref()) {
                current = open(&path).map_err(failed)?;
            }
            if !more.is_empty() {
                sent = conn.send_bytes(1, &more);
            }
        }
        // Who left does not want to know.
        let _ = conn.send(&Frame::Exit(0));
        Ok(())
    }

    fn node_log(&self, name: &str) -> Result<std::path::PathBuf, ApiError> {
        let state = self.state();
        if let Some(controller) = state.lab.controller(name) {
            return match controller.place {
                ControllerPlace::Run(_) => Ok(self.programs.log(name)),
                _ => Err(ApiError::new(
                    ErrorKind::NotFound,
                    format!("The controller {name} is not started by the lab."),
                )
                .hint("its log is where it was started; `netloom show SWITCH` says how it is connected")),
            };
        }
        let Some(node) = state.lab.node(name) else {
            let nodes = state.nodes.keys().map(String::as_str);
            let all: Vec<&str> = nodes.chain(state.lab.controllers.iter().map(|c| c.name.as_str())).collect();
            return Err(super::not_found("node or controller", name, &all));
        };
        let path = self.programs.log(&node.name);
        if !node.has_programs() && !path.exists() {
            return Err(ApiError::new(
                ErrorKind::NotFound,
                format!("Node {name} runs no program of its own."),
            )
            .hint(
                "`run:` in the lab file gives it one; `netloom logs` without a name shows the daemon's log",
            ));
        }
        Ok(path)
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Whether a new file has taken the place of the one that is read.
fn is_other(path: &Path, current: Option<&File>) -> bool {
    let now = std::fs::metadata(path).map(|meta| meta.ino()).ok();
    let then = current.and_then(|file| file.metadata().ok()).map(|meta| meta.ino());
    now.is_some() && now != then
}

//! The server within another program: a thread of its own, with the sockets, the pid file and the commands it has alone.
//!
//! The program reaches it by its socket, as everybody does. It ends with the program, or is told to end before that.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

use netloom_ovsdb::{Database, file, vswitch};
use tokio::sync::oneshot;

use super::process::{Options, Served, core_of};
use crate::ovs::dirs::Directories;
use crate::ovs::log::Log;

/// A server that runs. Dropping it ends it, and waits until its files are gone.
#[derive(Debug)]
pub struct Within {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Within {
    /// Starts a server; when it returns, clients are served. Of the options, those about the process mean nothing. Files of
    /// the schema `Open_vSwitch` that are not there are made.
    ///
    /// # Errors
    /// What the user is told.
    pub fn start(options: Options, log: &Log) -> Result<Self, String> {
        let (tell, told) = mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let log = log.clone();
        let run = move || {
            let outcome = serve(&options, &log, stopped, &tell);
            if let Err(error) = outcome {
                let _ = tell.send(Err(error));
            }
        };
        let thread = std::thread::Builder::new().name("ovsdb".to_owned()).spawn(run);
        let thread = thread.map_err(|error| format!("cannot start a thread: {error}"))?;
        told.recv().unwrap_or_else(|_| Err("the database server ended at once".to_owned()))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Within {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have been told to end by a command already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(
    options: &Options,
    log: &Log,
    stopped: oneshot::Receiver<()>,
    tell: &mpsc::SyncSender<Result<(), String>>,
) -> Result<(), String> {
    let dirs = Directories::of_environment();
    for path in &options.databases {
        make(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let core = core_of(options, &dirs)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let served = Served::begin(options, log, &dirs, &core)?;
        let _ = tell.send(Ok(()));
        tokio::select! {
            _ = served.wait(options) => {}
            _ = stopped => {}
        }
        Ok(())
    })
}

/// Makes the file of an empty database, unless there is one.
fn make(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path);
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    };
    let schema = vswitch::schema().map_err(|error| io::Error::other(error.to_string()))?;
    let now = netloom_sys::clock::wall() / 1_000_000;
    file.write_all(&file::snapshot(&Database::new(schema), None, now))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_made_once() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("conf.db");
        make(&path).unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        assert!(first.starts_with("OVSDB JSON ") && first.contains("\"Open_vSwitch\""), "{first}");
        std::fs::write(&path, "somebody's").unwrap();
        make(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's");
        assert!(make(&place.path().join("no/where")).is_err());
    }
}

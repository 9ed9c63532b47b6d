//! `netloom cp`.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use netloom_api::stream::Frame;
use netloom_api::{ApiError, Command, ErrorKind};
use netloom_daemon::Conn;
use netloom_image::copy::{CopyError, Target, base_name, pack, unpack};
use rustix::event::{PollFd, PollFlags, poll};

use crate::exit::{DONE, FAILED, Failure, Outcome};
use crate::which;

/// Arguments of `cp`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
One of the two is NODE:PATH. Directories are copied with all that is in them; into a directory that is there, or else under
the name given. Owners, and setuid and setgid bits, are left behind.
Example:  netloom cp web:/var/log/nginx logs")]
pub(crate) struct Cp {
    /// What to copy
    #[arg(value_name = "[NODE:]PATH")]
    from: String,
    /// Where to
    #[arg(value_name = "[NODE:]PATH")]
    to: String,
}

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side<'a> {
    Node(&'a str, &'a str),
    Here(&'a Path),
}

impl Cp {
    pub(crate) fn run(self, lab: Option<&str>) -> Outcome {
        match (side(&self.from), side(&self.to)) {
            (Side::Node(node, path), Side::Here(to)) => {
                let target = Target::new(to).map_err(|error| failed(&error))?;
                let command = Command::Copy { node: node.to_owned(), path: path.to_owned(), name: None };
                receive(which::client(lab)?.stream(&command)?, target)
            }
            (Side::Here(from), Side::Node(node, path)) => {
                std::fs::metadata(from).map_err(|source| {
                    failed(&CopyError::Io { action: "read", path: from.to_owned(), source })
                })?;
                // `.` has a name, too.
                let full = std::fs::canonicalize(from).unwrap_or_else(|_| from.to_owned());
                let name = from.file_name().map_or_else(|| base_name(&full), ToOwned::to_owned);
                let name = name.to_string_lossy().into_owned();
                let command =
                    Command::Copy { node: node.to_owned(), path: path.to_owned(), name: Some(name.clone()) };
                send(which::client(lab)?.stream(&command)?, from.to_owned(), PathBuf::from(name))
            }
            (Side::Node(..), Side::Node(..)) => {
                Err(Failure::usage("From one node to another it takes two copies, by way of this machine."))
            }
            (Side::Here(_), Side::Here(_)) => Err(Failure::usage("Neither of the two is NODE:PATH.")
                .hint("a path with a colon begins with / or ./")),
        }
    }
}

/// A text with a colon is NODE:PATH, unless it begins as a path does.
fn side(text: &str) -> Side<'_> {
    match text.split_once(':') {
        Some((node, path)) if !text.starts_with(['/', '.']) && !node.is_empty() => Side::Node(node, path),
        _ => Side::Here(Path::new(text)),
    }
}

/// What comes is unpacked by a thread, so that it comes on meanwhile.
fn receive(mut conn: Conn, target: Target) -> Outcome {
    let (reader, mut writer) = io::pipe().map_err(|error| broken(&error))?;
    let unpacking = std::thread::spawn(move || unpack(io::BufReader::new(reader), &target));
    let ended = loop {
        match conn.receive() {
            Ok(Some(Frame::Stdout(bytes))) => {
                // Who unpacks has failed, and will say why; what else comes is read to its end.
                let _ = writer.write_all(&bytes);
            }
            Ok(Some(Frame::Stderr(bytes))) => drop(io::stderr().write_all(&bytes)),
            Ok(Some(Frame::Exit(code))) => break Ok(code),
            Ok(Some(Frame::Error(error))) => break Err(Failure::from(*error)),
            Ok(Some(_)) => {}
            Ok(None) => break Err(lab_ended()),
            Err(error) => break Err(broken(&error).into()),
        }
    };
    drop(writer);
    let unpacked = unpacking.join().map_err(|_| lab_ended())?;
    // What the node said is the cause of what failed here.
    if ended? != 0 {
        return Ok(FAILED);
    }
    unpacked.map_err(|error| failed(&error))?;
    Ok(DONE)
}

fn send(mut conn: Conn, from: PathBuf, name: PathBuf) -> Outcome {
    let (reader, writer) = io::pipe().map_err(|error| broken(&error))?;
    let packing = std::thread::spawn(move || pack(&from, &name, io::BufWriter::new(writer)));
    let mut reader = Some(reader);
    loop {
        while let Some(frame) = conn.poll().map_err(|error| broken(&error))? {
            match frame {
                Frame::Stderr(bytes) => drop(io::stderr().write_all(&bytes)),
                Frame::Exit(code) => return finish(code, reader, packing),
                Frame::Error(error) => return Err(Failure::from(*error)),
                _ => {}
            }
        }
        let (readable, input) = wait(&conn, reader.as_ref().filter(|_| conn.queued() < AHEAD))?;
        if input && let Some(pipe) = &reader {
            let mut bytes = vec![0; 64 << 10];
            let length = match rustix::io::read(pipe, &mut bytes) {
                Err(rustix::io::Errno::INTR) => continue,
                read => read.unwrap_or(0),
            };
            conn.queue_bytes(0, bytes.get(..length).unwrap_or_default());
            if length == 0 {
                reader = None;
            }
        }
        if conn.flush().is_err() {
            conn.forget();
            reader = None;
        }
        if readable && conn.fill().map_err(|error| broken(&error))? == Some(0) {
            return Err(lab_ended());
        }
    }
}

type Packing = std::thread::JoinHandle<Result<netloom_image::copy::Copied, CopyError>>;

fn finish(code: i32, reader: Option<io::PipeReader>, packing: Packing) -> Outcome {
    // Who packs on for nobody ends with the pipe.
    let all = reader.is_none();
    drop(reader);
    let packed = packing.join().map_err(|_| lab_ended())?;
    if code != 0 {
        return Ok(FAILED);
    }
    match packed {
        Err(error) if all => Err(failed(&error)),
        Ok(copied) if copied.left_out > 0 => {
            crate::output::note(&format!("{} sockets, pipes and devices were left out.", copied.left_out));
            Ok(DONE)
        }
        _ => Ok(DONE),
    }
}

/// Waits for frames, for room, or for more to send.
fn wait(conn: &Conn, input: Option<&io::PipeReader>) -> Result<(bool, bool), ApiError> {
    let room = if conn.queued() > 0 { PollFlags::OUT } else { PollFlags::empty() };
    let mut fds = vec![PollFd::from_borrowed_fd(conn.as_fd(), PollFlags::IN | room)];
    fds.extend(input.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)));
    match poll(&mut fds, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => return Err(broken(&io::Error::from(errno))),
    }
    let ready =
        |at: usize, but| fds.get(at).is_some_and(|fd: &PollFd<'_>| !fd.revents().difference(but).is_empty());
    Ok((ready(0, PollFlags::OUT), ready(1, PollFlags::empty())))
}

fn failed(error: &CopyError) -> Failure {
    Failure::from(ApiError::new(ErrorKind::Failed, format!("{error}.")))
}

fn broken(error: &(dyn std::error::Error + 'static)) -> ApiError {
    ApiError::caused(ErrorKind::Internal, "The stream to the lab broke.", error)
}

fn lab_ended() -> Failure {
    Failure::from(ApiError::new(ErrorKind::Failed, "The lab ended."))
}

/// Bytes that may wait for the lab to take them.
const AHEAD: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_makes_a_node_unless_it_is_a_path() {
        assert_eq!(side("red/web:/etc/a:b"), Side::Node("red/web", "/etc/a:b"));
        assert_eq!(side("web:"), Side::Node("web", ""));
        for path in ["a/b", "./a:b", "/a:b", ":a"] {
            assert_eq!(side(path), Side::Here(Path::new(path)));
        }
    }
}

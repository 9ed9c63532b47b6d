//! Files out of nodes and into them: an agent inside the node packs or unpacks a tar file, which travels on the stream.
//!
//! The agent is a child of the spawner that enters the node as every program does, with the node's root and no more rights
//! than its programs have: whatever links are in the way, they lead to files of the node. In a virtual machine it is a child of
//! the agent there.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use netloom_api::ApiError;
use netloom_container::ProcessSpec;
use netloom_image::copy::{Copied, CopyError, Target, base_name, pack, unpack};
use netloom_vm::frame::Open;

use crate::engine::Running;
use crate::stream::Conn;

impl Running {
    /// Copies files out of a node, or with a `name` into it.
    pub(super) fn copy(
        &self,
        node: &str,
        path: String,
        name: Option<String>,
        conn: &mut Conn,
    ) -> Result<(), ApiError> {
        let word = if name.is_some() { "take" } else { "send" };
        if let Some(machine) = self.guest(node)? {
            let argv = ["copy", word, &path].map(str::to_owned).into();
            return super::guest::exec(node, &machine, Open { argv, own: true, ..Open::default() }, conn);
        }
        let (look, netns) = self.look_into(node)?;
        let mut process = ProcessSpec::new([word.to_owned(), path]);
        process.agent = true;
        process.cwd = look.cwd;
        self.with_pipes(&look.host, &process, netns.as_fd(), conn)
    }
}

/// The same inside a guest, where netloom's agent starts it: `netloom guest copy ..`; returns an exit code.
#[must_use]
pub fn copy_inside(words: &[String]) -> u8 {
    // Whoever leaves ends it by its process group.
    let _ = netloom_sys::terminal::leave();
    u8::try_from(agent(words)).unwrap_or(1)
}

/// The work of the agent: `send PATH` packs it to standard output, `take PATH` unpacks standard input there. 0 if all went
/// well; else what went wrong is on standard error.
pub(in crate::engine) fn agent(words: &[String]) -> i32 {
    let done = match words {
        [word, path] if word == "send" => send(Path::new(path)),
        [word, path] if word == "take" => take(Path::new(path)),
        _ => return 2,
    };
    let said = match done {
        Ok(copied) if copied.left_out == 0 => return 0,
        Ok(copied) => format!("{} sockets, pipes and devices were left out", copied.left_out),
        Err(error) => error.to_string(),
    };
    // Nobody there to read it is nobody to tell.
    let _ = writeln!(io::stderr(), "netloom: {said}");
    i32::from(!said.ends_with("left out"))
}

fn send(path: &Path) -> Result<Copied, CopyError> {
    let name = base_name(path);
    pack(path, Path::new(&name), io::BufWriter::with_capacity(64 << 10, io::stdout().lock()))
}

fn take(path: &Path) -> Result<Copied, CopyError> {
    let mut input = io::BufReader::with_capacity(64 << 10, io::stdin().lock());
    let copied = unpack(&mut input, &Target::new(path)?)?;
    // Whoever sends is not to find the pipe closed before its last byte.
    io::copy(&mut input, &mut io::sink()).map_err(|source| CopyError::Io {
        action: "read to its end",
        path: path.to_owned(),
        source,
    })?;
    Ok(copied)
}

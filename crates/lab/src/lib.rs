//! From a lab file to a running lab.
//!
//! One straight line: [`load`] reads the file, [`resolve`] leaves nothing to guess, [`plan::plan`] says what is to
//! be done, [`apply::apply`] has it done, [`expect::Run`] finds out whether what must hold holds.
//!
//! ```text
//! text ──load──► LabFile ──resolve──► Lab ──plan──► Plan ──apply──► Executor (the daemon)
//!                                      └─────► Run ──► Order::Probe ──► Prober (the daemon)
//! ```
//!
//! Nothing here opens a file or a socket, reads a clock or starts a thread: whoever does so implements small
//! traits. What a file says wrong is reported all at once, with its place:
//!
//! ```
//! use netloom_lab::{load, resolve};
//!
//! let source = "netloom: 1\nnodes: { h1..2: {} }\nswitches: { s1: {} }\nlinks: [h1..2 -- s1]\n";
//! let file = load(source, "two.loom.yml".as_ref(), &[])?;
//! let lab = resolve(&file)?;
//! assert_eq!(lab.summary(), "2 hosts  1 switch  2 links");
//! assert_eq!(lab.nodes[1].interfaces[0].addresses[0].to_string(), "10.0.0.2/8");
//!
//! let wrong = load("netloom: 1\nlink: []\n", "two.loom.yml".as_ref(), &[]).unwrap_err();
//! assert_eq!(wrong.errors[0].hint.as_deref(), Some("did you mean `links`?"));
//! # Ok::<(), netloom_lab::Errors>(())
//! ```

pub mod address;
pub mod apply;
pub mod config;
pub mod container;
mod error;
pub mod expect;
mod file;
pub mod journal;
pub mod lab;
pub mod limits;
pub mod mac;
pub mod names;
pub mod plan;
pub mod publish;
pub mod qos_text;
pub mod quantity;
pub mod quota;
mod resolve;
mod schema;
pub mod setting_words;
pub mod settings;
pub mod target;
pub mod topology;
pub mod tunnel;

pub use error::{Errors, FileError, Span, Spanned, TextError, did_you_mean, line_column};
pub use file::{LabFile, MAX_FILE, Naming, check, load, name_of, yaml};
pub use lab::Lab;
pub use resolve::{resolve, resolve_after};
pub use schema::schema;

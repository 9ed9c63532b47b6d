//! Files of other systems as lab files: Docker Compose and containerlab.
//!
//! Nothing is read but the text that is given, and what it refers to through [`Outside`]. What a lab file has no word
//! for is not dropped in silence: each such thing is a [`Note`] with its line.
//!
//! ```
//! let source = "services: { web: { image: nginx, depends_on: [db] }, db: { image: postgres, build: . } }";
//! let made = netloom_import::compose(source, "shop", &netloom_import::Nothing)?;
//! assert!(made.text.contains("image: nginx"));
//! assert!(made.notes.iter().any(|note| note.what == "services.db.build"));
//! # Ok::<(), Vec<netloom_lab::FileError>>(())
//! ```

mod compose;
mod containerlab;
mod made;
mod names;
mod note;
mod outside;
mod published;
mod read;
mod size;

pub use compose::compose;
pub use containerlab::containerlab;
pub use note::{Imported, Note};
pub use outside::{Nothing, Outside};

//! Which lab a command means.
//!
//! `-l LAB`, else `$NETLOOM_LAB`, else the lab of the one `*.loom.yml` here if it is up, else the only one
//! running, else an error that lists them.

use netloom_api::{ApiError, ErrorKind};
use netloom_daemon::Homes;
use netloom_daemon::launch::{self, State};

use crate::client::Client;
use crate::exit::Failure;
use crate::labfile;

/// The lab meant, which need not answer.
pub(crate) fn client(lab: Option<&str>) -> Result<Client, Failure> {
    let homes = Homes::mine();
    let name = match lab {
        Some(lab) => lab.to_owned(),
        None => choose(&running(&homes), &homes.list(), &in_file())?,
    };
    of(&homes, &name)
}

/// The lab of that name.
pub(crate) fn of(homes: &Homes, name: &str) -> Result<Client, Failure> {
    homes
        .home(name)
        .map(Client::new)
        .map_err(|error| ApiError::new(ErrorKind::Usage, format!("{error}.")).into())
}

/// Whether its daemon lives.
pub(crate) fn is_up(client: &Client) -> bool {
    matches!(launch::state(client.home()), State::Alive(_))
}

/// Labs whose daemon lives.
pub(crate) fn running(homes: &Homes) -> Vec<String> {
    let alive =
        |name: &String| homes.home(name).is_ok_and(|home| matches!(launch::state(&home), State::Alive(_)));
    homes.list().into_iter().filter(alive).collect()
}

/// The name of the lab in the one file here.
fn in_file() -> Option<String> {
    let path = labfile::here().ok()??;
    labfile::name_in(&std::fs::read_to_string(path).ok()?)
}

fn choose(running: &[String], known: &[String], in_file: &Option<String>) -> Result<String, Failure> {
    if let Some(name) = in_file.as_ref().filter(|name| running.contains(name)) {
        return Ok(name.clone());
    }
    // A dead lab is worth a word of its own: asking it says what became of it.
    if let ([], [dead]) = (running, known) {
        return Ok(dead.clone());
    }
    match running {
        [only] => Ok(only.clone()),
        [] => Err(Failure::from(ApiError::new(ErrorKind::NotFound, "No lab is up."))
            .hint("`netloom up [FILE]` starts one; `netloom run [FILE]` starts, tests and ends one")),
        many => Err(Failure::from(ApiError::new(
            ErrorKind::Usage,
            format!("Several labs are up: {}. Which one?", many.join(", ")),
        ))
        .hint(format!(
            "`netloom -l {} ...`, or set NETLOOM_LAB",
            many.first().map_or("LAB", String::as_str)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_file_here_decides_if_its_lab_is_up() {
        assert_eq!(choose(&names(&["a", "b"]), &[], &Some("b".into())).unwrap(), "b");
        assert_eq!(choose(&names(&["a"]), &[], &Some("b".into())).unwrap(), "a");
        assert_eq!(choose(&names(&["a"]), &[], &None).unwrap(), "a");
    }

    #[test]
    fn a_dead_lab_is_asked_what_became_of_it() {
        assert_eq!(choose(&[], &names(&["a"]), &None).unwrap(), "a");
        assert!(choose(&[], &names(&["a", "b"]), &None).is_err());
    }

    #[test]
    fn otherwise_the_error_says_what_to_type() {
        let none = choose(&[], &[], &Some("b".into())).unwrap_err();
        assert!(none.error.hint.unwrap().contains("netloom up"));
        let many = choose(&names(&["a", "b"]), &[], &None).unwrap_err();
        assert!(many.error.message.contains("a, b"), "{}", many.error.message);
    }
}

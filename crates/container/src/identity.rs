//! Users by the names a node has for them: its own /etc/passwd and /etc/group.
//!
//! Source: passwd(5), group(5); OCI runtime practice for numbers without a line: group 0, home /.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use crate::spec::User;

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) user: User,
    /// Where this user is at home.
    pub(crate) home: String,
}

/// Looks `text`, a `NAME|UID[:GROUP|GID]`, up in the files of the root this process has.
///
/// # Errors
/// One sentence: no such user or group.
pub(crate) fn look_up(text: &str) -> Result<Identity, String> {
    find(text, &read("/etc/passwd"), &read("/etc/group"))
}

/// Whether this process's user namespace has the user `uid`. Where that cannot be told, whoever becomes it will see.
pub(crate) fn is_known(uid: u32) -> bool {
    let Ok(map) = std::fs::read_to_string("/proc/self/uid_map") else { return true };
    maps(&map, uid)
}

/// A line: first number inside, first outside, how many.
fn maps(map: &str, uid: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u32>().unwrap_or(0));
        let (first, _, count) = (numbers.next().unwrap_or(0), numbers.next(), numbers.next().unwrap_or(0));
        uid.checked_sub(first).is_some_and(|above| above < count)
    })
}

/// Strangers wrote these files: what is no plain file of a reasonable size has no lines.
fn read(path: &str) -> String {
    // Whoever opens a named pipe waits for its writer, without this flag.
    let file = OpenOptions::new().read(true).custom_flags(NONBLOCK).open(path);
    let mut text = Vec::new();
    if let Ok(file) = file
        && file.metadata().is_ok_and(|meta| meta.is_file())
    {
        // A file that cannot be read to its end has the lines that came.
        let _ = file.take(MOST).read_to_end(&mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}

fn find(text: &str, passwd: &str, groups: &str) -> Result<Identity, String> {
    let (name, group) = match text.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (text, None),
    };
    let name = if name.is_empty() { "root" } else { name };
    let number = name.parse::<u32>().ok();
    let line = lines(passwd).find(|fields| {
        fields.first() == Some(&name)
            || (number.is_some() && fields.get(2).and_then(|uid| uid.parse().ok()) == number)
    });
    let field = |index: usize| line.as_ref().and_then(|fields| fields.get(index)).copied();
    let own = |index| field(index).and_then(|number: &str| number.parse::<u32>().ok());
    let root = (name == "root").then_some(0);
    let uid = own(2).or(number).or(root).ok_or_else(|| format!("There is no user {name} in the image"))?;
    let (gid, more) = match group {
        Some(group) => (find_group(group, groups)?, Vec::new()),
        None => (own(3).unwrap_or(0), field(0).map(|name| groups_of(name, groups)).unwrap_or_default()),
    };
    let home = field(5).filter(|home| home.starts_with('/')).unwrap_or(if uid == 0 { "/root" } else { "/" });
    Ok(Identity { user: User { uid, gid, groups: more }, home: home.to_owned() })
}

fn find_group(group: &str, groups: &str) -> Result<u32, String> {
    let line = lines(groups).find(|fields| fields.first() == Some(&group));
    let number = line.and_then(|fields| fields.get(2)?.parse().ok()).or_else(|| group.parse().ok());
    number.ok_or_else(|| format!("There is no group {group} in the image"))
}

/// The groups that list a user as a member.
fn groups_of(name: &str, groups: &str) -> Vec<u32> {
    let has =
        |fields: &Vec<&str>| fields.get(3).is_some_and(|members| members.split(',').any(|one| one == name));
    lines(groups).filter(has).filter_map(|fields| fields.get(2)?.parse().ok()).take(MOST_GROUPS).collect()
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.trim().split(':').collect())
}

const MOST: u64 = 4 << 20;
/// What setgroups(2) takes.
const MOST_GROUPS: usize = 65_536;
/// `O_NONBLOCK`.
const NONBLOCK: i32 = 0o4000;

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\n\nwww:x:33:34::/var/www:/bin/false\nodd:x:x:1::rel:\n";
    const GROUP: &str = "root:x:0:\nwww:x:34:\nssl:x:110:www,other\nlogs:x:111:other,www\nnone:x:112:wwww\n";

    #[test]
    fn names_and_numbers_are_found() {
        let www =
            |groups: Vec<u32>, gid| Identity { user: User { uid: 33, gid, groups }, home: "/var/www".into() };
        assert_eq!(find("www", PASSWD, GROUP), Ok(www(vec![110, 111], 34)));
        assert_eq!(find("33", PASSWD, GROUP), Ok(www(vec![110, 111], 34)));
        assert_eq!(find("www:ssl", PASSWD, GROUP), Ok(www(vec![], 110)));
        assert_eq!(find("33:7", PASSWD, GROUP), Ok(www(vec![], 7)));
        let nobody = Identity { user: User { uid: 1000, gid: 0, groups: vec![] }, home: "/".into() };
        assert_eq!(find("1000", PASSWD, GROUP), Ok(nobody));
        assert_eq!(find("", "", "").map(|found| (found.user.uid, found.home)), Ok((0, "/root".into())));
    }

    #[test]
    fn a_user_namespace_has_the_users_of_its_map() {
        let map = "         0       1000          1\n         1     100000      65536\n";
        assert!(maps(map, 0) && maps(map, 1) && maps(map, 65_536));
        assert!(!maps(map, 65_537) && !maps("0 1000 1\n", 33) && !maps("", 0));
        assert!(maps("0 0 4294967295\n", 33));
    }

    #[test]
    fn who_is_not_there_is_named() {
        for text in ["ghost", "www:ghosts", "odd", "-1", "4294967296"] {
            assert!(find(text, PASSWD, GROUP).unwrap_err().starts_with("There is no "), "{text}");
        }
    }
}

//! `netloom cp`, both ways.

use super::image;
use crate::place::{Place, for_each};

const CONFIG: &str = r#"{"Cmd":["sleep","1000"],"Env":["PATH=/bin"],"WorkingDir":"/srv"}"#;

fn refused(place: &Place, words: &str, said: &str) {
    let done = place.run(words);
    assert_ne!(done.code, 0, "{words}");
    assert!(done.err.contains(said), "{words}: {}", done.err);
}

#[test]
fn files_go_into_a_container_and_come_out_as_they_were() {
    for_each(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        place.up("netloom: 1\nname: copies\nnodes: { a: { image: 'oci:img' }, h: {} }\n");
        place.make_dir("out");
        place.make_dir("in");
        place.make_dir("in/deep");
        place.write("in/deep/file", &"text\n".repeat(100_000));
        place.ok("cp in a:/tmp");
        assert_eq!(place.sh_ok("a", "wc -c < /tmp/in/deep/file"), "500000");
        place.ok("cp a:/tmp/in out/again");
        assert_eq!(std::fs::read(place.path("out/again/deep/file")).unwrap().len(), 500_000);
        // Under another name, relative to where programs start, and out of the image itself.
        place.ok("cp in/deep/file a:renamed");
        place.sh_ok(
            "a",
            "cmp /srv/renamed /tmp/in/deep/file 2>/dev/null || test $(wc -c < /srv/renamed) = 500000",
        );
        place.ok("cp a:/srv/index.html out");
        assert_eq!(std::fs::read_to_string(place.path("out/index.html")).unwrap(), "Welcome\n");
        place.ok("cp in h:/tmp");
        assert_eq!(place.sh_ok("h", "ls /tmp/in/deep"), "file");
        refused(place, "cp a:/none out", "Cannot read /none");
        refused(place, "cp in a:/none/there", "Cannot copy to /none/there");
        refused(place, "cp in out", "Neither of the two is NODE:PATH");
        refused(place, "cp a:/none missing/there", "Cannot copy to missing/there");
    });
}

#[test]
fn a_path_of_a_container_stays_in_its_root() {
    for_each(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        place.up("netloom: 1\nname: bounds\nnodes: { a: { image: 'oci:img' } }\n");
        place.make_dir("out");
        place.sh_ok(
            "a",
            "ln -s ../../../../../../../../../etc /way; ln -s / /tmp/top; echo inside > /etc/shadow",
        );
        // The machine has these files, too; what comes is the container's.
        place.ok("cp a:/way/shadow out");
        assert_eq!(std::fs::read_to_string(place.path("out/shadow")).unwrap(), "inside\n");
        place.ok("cp a:../../../../../../../../etc/shadow out/up");
        assert_eq!(std::fs::read_to_string(place.path("out/up")).unwrap(), "inside\n");
        place.write("mine", "mine\n");
        place.ok("cp mine a:/way/netloom-was-here");
        assert!(!std::path::Path::new("/etc/netloom-was-here").exists());
        assert_eq!(place.sh_ok("a", "cat /etc/netloom-was-here"), "mine");
        // Links come as links; what is behind them is not the machine's either.
        place.ok("cp a:/tmp out/tmp");
        assert_eq!(std::fs::read_link(place.path("out/tmp/top")).unwrap(), std::path::Path::new("/"));
    });
}

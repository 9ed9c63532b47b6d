//! Compose files as lab files.

mod shown;

use netloom_import::{Nothing, Outside, compose};
use shown::shown;

/// An environment with one variable, and one file.
struct Shop;

impl Outside for Shop {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "TAG" => Some("alpine".to_owned()),
            "HOME" => Some("/home/u".to_owned()),
            _ => None,
        }
    }

    fn file(&self, path: &str) -> Option<String> {
        (path == "web.env").then(|| "MODE=fast\nLEVEL=1\n".to_owned())
    }
}

#[test]
fn a_shop_is_carried_over_with_its_order_health_and_storage() {
    let source = include_str!("shop.compose.yml");
    let made = compose(source, "dir", &Shop).expect("a Compose file");
    insta::assert_snapshot!(shown(&made, source));
}

#[test]
fn what_is_no_compose_file_is_refused_with_its_place() {
    for (source, wanted) in [
        ("a: 1\n", "there are no `services`"),
        ("services: { web: {} }\n", "the service `web` has no image"),
        ("services: { web: { image: x, ports: [a] } }\n", "`a` is no port to publish"),
        ("services: { web: { image: x, depends_on: [db] } }\n", "there is no service `db`"),
        ("services: { web: { image: x, networks: [n] } }\n", "services.web: there is no network `n`"),
        ("services: { web: { image: \"${X:?is needed}\" } }\n", "`X` has to be set: is needed"),
        ("services: { web: { image: x, env_file: none.env } }\n", "`none.env` cannot be read"),
        ("services: [web]\n", "`services` is a map, not a list"),
        ("services: { web: { image: x, scale: 0 } }\n", "the number of containers is one from 1 to 1000"),
        ("services: { web: { image: x, healthcheck: { test: [x] } } }\n", "this is no health check"),
        ("services: \"\n", "This is not YAML"),
    ] {
        let errors = compose(source, "x", &Nothing).expect_err(source);
        assert!(errors[0].message.contains(wanted), "{source}: {errors:?}");
    }
}

#[test]
fn anchors_and_merges_are_followed() {
    let source = "x-base: &base { restart: always, image: a }\nservices: { web: { <<: *base, image: b }, db: { <<: [*base] } }\n";
    let made = compose(source, "x", &Nothing).expect("a Compose file");
    assert!(made.text.contains("image: b\n") && made.text.contains("image: a\n"), "{}", made.text);
    assert_eq!(made.text.matches("restart: always").count(), 2);
}

proptest::proptest! {
    /// Whatever the file says, it is a lab file or an error.
    #[test]
    fn any_text_does_no_harm(text in "[ -~\n]{0,200}") {
        let _ = compose(&text, "x", &Nothing);
        let _ = compose(&format!("services:\n  web:\n    image: x\n    {text}\n"), "x", &Nothing);
    }
}

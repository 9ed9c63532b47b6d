//! Compose files as they are published for well-known programs, brought up as they are after `netloom import`. Their images are
//! a test's own under the same names: each is a script in a busybox that needs of its surroundings what the program needs,
//! the names of others, ports, variables, files and volumes.

use netloom_image::layer::tar::build::Builder;

use crate::containers::image::{base, busybox, layout};
use crate::machine::Machine;
use crate::place::{Place, eventually, for_each};

/// An image: its name, the arguments of its entrypoint, directories, and files that can be run.
struct Image {
    name: &'static str,
    cmd: &'static str,
    dirs: &'static [&'static str],
    programs: &'static [(&'static str, &'static str)],
}

/// A web page that is made anew each time.
const ENTRY: &str = "entry";
const PAGE: &str = "www/cgi-bin/index.cgi";

const DATABASE: Image = Image {
    name: "mariadb:10.6.4-focal",
    cmd: r#"["mariadbd"]"#,
    dirs: &["var/lib", "var/lib/mysql"],
    programs: &[(
        ENTRY,
        "[ -e /var/lib/mysql/index.html ] || echo \"$MYSQL_DATABASE of $MYSQL_USER, $*\" > /var/lib/mysql/index.html
exec httpd -f -p 3306 -h /var/lib/mysql",
    )],
};

const WORDPRESS: Image = Image {
    name: "wordpress:latest",
    cmd: "[]",
    dirs: &["www"],
    programs: &[(
        ENTRY,
        "until wget -q -O /www/index.html http://$WORDPRESS_DB_HOST:3306/; do sleep 0.1; done
exec httpd -f -p 80 -h /www",
    )],
};

const REDIS: Image = Image {
    name: "redis:alpine",
    cmd: "[]",
    dirs: &["www", "www/cgi-bin"],
    programs: &[
        (ENTRY, "exec httpd -f -p 6379 -h /www"),
        (
            PAGE,
            "hits=$(($(cat /hits 2>/dev/null || echo 0) + 1)); echo $hits > /hits
printf 'Content-Type: text/plain\\r\\n\\r\\n%s\\n' $hits",
        ),
    ],
};

const COUNTER: Image = Image {
    name: "counter-web",
    cmd: "[]",
    dirs: &["www", "www/cgi-bin"],
    programs: &[
        (ENTRY, "export FLASK_DEBUG; exec httpd -f -p 5000 -h /www"),
        (
            PAGE,
            "printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo seen $(wget -q -O - http://redis:6379/) times, debug $FLASK_DEBUG",
        ),
    ],
};

const NGINX: Image = Image {
    name: "nginx",
    cmd: r#"["nginx"]"#,
    dirs: &["etc/nginx", "etc/nginx/conf.d", "www", "www/cgi-bin"],
    programs: &[
        (ENTRY, "exec \"$@\""),
        ("bin/bash", "exec /bin/sh \"$@\""),
        ("bin/envsubst", "exec sed \"s/\\$FLASK_SERVER_ADDR/$FLASK_SERVER_ADDR/\""),
        (
            "bin/nginx",
            "to=$(sed -n 's/.*proxy_pass *\\(http:[^;]*\\);.*/\\1/p' /etc/nginx/conf.d/default.conf)
printf '#!/bin/sh\\nprintf \"Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n\"\\nwget -q -O - %s/\\n' \"$to\" > /www/cgi-bin/index.cgi
chmod 755 /www/cgi-bin/index.cgi
exec httpd -f -p 80 -h /www",
        ),
    ],
};

const BACKEND: Image = Image {
    name: "flask-backend",
    cmd: "[]",
    dirs: &["src", "www", "www/cgi-bin"],
    programs: &[
        (ENTRY, "exec httpd -f -p $FLASK_SERVER_PORT -h /www"),
        (
            PAGE,
            "printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo $(cat /src/server.py), $(wget -q -O - http://mongo:27017/)",
        ),
    ],
};

const MONGO: Image = Image {
    name: "mongo",
    cmd: "[]",
    dirs: &["www"],
    programs: &[(ENTRY, "echo from mongo > /www/index.html; exec httpd -f -p 27017 -h /www")],
};

const POSTGRES: Image = Image {
    name: "docker.io/library/postgres:14",
    cmd: "[]",
    dirs: &["var/lib", "var/lib/postgresql", "var/lib/postgresql/data"],
    programs: &[(
        ENTRY,
        "cd /var/lib/postgresql/data; [ -e index.html ] || echo $POSTGRES_DB of $POSTGRES_USER > index.html
exec httpd -f -p 5432 -h /var/lib/postgresql/data",
    )],
};

const GITEA: Image = Image {
    name: "docker.io/gitea/gitea:1.22",
    cmd: "[]",
    dirs: &["data"],
    programs: &[(
        ENTRY,
        "until wget -q -O /data/index.html http://$GITEA__database__HOST/; do sleep 0.1; done
[ -s /etc/localtime ] && httpd -p 22 -h /data && exec httpd -f -p 3000 -h /data",
    )],
};

const PROMETHEUS: Image = Image {
    name: "prom/prometheus",
    cmd: r#"["--config.file=/none"]"#,
    dirs: &["etc/prometheus", "prometheus"],
    programs: &[(
        ENTRY,
        "cp ${1#--config.file=} /prometheus/index.html; exec httpd -f -p 9090 -h /prometheus",
    )],
};

const GRAFANA: Image = Image {
    name: "grafana/grafana",
    cmd: "[]",
    dirs: &["etc/grafana", "etc/grafana/provisioning", "www", "www/cgi-bin"],
    programs: &[
        (ENTRY, "exec httpd -f -p 3000 -h /www"),
        (
            PAGE,
            "printf 'Content-Type: text/plain\\r\\n\\r\\n'
url=$(sed -n 's/.*url: *//p' /etc/grafana/provisioning/datasources/datasource.yml)
echo $GF_SECURITY_ADMIN_USER sees $(wget -q -O - $url/)",
        ),
    ],
};

/// A machine with a file, the files beside it, and the images.
struct Bed<'p> {
    place: &'p Place,
    machine: Machine,
    dir: &'static str,
}

impl<'p> Bed<'p> {
    /// `None`, said aloud, where there is no busybox or no machine.
    fn of(
        place: &'p Place,
        (dir, text): (&'static str, &str),
        images: &[Image],
        files: &[(&str, &str)],
    ) -> Option<Self> {
        let (busybox, machine) = (busybox()?, Machine::new()?);
        place.make_dir(dir);
        place.write(&format!("{dir}/docker-compose.yml"), text);
        for (name, text) in files {
            if let Some((folder, _)) = name.rsplit_once('/') {
                place.make_dir(&format!("{dir}/{folder}"));
            }
            place.write(&format!("{dir}/{name}"), text);
        }
        for (number, image) in images.iter().enumerate() {
            let name = format!("image{number}");
            let layer = image.dirs.iter().fold(Builder::default(), |layer, dir| layer.dir(dir, 0o755));
            let layer = image.programs.iter().fold(layer, |layer, (path, script)| {
                layer.file(path, 0o755, format!("#!/bin/sh\n{script}\n").as_bytes())
            });
            let config = format!(r#"{{"Entrypoint":["/entry"],"Cmd":{},"Env":["PATH=/bin"]}}"#, image.cmd);
            layout(place, &name, &[base(&busybox).finish(), layer.finish()], &config);
            machine.ok(place, &format!("image load oci:{name} --name {}", image.name));
        }
        machine.ok(place, &format!("import {dir}/docker-compose.yml --to {dir}/lab.loom.yml"));
        let bed = Self { place, machine, dir };
        bed.up();
        Some(bed)
    }

    fn up(&self) {
        self.machine.ok(self.place, &format!("up {}/lab.loom.yml", self.dir));
    }

    /// The page at a published port, once it has these words in it.
    fn page(&self, port: u16, words: &str) {
        let script = format!(
            "import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/', timeout=5).read().decode())"
        );
        eventually(words, || {
            let done = self.machine.python(&script);
            done.out.contains(words).then_some(())
        });
    }
}

/// As root, and as an ordinary user where the file needs no port below 1024.
fn each(low_ports: bool, test: impl Fn(&Place)) {
    for_each(|place| {
        if !low_ports || place.is_root() {
            test(place);
        }
    });
}

#[test]
fn wordpress_with_its_database() {
    each(true, |place| {
        let file = ("wordpress", include_str!("wordpress.yaml"));
        let Some(bed) = Bed::of(place, file, &[DATABASE, WORDPRESS], &[]) else { return };
        let words = "wordpress of wordpress, --default-authentication-plugin=mysql_native_password";
        bed.page(80, words);
        // What the database has written is there again.
        bed.machine.ok(place, "down");
        let text = std::fs::read_to_string(place.path("wordpress/lab.loom.yml")).unwrap();
        place.write(
            "wordpress/lab.loom.yml",
            &text.replace("MYSQL_DATABASE: wordpress", "MYSQL_DATABASE: new"),
        );
        bed.up();
        bed.page(80, words);
        bed.machine.ok(place, "down --volumes");
    });
}

#[test]
fn a_counter_with_redis() {
    each(false, |place| {
        let file = ("counter", include_str!("counter.yaml"));
        let Some(bed) = Bed::of(place, file, &[COUNTER, REDIS], &[]) else { return };
        bed.page(8000, "seen 1 times, debug true");
        bed.page(8000, "seen 2 times");
        bed.machine.ok(place, "down");
    });
}

#[test]
fn nginx_before_flask_before_mongo() {
    each(true, |place| {
        let files = [
            ("nginx/nginx.conf", "server { location / { proxy_pass http://$FLASK_SERVER_ADDR; } }\n"),
            ("flask/server.py", "hello\n"),
        ];
        let file = ("flask", include_str!("flask.yaml"));
        let Some(bed) = Bed::of(place, file, &[NGINX, BACKEND, MONGO], &files) else { return };
        bed.page(80, "hello, from mongo");
        // The source lies beside the file, and is edited there.
        place.write("flask/flask/server.py", "hello again\n");
        bed.page(80, "hello again, from mongo");
        bed.machine.ok(place, "down");
    });
}

#[test]
fn gitea_with_postgres() {
    each(true, |place| {
        let file = ("gitea", include_str!("gitea.yaml"));
        let Some(bed) = Bed::of(place, file, &[GITEA, POSTGRES], &[]) else { return };
        bed.page(3000, "gitea of gitea");
        bed.page(222, "gitea of gitea");
        // By the name of its container, which is not that of its service: from /etc/hosts, and by DNS.
        for name in ["gitea", "server"] {
            let page = bed.machine.ok(place, &format!("exec -T db -- wget -q -O - http://{name}:3000/"));
            assert_eq!(page, "gitea of gitea\n");
            let found =
                bed.machine.ok(place, &format!("exec -T db -- /bin/busybox nslookup {name}.default.gitea"));
            assert!(name == "gitea" || found.contains("Address"), "{found}");
        }
        bed.machine.ok(place, "down");
        // Directories that were not there have been made, as Compose makes them, and are the user's.
        let kept = std::fs::read_to_string(place.path("gitea/postgres/index.html")).unwrap();
        assert_eq!(kept, "gitea of gitea\n");
    });
}

#[test]
fn grafana_with_prometheus() {
    each(false, |place| {
        let files = [
            ("prometheus/prometheus.yml", "scrape_interval: 15s\n"),
            ("grafana/datasource.yml", "datasources:\n- url: http://prometheus:9090\n"),
        ];
        let file = ("prometheus", include_str!("prometheus.yaml"));
        let Some(bed) = Bed::of(place, file, &[PROMETHEUS, GRAFANA], &files) else { return };
        bed.page(9090, "scrape_interval: 15s");
        bed.page(3000, "admin sees scrape_interval: 15s");
        bed.machine.ok(place, "down --volumes");
    });
}

//! `depends_on` and `healthcheck`.

use netloom_lab::yaml::Value;

use super::service::{Project, time};
use crate::made::{Made, Map};
use crate::read::{Field, Reading, find};

/// Who comes first.
pub(super) fn after(
    reading: &mut Reading<'_>,
    project: &Project<'_>,
    field: Field<'_>,
    what: &str,
    map: &mut Map,
) {
    let mut all = Vec::new();
    for (service, condition) in services(reading, field) {
        let word = match condition.as_str() {
            "service_started" => "",
            "service_healthy" => " healthy",
            "service_completed_successfully" => " done",
            other => {
                reading.error(field.node.span, format!("`{other}` is nothing to wait for"), None);
                continue;
            }
        };
        if project.left_out.contains(&service.as_str()) {
            reading.note(
                field.span,
                format!("{what}.{service}"),
                "not carried over: that service is left out",
            );
        } else if project.services.new_name(&service).is_none() {
            reading.error(field.node.span, format!("there is no service `{service}`"), None);
        } else {
            all.extend(project.node_names(&service).into_iter().map(|node| format!("{node}{word}")));
        }
    }
    map.list("after", all);
}

/// Services and what of each is waited for.
fn services(reading: &mut Reading<'_>, field: Field<'_>) -> Vec<(String, String)> {
    let started = || "service_started".to_owned();
    if !matches!(field.node.value, Value::Map(_)) {
        return reading.texts(field).into_iter().map(|name| (name, started())).collect();
    }
    let fields = reading.fields(field.node, "`depends_on`");
    let one = |reading: &mut Reading<'_>, field: Field<'_>| {
        let keys = reading.fields(field.node, "a dependency");
        let condition = find(&keys, "condition").and_then(|field| reading.text(field));
        (field.name.to_owned(), condition.unwrap_or_else(started))
    };
    fields.into_iter().map(|field| one(reading, field)).collect()
}

/// Whether it is well.
pub(super) fn health(reading: &mut Reading<'_>, field: Field<'_>, what: &str, map: &mut Map) {
    let keys = reading.fields(field.node, "`healthcheck`");
    if find(&keys, "disable").is_some_and(|field| reading.flag(field)) {
        map.text("health", "none");
        return;
    }
    let Some(test) = find(&keys, "test") else {
        reading.note(
            field.span,
            what,
            "not carried over: the check is that of the image, with its own times",
        );
        return;
    };
    let mut health = Map::default();
    let words = reading.texts(test);
    match (words.first().map(String::as_str), test.node.text()) {
        (_, Some(text)) => health.text("run", text),
        (Some("NONE"), None) => {
            map.text("health", "none");
            return;
        }
        (Some("CMD-SHELL"), None) => health.text("run", words.get(1..).unwrap_or_default().join(" ")),
        (Some("CMD"), None) => health.list("run", words.get(1..).unwrap_or_default().to_vec()),
        _ => {
            let hint = Some("a list begins with CMD, CMD-SHELL or NONE");
            reading.error(test.node.span, "this is no health check", hint);
            return;
        }
    }
    for field in keys {
        match field.name {
            "test" | "disable" => {}
            "interval" | "timeout" => time(reading, field.name, field, &mut health),
            "start_period" => time(reading, "start-period", field, &mut health),
            "retries" => {
                let retries = reading.text(field).unwrap_or_default();
                health.put("retries", Made::Bare(retries));
            }
            _ => reading.note(field.span, format!("{what}.{}", field.name), "not carried over"),
        }
    }
    map.map("health", health);
}

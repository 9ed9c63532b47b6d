//! Functions as tables, and two of them side by side.

use netloom_api::{AttributesRow, BarRow, FunctionInfo, FunctionRow, SpaceRow};

use super::words::memory;

pub(super) const HEADERS: [&str; 8] =
    ["NAME", "ADDRESS", "IDS", "DRIVER", "IOMMU GROUP>", "NUMA>", "VFS", "OWNER"];

pub(super) fn row(row: &FunctionRow) -> Vec<String> {
    let number = |n: Option<u32>| n.map(|n| n.to_string()).unwrap_or_default();
    let vfs = match (row.vfs, &row.attributes) {
        (Some((now, most)), _) => format!("{now} of {most}"),
        (None, Some(attributes)) => words(attributes),
        (None, None) => String::new(),
    };
    // Legacy is what a card is unless somebody asked for more.
    let switch = row.eswitch.clone().filter(|mode| mode != "legacy");
    let represented = row.representor.as_ref().map(|name| format!("by {name}"));
    let vfs: Vec<String> = [vfs].into_iter().chain(switch).chain(represented).collect();
    let vfs = vfs.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(", ");
    vec![
        row.name.clone(),
        row.address.clone(),
        row.ids.clone(),
        row.driver.clone().unwrap_or_default(),
        number(row.iommu_group),
        number(row.numa_node),
        vfs,
        row.owner.clone(),
    ]
}

/// What is out of the ordinary.
fn words(it: &AttributesRow) -> String {
    let mut words = Vec::new();
    let mut add = |is: bool, word: String| is.then(|| words.push(word));
    add(!it.mac.is_empty(), it.mac.clone());
    add(it.vlan != 0, format!("vlan {}", it.vlan));
    add(!it.spoof_check, "no spoof check".to_owned());
    add(it.trust, "trusted".to_owned());
    add(it.min_rate != 0, format!("at least {} Mbit/s", it.min_rate));
    add(it.max_rate != 0, format!("at most {} Mbit/s", it.max_rate));
    add(it.state != "auto", it.state.clone());
    words.join(", ")
}

/// One line of each space that has the thing.
type Line = (String, String, String);

/// A PF and a VF side by side.
pub(super) fn sides(info: &FunctionInfo) -> String {
    let none = SpaceRow::default();
    let vf = info.vf_space.as_ref();
    let (a, b) = (&info.pf_space, vf.unwrap_or(&none));
    let mut lines: Vec<Line> = vec![(String::new(), "PF".to_owned(), "VF".to_owned())];
    let mut both = |what: &str, of: &dyn Fn(&FunctionRow) -> String| {
        let right = info.vf.as_ref().map(of).unwrap_or_default();
        lines.push((what.to_owned(), of(&info.pf), right));
    };
    both("name", &|row| row.name.clone());
    both("address", &|row| row.address.clone());
    both("devices", &|row| row.devices.join(" "));
    both("driver", &|row| row.driver.clone().unwrap_or_default());
    both("iommu group", &|row| row.iommu_group.map(|group| group.to_string()).unwrap_or_default());
    both("shared with", &|row| row.companions.join(" "));
    both("numa node", &|row| row.numa_node.map(|node| node.to_string()).unwrap_or_default());
    both("vfs", &|row| row.vfs.map(|(now, most)| format!("{now} of {most}")).unwrap_or_default());
    both("eswitch", &|row| row.eswitch.clone().unwrap_or_default());
    both("representor", &|row| row.representor.clone().unwrap_or_default());
    both("owner", &|row| row.owner.clone());
    both("settings", &|row| row.attributes.as_ref().map(words).unwrap_or_default());
    let mut spaces = |what: &str, of: &dyn Fn(&SpaceRow) -> String| {
        let right = vf.map(of).unwrap_or_default();
        lines.push((what.to_owned(), of(a), right));
    };
    spaces("ids", &|space| match space.ids == space.means {
        true => space.ids.clone(),
        false => format!("{} ({})", space.ids, space.means),
    });
    spaces("board", &|space| space.subsystem.clone());
    spaces("class", &|space| space.class.clone());
    spaces("revision", &|space| space.revision.to_string());
    spaces("command", &|space| space.command.join(", "));
    for index in 0..6 {
        let of =
            |space: &SpaceRow| space.bars.iter().find(|it| it.index == index).map(bar).unwrap_or_default();
        spaces(&format!("bar {index}"), &of);
    }
    spaces("msi-x", &msix);
    lines.extend(capabilities(a, b));
    lines.extend(sriov(a));
    lines.retain(|(_, left, right)| !left.is_empty() || !right.is_empty());
    let mut text = columns(&lines);
    if a.cut || b.cut {
        let bytes = a.bytes.min(vf.map_or(a.bytes, |space| space.bytes));
        text += &format!("Only {bytes} bytes of a space could be read: root sees all of them.\n");
    }
    text
}

fn bar(bar: &BarRow) -> String {
    let size = bar.size.map(|size| format!(", {}", memory(size))).unwrap_or_default();
    format!("{} {}{size}", bar.address, bar.kind)
}

fn msix(space: &SpaceRow) -> String {
    let Some(it) = &space.msix else { return String::new() };
    let state = if it.enabled { "on" } else { "off" };
    let place = |(bar, at): (u8, u32)| format!("bar {bar} {at:#x}");
    format!("{} vectors, {state}, table {}, pending {}", it.vectors, place(it.table), place(it.pending))
}

/// The capabilities of either, by the first one's order.
fn capabilities(a: &SpaceRow, b: &SpaceRow) -> Vec<Line> {
    let mut keys: Vec<(bool, u16)> = Vec::new();
    for it in a.capabilities.iter().chain(&b.capabilities) {
        if !keys.contains(&(it.extended, it.id)) {
            keys.push((it.extended, it.id));
        }
    }
    keys.sort_by_key(|(extended, _)| *extended);
    let of = |space: &SpaceRow, key: (bool, u16)| {
        let found = space.capabilities.iter().find(|it| (it.extended, it.id) == key);
        found.map(|it| format!("{:#05x} {}", it.at, it.name)).unwrap_or_default()
    };
    let what = |(extended, id): (bool, u16)| {
        if extended { format!("extended {id:#06x}") } else { format!("capability {id:#04x}") }
    };
    keys.into_iter().map(|key| (what(key), of(a, key), of(b, key))).collect()
}

fn sriov(space: &SpaceRow) -> Vec<Line> {
    let Some(it) = &space.sriov else { return Vec::new() };
    let on = |is: bool| if is { "on" } else { "off" };
    let (now, initial, total) = it.vfs;
    let mut lines = vec![
        ("sr-iov", format!("{}, memory {}", on(it.enabled), on(it.memory))),
        ("  vfs", format!("{now}, {initial} at first, {total} at most")),
        ("  place", format!("first at +{}, then every {}", it.offset, it.stride)),
        ("  vf ids", it.vf_ids.clone()),
        ("  page size", memory(it.page_size)),
    ];
    lines.extend(it.bars.iter().map(|it| ("  vf bar", format!("{}: {}", it.index, bar(it)))));
    lines.into_iter().map(|(what, text)| (what.to_owned(), text, String::new())).collect()
}

fn columns(lines: &[Line]) -> String {
    let width =
        |of: fn(&Line) -> &String| lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
    let (first, second) = (width(|line| &line.0), width(|line| &line.1));
    let line = |(what, left, right): &Line| format!("{what:first$}  {left:second$}  {right}");
    lines.iter().map(|it| line(it).trim_end().to_owned() + "\n").collect()
}

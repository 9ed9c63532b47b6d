//! The text of groups and meters: real ones, wrong ones, random ones.

mod random;

use std::fmt::Write as _;

use netloom_flow::check::Scope;
use netloom_flow::text::{
    BandKind, BandText, BucketText, GroupKind, GroupText, MeterText, MeterUnit, SelectionMethod,
    SelectionText, no_names, parse_group, parse_group_filter, parse_meter, parse_meter_filter,
};
use netloom_flow::{FieldId, FlowMatch, FlowTextError, OfPort, TableId};
use proptest::prelude::*;

/// Groups as ovs-ofctl(8) has them.
const GROUPS: &str = "
group_id=1,type=all,bucket=output:1,bucket=output:2
group_id=1 type=all bucket=output:1 bucket=output:2
group_id=1,type=all
group_id=1,type=select,selection_method=dp_hash,selection_method_param=7,bucket=weight:10,output:1,bucket=weight:20,actions=output:2
group_id=1,type=select,selection_method=hash,fields(eth_dst,ip_dst,tcp_dst),bucket=bucket_id:0,weight:100,watch_port:1,actions=output:1
group_id=1,type=select,selection_method=hash,fields=ip_src,bucket=output:1
group_id=1,type=select,selection_method=hash,fields(nw_src=255.255.0.0,eth_dst=0xffffff),bucket=1
group_id=1234,type=indirect,bucket=actions=output:3
group_id=1,type=ff,bucket=watch_port:1,actions=output:1,bucket=watch_group:2,output:2
group_id=1,type=fast_failover,bucket=watch_port:2,watch_group:5,actions=set_field:1.1.1.1->nw_src,output:1
group_id=4294967040,type=all,bucket=actions=push_vlan:0x8100,set_field:4106->vlan_vid,ct(commit,zone=5),resubmit(,3)
group_id=1,type=all,bucket=drop,bucket=actions=drop
group_id=1,type=all,command_bucket_id=last,bucket=bucket_id:7,actions=group:2
";

/// What is no group, and why is told.
const WRONG_GROUPS: &str = "

group_id=1
type=all,bucket=output:1
group_id=4294967041,type=all
group_id=1,type=any,bucket=1
group_id=1,type=indirect
group_id=1,type=indirect,bucket=1,bucket=2
group_id=1,type=all,bucket=
group_id=1,type=all,bucket=weight:5
group_id=1,type=all,bucket=weight:5,output:1
group_id=1,type=ff,bucket=output:1
group_id=1,type=ff,bucket=watch_port:FLOOD,output:1
group_id=1,type=select,selection_method=best,bucket=1
group_id=1,type=all,selection_method=hash,bucket=1
group_id=1,type=select,fields(ip_scr),bucket=1
group_id=1,type=select,fields(nw_proto=3),bucket=1
group_id=1,type=select,bucket=output:1,bucket=outptu:2
group_id=1,type=all,bucket=goto_table:1
group_id=1,type=all,bukcet=1
";

/// Meters as ovs-ofctl(8) has them.
const METERS: &str = "
meter=1,kbps,bands=type=drop,rate=1000
meter=1 pktps burst stats bands=type=drop rate=1000 burst_size=100
meter=5,kbps,burst,band=type=drop,rate=1000,burst_size=100,type=dscp_remark,rate=500,prec_level=1
meter=controller,pktps,band=type=drop,rate=100
meter=slowpath,pktps,band=type=drop,rate=100
";

/// What is no meter, and why is told.
const WRONG_METERS: &str = "

meter=1
kbps,bands=type=drop,rate=1
meter=1,kbps
meter=1,bands=type=drop,rate=1
meter=0,kbps,bands=type=drop,rate=1
meter=1,kbps,bands=rate=1
meter=1,kbps,bands=type=mark,rate=1
meter=1,kbps,bands=type=drop,rate=1,prec_level=1
meter=1,kbps,bands=type=drop,rate
meter=1,kpbs,bands=type=drop,rate=1
";

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(1)
}

/// What is printed of each, which is read back to the same.
fn printed<T: std::fmt::Display + PartialEq + std::fmt::Debug>(
    texts: &str,
    parse: impl Fn(&str) -> Result<T, FlowTextError>,
) -> String {
    let mut table = String::new();
    for line in lines(texts) {
        let value = parse(line).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        let printed = value.to_string();
        assert_eq!(parse(&printed).as_ref(), Ok(&value), "{line}\n{printed}");
        writeln!(table, "{line}\n    {printed}").expect("to a string");
    }
    table
}

fn refused<T: std::fmt::Debug>(texts: &str, parse: impl Fn(&str) -> Result<T, FlowTextError>) -> String {
    let mut table = String::new();
    for line in lines(texts) {
        let FlowTextError { span, message, hint } = parse(line).expect_err(line);
        assert!(line.get(span.clone()).is_some(), "{line}: {span:?}");
        let mark = format!("{}{}", " ".repeat(span.start), "^".repeat(span.len().max(1)));
        writeln!(table, "{line}\n{mark} {message}").expect("to a string");
        if let Some(hint) = hint {
            writeln!(table, "    hint: {hint}").expect("to a string");
        }
    }
    table
}

#[test]
fn real_groups_and_meters() {
    insta::assert_snapshot!("real_groups", printed(GROUPS, |text| parse_group(text, &no_names)));
    insta::assert_snapshot!("real_meters", printed(METERS, parse_meter));
}

#[test]
fn wrong_groups_and_meters() {
    insta::assert_snapshot!("wrong_groups", refused(WRONG_GROUPS, |text| parse_group(text, &no_names)));
    insta::assert_snapshot!("wrong_meters", refused(WRONG_METERS, parse_meter));
}

#[test]
fn a_deletion_needs_no_more_than_a_number() {
    let all = parse_group_filter("group_id=all", &no_names).expect("all groups");
    assert_eq!((all.group, all.kind), (GroupText::ALL, None));
    let buckets = parse_group_filter("group_id=5,command_bucket_id=all", &no_names).expect("all buckets");
    assert_eq!((buckets.group, buckets.command_bucket), (5, Some(GroupText::ALL_BUCKETS)));
    assert_eq!(parse_meter_filter("meter=all").map(|meter| meter.meter), Ok(MeterText::ALL));
}

fn bucket(kind: GroupKind) -> impl Strategy<Value = BucketText> {
    let option = || prop::option::of(0..0xff00_u32);
    (option(), any::<u16>(), option(), 1..0xfeff_u32, random::list()).prop_map(
        move |(id, weight, watch_group, watch_port, actions)| {
            let weight = (kind == GroupKind::Select).then_some(weight);
            let watch_port = (kind == GroupKind::FastFailover).then_some(OfPort(watch_port));
            let actions = random::allowed(actions, &FlowMatch::any(), TableId(0), Scope::Bucket);
            BucketText { id, weight, watch_port, watch_group, actions }
        },
    )
}

fn group() -> impl Strategy<Value = GroupText> {
    let kinds = vec![GroupKind::All, GroupKind::Select, GroupKind::Indirect, GroupKind::FastFailover];
    prop::sample::select(kinds).prop_flat_map(|kind| {
        let count = if kind == GroupKind::Indirect { 1..2 } else { 0..4_usize };
        let method = prop::sample::select(vec![SelectionMethod::DpHash, SelectionMethod::Hash]);
        let fields =
            vec![(FieldId::EthDst, 0xff), (FieldId::Ipv4Src, 0xffff_ffff), (FieldId::TcpDst, 0xffff)];
        let selection = (prop::option::of(method), any::<u64>(), prop::sample::subsequence(fields, 0..3));
        (0..=GroupText::MAX, selection, prop::collection::vec(bucket(kind), count)).prop_map(
            move |(group, (method, param, fields), buckets)| {
                let selection = match kind {
                    GroupKind::Select => SelectionText { method, param, fields },
                    _ => SelectionText::default(),
                };
                GroupText { group, kind: Some(kind), selection, command_bucket: None, buckets }
            },
        )
    })
}

fn meter() -> impl Strategy<Value = MeterText> {
    let kind = prop_oneof![
        Just(BandKind::Drop),
        any::<u8>().prop_map(|prec_level| BandKind::DscpRemark { prec_level })
    ];
    let band = (kind, any::<u32>(), any::<u32>()).prop_map(|(kind, rate, burst_size)| BandText {
        kind,
        rate,
        burst_size,
    });
    let unit = prop::sample::select(vec![MeterUnit::Kbps, MeterUnit::Pktps]);
    (1..=MeterText::MAX, unit, any::<bool>(), any::<bool>(), prop::collection::vec(band, 1..4)).prop_map(
        |(meter, unit, burst, stats, bands)| MeterText { meter, unit: Some(unit), burst, stats, bands },
    )
}

/// Words of groups and meters in any order.
fn soup() -> impl Strategy<Value = String> {
    let words: Vec<String> = [GROUPS, WRONG_GROUPS, METERS]
        .iter()
        .flat_map(|texts| texts.split([',', '\n', ' ']))
        .chain(["=", "bucket=", "(", ")", "\u{e4}", "actions="])
        .map(str::to_owned)
        .collect();
    prop::collection::vec(prop_oneof![4 => prop::sample::select(words), 1 => ".{0,3}"], 0..12)
        .prop_map(|words| words.join(","))
}

proptest! {
    #[test]
    fn groups_are_read_back(group in group()) {
        let text = group.to_string();
        prop_assert_eq!(parse_group(&text, &no_names), Ok(group), "{}", text);
    }

    #[test]
    fn meters_are_read_back(meter in meter()) {
        let text = meter.to_string();
        prop_assert_eq!(parse_meter(&text), Ok(meter), "{}", text);
    }

    #[test]
    fn no_text_panics_and_errors_point_into_it(text in prop_oneof![soup(), ".{0,40}"]) {
        let results = [
            parse_group(&text, &no_names).map(|_| ()),
            parse_group_filter(&text, &no_names).map(|_| ()),
            parse_meter(&text).map(|_| ()),
        ];
        for error in results.into_iter().filter_map(Result::err) {
            prop_assert!(text.get(error.span.clone()).is_some(), "{:?} of {:?}", error, text);
        }
    }
}

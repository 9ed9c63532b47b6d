//! What the columns of a port say about VLANs, for a lab.

use std::ops::RangeInclusive;

use netloom_lab::lab::Vlan;

/// VLANs that frames can be in.
const VLANS: RangeInclusive<u16> = 1..=4094;

/// Reads `vlan_mode`, `tag` and `trunks` as Open vSwitch does: without a mode, a port with a tag is an access port, another one
/// a trunk; the trunks of an access port and the tag of a trunk have no effect.
///
/// # Errors
/// A mode that ports of a lab do not have, a tag that is missing, a number that is no VLAN.
///
/// Source: ovs-vswitchd.conf.db(5), table Port.
pub(super) fn vlan(mode: Option<&str>, tag: Option<i64>, trunks: &[i64]) -> Result<Vlan, String> {
    let tagged = |mode: &str| {
        let tag = tag.ok_or_else(|| format!("vlan_mode {mode} needs a tag; clear vlan_mode, or set tag"))?;
        number(tag)
    };
    let numbers = || trunks.iter().map(|vlan| number(*vlan)).collect::<Result<Vec<u16>, String>>();
    match (mode, tag) {
        (None, None) if trunks.is_empty() => Ok(Vlan::Any),
        (None, Some(tag)) => number(tag).map(Vlan::Access),
        (Some("access"), _) => tagged("access").map(Vlan::Access),
        (None | Some("trunk"), _) => Ok(Vlan::Trunk { vlans: numbers()?, native: None }),
        (Some("native-untagged"), _) => {
            Ok(Vlan::Trunk { vlans: numbers()?, native: Some(tagged("native-untagged")?) })
        }
        (Some(other), _) => Err(format!(
            "vlan_mode {other} is none that ports of a lab have; these are access, trunk and native-untagged"
        )),
    }
}

fn number(vlan: i64) -> Result<u16, String> {
    let (least, most) = (VLANS.start(), VLANS.end());
    let known = u16::try_from(vlan).ok().filter(|vlan| VLANS.contains(vlan));
    known.ok_or_else(|| format!("{vlan} is no VLAN; these are {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_as_open_vswitch_reads_them() {
        let trunk = |vlans: &[u16], native| Ok(Vlan::Trunk { vlans: vlans.to_vec(), native });
        assert_eq!(vlan(None, None, &[]), Ok(Vlan::Any));
        assert_eq!(vlan(None, Some(12), &[]), Ok(Vlan::Access(12)));
        assert_eq!(vlan(None, Some(12), &[3]), Ok(Vlan::Access(12)), "trunks have no effect");
        assert_eq!(vlan(Some("access"), Some(4094), &[]), Ok(Vlan::Access(4094)));
        assert_eq!(vlan(None, None, &[3, 4]), trunk(&[3, 4], None));
        assert_eq!(vlan(Some("trunk"), Some(12), &[]), trunk(&[], None), "the tag has no effect");
        assert_eq!(vlan(Some("native-untagged"), Some(12), &[3]), trunk(&[3], Some(12)));
    }

    #[test]
    fn what_a_lab_cannot_have_is_an_error() {
        for (mode, tag, trunks, said) in [
            (Some("access"), None, &[][..], "needs a tag"),
            (Some("native-untagged"), None, &[3], "needs a tag"),
            (None, Some(0), &[], "0 is no VLAN"),
            (None, Some(4095), &[], "4095 is no VLAN"),
            (Some("trunk"), None, &[3, 0], "0 is no VLAN"),
            (Some("native-tagged"), Some(1), &[], "native-tagged is none"),
            (Some("dot1q-tunnel"), Some(1), &[], "dot1q-tunnel is none"),
        ] {
            let error = vlan(mode, tag, trunks).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}

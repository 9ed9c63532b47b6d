//! Fields on the wire: the headers of OXM and NXM, values and masks.
//!
//! ```text
//! class:16 field:7 has-mask:1 length:8 [experimenter:32 if class is 0xffff] value [mask]
//! ```
//!
//! The length counts what follows it. Both kinds of header are understood in every version.
//!
//! Source: OpenFlow 1.5.1 §7.2.3.2; ovs-fields(7), "Evolution of OpenFlow Fields".

mod header;
mod matches;

pub(crate) use header::{
    Style, put_field, put_listed, put_selected, put_value, read_assignment, read_field, read_listed,
    read_selected,
};
pub(crate) use matches::{
    Unknown, can_say, exact, put_fields, put_match, put_nxm, read_fields, read_match, read_match_body,
};

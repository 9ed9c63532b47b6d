//! One file per verb.

pub(crate) mod capture;
pub(crate) mod check;
pub(crate) mod cli;
pub(crate) mod completion;
pub(crate) mod daemon;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod exec;
pub(crate) mod flow;
pub(crate) mod graph;
pub(crate) mod link;
pub(crate) mod lint;
pub(crate) mod logs;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod node;
pub(crate) mod ping;
pub(crate) mod plan;
pub(crate) mod play;
pub(crate) mod reference;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod test;
pub(crate) mod top;
pub(crate) mod up;

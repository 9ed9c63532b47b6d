//! `netloom guest`, hidden: what runs inside a virtual machine is this very binary.

/// Arguments of `guest`.
#[derive(Debug, clap::Args)]
pub(crate) struct Guest {
    /// What it is there: `init`, `rig`, `agent`, `exec ..`, `probe` or `copy ..`; or outside, `qemu ..`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    words: Vec<String>,
}

impl Guest {
    pub(crate) fn run(self) -> u8 {
        match self.words.split_first() {
            Some((word, [])) if word == "probe" => return netloom_daemon::probe_inside(),
            Some((word, rest)) if word == "qemu" => {
                return u8::try_from(netloom_vm::rig::become_qemu(rest)).unwrap_or(1);
            }
            Some((word, rest)) if word == "copy" => return netloom_daemon::copy_inside(rest),
            _ => {}
        }
        u8::try_from(netloom_vm::guest::run(&self.words)).unwrap_or(1)
    }
}

//! `netloom guest`, hidden: what runs inside a virtual machine is this very binary.

/// Arguments of `guest`.
#[derive(Debug, clap::Args)]
pub(crate) struct Guest {
    /// What it is there: `init`, `agent` or `exec ..`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    words: Vec<String>,
}

impl Guest {
    pub(crate) fn run(self) -> u8 {
        u8::try_from(netloom_vm::guest::run(&self.words)).unwrap_or(1)
    }
}

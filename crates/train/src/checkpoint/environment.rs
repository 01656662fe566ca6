use serde::{Deserialize, Serialize};
use tinylsa_kernels::{instruction_set, widest_instruction_set};

/// The version of burn that this workspace is pinned to. burn itself does not say.
pub const BURN_VERSION: &str = "0.22.1";

/// What the last bits of a result depend on beside the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Environment {
    /// Version of this workspace.
    pub(crate) tinylsa: String,
    /// Version of burn.
    pub(crate) burn: String,
    /// The instruction set of the kernels.
    pub(crate) instruction_set: String,
    /// The widest instruction set of the machine.
    pub(crate) processor: String,
}

impl Environment {
    /// Of this process.
    pub(crate) fn here() -> Self {
        Self {
            tinylsa: env!("CARGO_PKG_VERSION").to_owned(),
            burn: BURN_VERSION.to_owned(),
            instruction_set: instruction_set().unwrap_or_else(|_| widest_instruction_set()).to_owned(),
            processor: widest_instruction_set().to_owned(),
        }
    }

    pub(super) fn versions(&self) -> String {
        format!("tinylsa {} with burn {}", self.tinylsa, self.burn)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_version_of_burn_is_the_one_that_the_workspace_pins() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
        let manifest = std::fs::read_to_string(path).unwrap();
        assert!(manifest.contains(&format!("burn = {{ version = \"={BURN_VERSION}\"")));
    }
}

use super::{Kernel, Simd, portable::Portable};
#[cfg(target_arch = "x86_64")]
use super::{x86_avx2::Avx2, x86_avx512::Avx512};
use std::sync::OnceLock;

use thiserror::Error;

/// The environment variable that chooses an instruction set.
const VARIABLE: &str = "TINYLSA_SIMD";

/// The environment variable `TINYLSA_SIMD` names no instruction set of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the environment variable {VARIABLE} is {found:?}, expected one of {}, which this machine has", available.join(", "))]
pub struct InstructionSetError {
    /// The value of the variable.
    pub found: String,
    /// The names of the machine's instruction sets, the widest last.
    pub available: Vec<&'static str>,
}

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Plain Rust, as fast as the baseline of the target allows.
    Portable,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The instruction sets of this machine, the widest last.
    pub(crate) fn available() -> Vec<Self> {
        #[allow(unused_mut)]
        let mut levels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if Avx2::new().is_some() {
                levels.push(Self::Avx2);
            }
            if Avx512::new().is_some() {
                levels.push(Self::Avx512);
            }
        }
        levels
    }

    /// The name by which `TINYLSA_SIMD` selects it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
        }
    }

    /// Largest group of vectors of this instruction set, [`Simd::MAX_VECTORS`].
    pub(crate) fn group_limit(self) -> usize {
        match self {
            Self::Portable => Portable::MAX_VECTORS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::MAX_VECTORS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::MAX_VECTORS,
        }
    }

    /// The instruction set in use: the one that the environment variable `TINYLSA_SIMD` names, or the widest. Read once.
    ///
    /// # Errors
    /// [`InstructionSetError`] if the machine lacks the one that is named, or nobody knows it.
    pub(crate) fn requested() -> Result<Self, InstructionSetError> {
        static REQUESTED: OnceLock<Result<Level, InstructionSetError>> = OnceLock::new();
        let wanted = || std::env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned());
        REQUESTED.get_or_init(|| Self::named(wanted().as_deref())).clone()
    }

    fn named(wanted: Option<&str>) -> Result<Self, InstructionSetError> {
        let levels = Self::available();
        match wanted.filter(|name| !name.is_empty()) {
            None => Ok(Self::widest()),
            Some(name) => {
                levels.iter().find(|level| level.name() == name).copied().ok_or_else(|| InstructionSetError {
                    found: name.to_owned(),
                    available: levels.iter().map(|level| level.name()).collect(),
                })
            }
        }
    }

    /// The widest instruction set of this machine.
    pub(crate) fn widest() -> Self {
        Self::available().last().copied().unwrap_or(Self::Portable)
    }

    /// The instruction set in use. An operation has nobody to tell of a wrong name and takes the widest then; programs
    /// ask [`instruction_set`] at their start.
    pub(crate) fn chosen() -> Self {
        static CHOSEN: OnceLock<Level> = OnceLock::new();
        *CHOSEN.get_or_init(|| Self::requested().unwrap_or_else(|_| Self::widest()))
    }
}

/// The name of the instruction set that the operations use. The last bits of a result depend on it, so it belongs to
/// every record of one. The environment variable `TINYLSA_SIMD` chooses it among `portable` and, where the machine has
/// them, `avx2` and `avx512`; without the variable it is the widest.
///
/// # Errors
/// [`InstructionSetError`] if the variable names none of the machine's.
pub fn instruction_set() -> Result<&'static str, InstructionSetError> {
    Level::requested().map(Level::name)
}

/// The name of the widest instruction set of this machine. burn's own matrix products use it whatever `TINYLSA_SIMD`
/// says.
pub fn widest_instruction_set() -> &'static str {
    Level::widest().name()
}

/// Runs a kernel with the chosen instruction set.
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    run_on(Level::chosen(), kernel)
}

/// Runs a kernel with a given instruction set, or portably if the machine lacks it.
pub(crate) fn run_on<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => {
            if let Some(simd) = Avx512::new() {
                return simd.run(kernel);
            }
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => {
            if let Some(simd) = Avx2::new() {
                return simd.run(kernel);
            }
        }
        Level::Portable => {}
    }
    kernel.run(Portable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_is_used_unless_another_is_named() {
        assert_eq!(Level::named(None), Ok(Level::widest()));
        assert_eq!(Level::named(Some("")), Ok(Level::widest()));
        for level in Level::available() {
            assert_eq!(Level::named(Some(level.name())), Ok(level));
        }
    }

    #[test]
    fn a_name_that_the_machine_lacks_is_refused_with_those_it_has() {
        for wrong in ["avx-512", "AVX2", "sse9", "portable "] {
            let error = Level::named(Some(wrong)).unwrap_err();
            assert_eq!(error.found, wrong);
            let text = error.to_string();
            assert!(text.contains(&format!("TINYLSA_SIMD is {wrong:?}, expected one of portable")), "{text}");
        }
    }
}

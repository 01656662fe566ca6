use super::{Kernel, Simd, portable::Portable};
#[cfg(target_arch = "x86_64")]
use super::{x86_avx2::Avx2, x86_avx512::Avx512};
use std::sync::OnceLock;

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

    /// The instruction set in use: the widest, or the one that the environment variable `TINYLSA_SIMD` names if the
    /// machine has it. Read once.
    pub(crate) fn chosen() -> Self {
        static CHOSEN: OnceLock<Level> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let wanted = std::env::var("TINYLSA_SIMD").ok();
            let levels = Self::available();
            let named = levels.iter().find(|level| wanted.as_deref() == Some(level.name()));
            named.or(levels.last()).copied().unwrap_or(Self::Portable)
        })
    }
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

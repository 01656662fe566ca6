//! Randomness that is a pure function of a name.
//!
//! Every random decision in the project is drawn from a generator that is made for that decision alone and keyed by
//! what the decision is: a seed, a purpose, an epoch and an index. There is no shared stream, so the same decision
//! comes out with the same bits whatever the number of threads, the order of the work, or the step at which an
//! interrupted run was taken up again.
//!
//! The generator is `ChaCha` with eight rounds (Bernstein 2008). Its 256-bit key holds exactly the four 64-bit words of
//! a [`Draw`], so two different draws can never share a stream.
//!
//! ```
//! use rand_chacha::rand_core::Rng;
//! use tinylsa_random::{Draw, Purpose};
//!
//! const SHUFFLE: Purpose = Purpose::new("shuffle");
//! let draw = Draw { seed: 7, purpose: SHUFFLE, epoch: 3, index: 0 };
//! assert_eq!(draw.generator().next_u64(), draw.generator().next_u64());
//! ```

#![forbid(unsafe_code)]
#![deny(missing_docs)]

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a random decision is for; two purposes never share a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Purpose(u64);

impl Purpose {
    /// The purpose with this name, told apart from others by the 64-bit FNV-1a hash of the name.
    pub const fn new(name: &str) -> Self {
        const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let bytes = name.as_bytes();
        let mut hash = OFFSET_BASIS;
        let mut position = 0;
        while position < bytes.len() {
            hash = (hash ^ bytes[position] as u64).wrapping_mul(PRIME);
            position += 1;
        }
        Self(hash)
    }
}

/// The full name of one random decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draw {
    /// The seed of the whole run or call.
    pub seed: u64,
    /// What is being decided.
    pub purpose: Purpose,
    /// The epoch, or any outer counter; 0 where there is none.
    pub epoch: u64,
    /// The index of the image, sample or parameter.
    pub index: u64,
}

impl Draw {
    /// A generator for this decision alone.
    pub fn generator(self) -> ChaCha8Rng {
        let mut key = [0; 32];
        let words = [self.seed, self.purpose.0, self.epoch, self.index];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        ChaCha8Rng::from_seed(key)
    }
}

/// The example of the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand_chacha::rand_core::Rng;

    use super::*;

    #[test]
    fn every_word_of_the_name_changes_the_stream() {
        let base = Draw { seed: 1, purpose: Purpose::new("a"), epoch: 0, index: 0 };
        let draws = [
            base,
            Draw { seed: 2, ..base },
            Draw { purpose: Purpose::new("b"), ..base },
            Draw { epoch: 1, ..base },
            Draw { index: 1, ..base },
        ];
        let firsts: HashSet<u64> = draws.iter().map(|draw| draw.generator().next_u64()).collect();
        assert_eq!(firsts.len(), draws.len());
    }

    #[test]
    fn the_stream_is_fixed_for_ever() {
        let draw = Draw { seed: 1, purpose: Purpose::new("weights"), epoch: 2, index: 3 };
        assert_eq!(draw.generator().next_u64(), 9_478_325_427_676_680_746);
    }
}

//! The published collections that this crate knows: names, addresses and checksums.

pub use fashion_mnist::{FASHION_MNIST, FASHION_MNIST_CLASSES};
pub use kmnist::KMNIST;
pub use mnist::MNIST;

use super::publication::Publication;

mod fashion_mnist;
mod kmnist;
mod mnist;

/// All of them. They call their files alike, so that a file of one may lie where that of another is expected.
pub(super) const PUBLICATIONS: &[&Publication] = &[&FASHION_MNIST, &MNIST, &KMNIST];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SOURCES;

    #[test]
    fn the_publication_of_every_source_is_listed_and_no_other() {
        let of_sources: Vec<&Publication> = SOURCES.iter().filter_map(|source| source.publication()).collect();
        assert_eq!(of_sources, PUBLICATIONS);
    }
}

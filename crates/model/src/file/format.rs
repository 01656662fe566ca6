//! The keys and ranges of a model file.

use std::ops::RangeInclusive;

/// The one metadata key: a map with several would not always be written in the same order.
pub(super) const METADATA_KEY: &str = "tinylsa";

/// The key of the checksum beside those of the description.
pub(super) const CHECKSUM_KEY: &str = "sha256";

/// The key of the kind of network.
pub(super) const KIND_KEY: &str = "kind";

/// The temperatures that a model file may hold. Those of real networks lie between 0.3 and 5; at the ends of this range
/// every probability is 0 or 1, or all classes are equally probable, so that beyond it the number cannot have been
/// fitted.
pub const TEMPERATURES: RangeInclusive<f64> = 0.01..=100.0;

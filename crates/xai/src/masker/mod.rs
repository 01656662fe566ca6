//! Pictures of which some superpixels are hidden.

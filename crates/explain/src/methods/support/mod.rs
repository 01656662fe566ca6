//! What methods of one family have in common.

pub(super) mod attention;
pub(super) mod gradients;
pub(super) mod segments;

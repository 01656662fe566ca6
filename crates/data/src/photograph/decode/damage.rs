//! Faults that every format can have.

use crate::photograph::error::PhotographFault;
use crate::photograph::limits::MAX_PIXELS;

pub(super) fn damaged(reason: impl Into<String>) -> PhotographFault {
    PhotographFault::Damaged { reason: reason.into() }
}

/// Refuses more pixels than [`MAX_PIXELS`].
pub(super) fn require_size(width: u64, height: u64) -> Result<(), PhotographFault> {
    if width == 0 || height == 0 {
        return Err(damaged(format!("it has {width}×{height} pixels")));
    }
    if width.checked_mul(height).is_none_or(|pixels| pixels > MAX_PIXELS) {
        return Err(PhotographFault::TooManyPixels { width, height });
    }
    Ok(())
}

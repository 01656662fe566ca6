//! Images of the user's own, as the classifier sees them.

use std::path::Path;

use tinylsa_data::photograph::{PhotographError, PreparedImage, TargetSize, read_prepared};

/// Width and height of the images that the classifier sees.
pub(crate) const SIDE: usize = 28;

/// The form that photographs are brought into.
pub(crate) const TARGET: TargetSize = TargetSize { height: SIDE, width: SIDE };

/// Reads a PNG or JPEG image of any size, depth and colour, and brings it into the form of the data set.
///
/// # Errors
/// [`PhotographError`] names the file and says what is wrong with it.
pub(crate) fn load_picture(path: &Path) -> Result<PreparedImage, PhotographError> {
    read_prepared(path, TARGET)
}

//! Images of the user's own, as the classifier sees them.

use std::path::Path;

use tinylsa_data::ImageShape;
use tinylsa_data::photograph::{Doubt, PhotographError, PreparedImage, read_prepared};
use tinylsa_settings::printable_path;
use tracing::warn;

/// Width and height of the images that the classifier sees.
pub const SIDE: usize = 28;

/// The form that photographs are brought into.
pub const TARGET: ImageShape = ImageShape::grey(SIDE, SIDE);

/// Reads a PNG or JPEG image of any size, depth and colour, and brings it into the form of the data set. Warns if it is
/// doubtful that what was found is the garment.
///
/// # Errors
/// [`PhotographError`] names the file and says what is wrong with it.
pub fn load_picture(path: &Path) -> Result<PreparedImage, PhotographError> {
    let prepared = read_prepared(path, TARGET)?;
    if prepared.found.is_doubtful() {
        let doubts: Vec<String> = prepared.found.doubts.iter().map(Doubt::to_string).collect();
        warn!(
            "the garment may have been missed in {}, so the answer may be about something else: {}",
            printable_path(path),
            doubts.join(", ")
        );
    }
    Ok(prepared)
}

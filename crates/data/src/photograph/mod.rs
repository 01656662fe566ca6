//! A photograph of a garment, brought into the form of the data set.
//!
//! The images of Fashion-MNIST were made from catalogue photographs by a published procedure (Xiao, Rasul and Vollgraf
//! 2017, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms", section 2): trim the edges
//! by the colour of the corners, scale the longest edge to 28 by subsampling, sharpen with a Gaussian of radius and
//! standard deviation 1, extend the shortest edge to 28 with the garment in the middle, negate, turn into 8-bit grey.
//! The same is done here to any photograph, whose ground is not white, whose light is not even and whose pixels are not
//! free of noise:
//!
//! 1. Frames and bars around the photograph are cut away (`frame`).
//! 2. A smooth surface is fitted to the border: the ground as the light makes it. Half of the border may be something
//!    else (`ground`).
//! 3. What cannot be reached from the border without a change of colour is garment: the largest piece, and those near it
//!    (`garment`). From what it is found by follows a [confidence](Found).
//! 4. The garment is cut out, scaled by averaging, set against the ground behind it, so that the ground becomes exactly
//!    black, and sharpened (`form`).
//!
//! An image that already has the form of the data set passes unchanged, byte for byte, and its negative as its negative.
//!
//! That is the form of grey images of data sets of garments, digits and characters on black. **A colour image**, of
//! three channels, keeps its colours and its ground: it is the part of the photograph around what was found, in the
//! proportions of the target, or the middle of the photograph where that is doubtful. A photograph of the target's size
//! passes unchanged. [`Photograph::resized`] does none of this and only scales.
//!
//! ```
//! use tinylsa_data::ImageShape;
//! use tinylsa_data::photograph::{Photograph, prepare};
//!
//! // a dark square on a light page
//! let is_inside = |x: usize, y: usize| (30..70).contains(&x) && (20..60).contains(&y);
//! let pixels = (0..100 * 80).flat_map(|pixel| [if is_inside(pixel % 100, pixel / 100) { 40 } else { 240 }; 3]);
//! let photograph = Photograph::from_rgb(100, 80, pixels.collect())?;
//! let prepared = prepare(&photograph, ImageShape::grey(28, 28))?;
//! assert_eq!((prepared.shown.left, prepared.shown.width), (30, 40));
//! assert!(prepared.found.confidence > 0.9);
//! # Ok::<(), tinylsa_data::photograph::PhotographFault>(())
//! ```

mod barrier;
mod colour;
mod decode;
mod error;
mod form;
mod found;
mod frame;
mod garment;
mod ground;
mod in_form;
mod limits;
mod original;
mod prepared;
mod raster;
#[cfg(test)]
mod tests;
mod view;

use std::path::Path;

use tinylsa_shape::ImageShape;

pub use error::{PhotographError, PhotographFault};
pub use found::{Doubt, Found};
pub use original::Photograph;
pub use prepared::{Area, Polarity, PreparedImage};

use form::Cut;
use in_form::in_form;
use original::require_target;
use raster::scaled;
use view::View;

/// Reads a PNG or JPEG file and brings it into the form of the data set.
///
/// # Errors
/// [`PhotographError`] names the file and says what is wrong with it.
pub fn read_prepared(path: &Path, target: ImageShape) -> Result<PreparedImage, PhotographError> {
    let prepared = decode::read(path).and_then(|photograph| prepare(&photograph, target));
    prepared.map_err(|fault| PhotographError { path: path.to_owned(), fault })
}

/// Brings a photograph into the form of the data set, whose images have the shape `target`: grey or colour.
///
/// # Errors
/// [`PhotographFault::NoGarment`] if nothing stands out from the ground; [`PhotographFault::NoTarget`] if no image can have
/// this shape.
pub fn prepare(photograph: &Photograph, target: ImageShape) -> Result<PreparedImage, PhotographFault> {
    prepare_as(photograph, target, None)
}

/// As [`prepare`], for somebody who knows better than the photograph whether the garment is darker or lighter than its
/// ground. A colour image keeps its colours either way.
///
/// # Errors
/// As [`prepare`].
pub fn prepare_as(
    photograph: &Photograph,
    target: ImageShape,
    known: Option<Polarity>,
) -> Result<PreparedImage, PhotographFault> {
    require_target(target)?;
    if target.channels > 1 {
        return colour::prepare(photograph, target);
    }
    if let Some(prepared) = in_form(photograph, target) {
        return Ok(prepared.in_polarity(known));
    }
    let view = View::of(photograph).ok_or(PhotographFault::NoGarment)?;
    let working_bounds = form::bounds(&view.segmentation, target).ok_or(PhotographFault::NoGarment)?;
    let bounds = view.in_photograph(working_bounds);
    let size = form::fitted(bounds, target);
    let cut = Cut {
        colours: scaled(photograph, bounds, size.width, size.height),
        ground: scaled(&view.segmentation.behind, working_bounds, size.width, size.height),
        coverage: form::coverage(&view.segmentation.mask, working_bounds, size),
    };
    let (levels, polarity) = form::levels(&cut, known);
    Ok(PreparedImage {
        pixels: form::centred(&form::sharpened(&levels), target),
        width: photograph.width,
        height: photograph.height,
        shown: Area::around(bounds, [photograph.width, photograph.height]),
        polarity,
        in_form: false,
        found: view.found,
    })
}

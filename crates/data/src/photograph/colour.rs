//! The form of a data set of colour images: what was found with the ground around it.

use tinylsa_shape::ImageShape;

use super::error::PhotographFault;
use super::form;
use super::found::Found;
use super::original::{Photograph, planes};
use super::prepared::{Area, Polarity, PreparedImage};
use super::raster::{Window, scaled};
use super::view::View;

/// Cuts out what was found, in the proportions of the target.
pub(super) fn prepare(photograph: &Photograph, target: ImageShape) -> Result<PreparedImage, PhotographFault> {
    let whole = Window { left: 0.0, top: 0.0, width: photograph.width as f32, height: photograph.height as f32 };
    let has_size = (photograph.width, photograph.height) == (target.width, target.height);
    let (window, in_form, found) = if has_size && !photograph.had_transparency {
        (whole, true, Found::certain())
    } else {
        let view = View::of(photograph).ok_or(PhotographFault::NoGarment)?;
        let bounds = form::bounds(&view.segmentation, target).ok_or(PhotographFault::NoGarment)?;
        let window = if view.found.is_doubtful() {
            largest_within(whole, target)
        } else {
            smallest_around(view.in_photograph(bounds), target)
        };
        (window, false, view.found)
    };
    Ok(PreparedImage {
        pixels: planes(&scaled(photograph, window, target.width, target.height), target),
        width: photograph.width,
        height: photograph.height,
        shown: Area::around(window, [photograph.width, photograph.height]),
        polarity: Polarity::LightOnDark,
        in_form,
        found,
    })
}

/// The largest window in the proportions of the target, in the middle of another one.
fn largest_within(outer: Window, target: ImageShape) -> Window {
    let scale = (outer.width / target.width as f32).min(outer.height / target.height as f32);
    around_middle(outer, scale, target)
}

/// The smallest window in the proportions of the target around another one. It may reach beyond the photograph, whose
/// nearest pixels are taken there.
fn smallest_around(inner: Window, target: ImageShape) -> Window {
    let scale = (inner.width / target.width as f32).max(inner.height / target.height as f32);
    around_middle(inner, scale, target)
}

/// A window with the middle of another one, of `scale` times the target's size.
fn around_middle(other: Window, scale: f32, target: ImageShape) -> Window {
    let (width, height) = (scale * target.width as f32, scale * target.height as f32);
    Window {
        left: other.left + (other.width - width) / 2.0,
        top: other.top + (other.height - height) / 2.0,
        width,
        height,
    }
}

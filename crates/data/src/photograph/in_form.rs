//! What has the form of the data set already.

use tinylsa_shape::ImageShape;

use super::form::centred;
use super::found::Found;
use super::original::Photograph;
use super::prepared::{Area, Polarity, PreparedImage};
use super::raster::{Grid, Rows, percentile};

/// Levels this far from the ground are ground in an image that has the form of the data set already.
const TOLERANCE: f32 = 12.0;
/// The part of the border that is black in an image of the data set: at least 24 % in all 70 000 of them.
const PURE_BORDER: f32 = 0.2;
/// The part of the border that has the colour of any other ground.
const EVEN_BORDER: f32 = 0.6;

/// What already has the size of the target, in opaque greys on an even ground, keeps its pixels. On black it passes
/// unchanged, on white as its negative; any other ground becomes black.
pub(super) fn in_form(photograph: &Photograph, target: ImageShape) -> Option<PreparedImage> {
    let has_size = (photograph.width, photograph.height) == (target.width, target.height);
    if !has_size || !photograph.is_grey() || photograph.had_transparency {
        return None;
    }
    let levels: Grid<f32> = Grid::from_fn(target.width, target.height, |column, row| photograph.colour(column, row)[0]);
    let (polarity, pixels) = on_black(&levels)?;
    Some(PreparedImage {
        pixels: centred(&pixels, target),
        width: photograph.width,
        height: photograph.height,
        shown: Area { left: 0, top: 0, width: photograph.width, height: photograph.height },
        polarity,
        in_form: true,
        found: Found::certain(),
    })
}

/// Levels whose ground is even, with the ground at 0; nothing if it is not, or if there is nothing else.
fn on_black(levels: &Grid<f32>) -> Option<(Polarity, Grid<f32>)> {
    let border: Vec<f32> = levels.perimeter().into_iter().map(|position| levels.values[position]).collect();
    let share = |ground: f32| {
        border.iter().filter(|&&level| (level - ground).abs() <= TOLERANCE).count() as f32 / border.len() as f32
    };
    let (black, white) = (share(0.0), share(255.0));
    let middle = percentile(&mut border.clone(), 0.5);
    let ground = if black.max(white) >= PURE_BORDER {
        if black >= white { 0.0 } else { 255.0 }
    } else if share(middle) >= EVEN_BORDER {
        middle
    } else {
        return None;
    };
    let stands_out = |level: &&f32| (**level - ground).abs() > TOLERANCE;
    let difference: f32 = levels.values.iter().filter(stands_out).map(|level| level - ground).sum();
    if difference < 0.0 {
        Some((Polarity::DarkOnLight, levels.map(|level| (255.0 * (ground - level) / ground.max(1.0)).max(0.0))))
    } else if difference > 0.0 {
        let range = (255.0 - ground).max(1.0);
        Some((Polarity::LightOnDark, levels.map(|level| (255.0 * (level - ground) / range).max(0.0))))
    } else {
        None
    }
}

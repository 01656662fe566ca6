//! The form of the data set: a garment in levels of grey on black, sharpened, in the middle of the image.

use std::ops::Range;

use tinylsa_shape::ImageShape;

use super::garment::Segmentation;
use super::prepared::Polarity;
use super::raster::{Colour, Grid, Window, length, luma, minus, opponent, percentile, scaled};

/// In colours of one brightness the garment is told from the ground by colour: if its brightness differs by less than
/// this share of the whole difference.
const BRIGHTNESS_SHARE: f32 = 0.4;
/// A garment that is in part lighter and in part darker than the ground: if the lesser part is at least this share.
const MIXED: f32 = 0.05;
/// A ground up to this level is dark, and what is lighter is shown as it is.
const DARK_GROUND: f32 = 90.0;
/// The level that a garment must have in the negative, at the median, to be shown so.
const VISIBLE: f32 = 20.0;
/// The level that the brightest parts of a faint garment are raised to. 99 of 100 images of the data set have brighter
/// parts.
const FAINTEST: f32 = 110.0;
/// The level for the brightest parts where the colour alone says how far they are from the ground.
const TYPICAL: f32 = 225.0;
/// The share of the garment that is brighter than its brightest parts are said to be.
const BRIGHTEST: f32 = 0.95;
/// Where the edge of a garment is, between the ground and the first of its pixels that are not blurred.
const EDGE: f32 = 0.5;

/// The colours of the garment at their final size, with the ground behind them.
pub(super) struct Cut {
    pub(super) colours: Grid<Colour>,
    pub(super) ground: Grid<Colour>,
    /// The part of each pixel that is garment.
    pub(super) coverage: Grid<f32>,
}

/// How a difference from the ground becomes a level.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// The negative, with the ground at 0.
    Darker,
    /// As it is, with the ground at 0.
    Lighter,
    /// The negative, with white at 0: the ground is neither the lightest nor the darkest.
    Negative,
    /// The distance of the colours.
    Distance,
}

/// Levels from 0 to 255, and which way round they are, which may be known.
pub(super) fn levels(cut: &Cut, known: Option<Polarity>) -> (Grid<f32>, Polarity) {
    let inside: Vec<usize> = (0..cut.coverage.values.len()).filter(|&pixel| cut.coverage.values[pixel] > 0.5).collect();
    let difference = |&pixel: &usize| opponent(minus(cut.colours.values[pixel], cut.ground.values[pixel]));
    let (mut lighter, mut darker, mut distance) = (0.0, 0.0, 0.0);
    for difference in inside.iter().map(difference) {
        lighter += difference[0].max(0.0);
        darker += (-difference[0]).max(0.0);
        distance += length(difference);
    }
    let seen = if darker > lighter { Polarity::DarkOnLight } else { Polarity::LightOnDark };
    let polarity = known.unwrap_or(seen);
    let scale = if known.is_some() {
        match polarity {
            Polarity::DarkOnLight => Scale::Darker,
            Polarity::LightOnDark => Scale::Lighter,
        }
    } else if lighter + darker < BRIGHTNESS_SHARE * distance {
        Scale::Distance
    } else if lighter.min(darker) > MIXED * (lighter + darker) {
        Scale::Negative
    } else {
        match polarity {
            Polarity::DarkOnLight => Scale::Darker,
            Polarity::LightOnDark if is_visible_as_negative(cut, &inside) => Scale::Negative,
            Polarity::LightOnDark => Scale::Lighter,
        }
    };
    let raw = Grid::from_fn(cut.colours.width, cut.colours.height, |column, row| {
        scale.level(cut.colours.at(column, row), cut.ground.at(column, row))
    });
    let mut standing: Vec<f32> = inside.iter().map(|&pixel| raw.values[pixel]).collect();
    let brightest = percentile(&mut standing, BRIGHTEST).max(1.0);
    let gain = match scale {
        Scale::Distance => TYPICAL / brightest,
        Scale::Darker | Scale::Lighter | Scale::Negative => (FAINTEST / brightest).max(1.0),
    };
    let levels = Grid::from_fn(raw.width, raw.height, |column, row| {
        let share = (2.0 * cut.coverage.at(column, row)).min(1.0);
        (share * gain * raw.at(column, row)).clamp(0.0, 255.0)
    });
    (levels, polarity)
}

/// Whether a garment that is lighter than its ground would still be seen in the negative, on a ground that is no darker
/// than a page.
fn is_visible_as_negative(cut: &Cut, inside: &[usize]) -> bool {
    let median = |colours: &Grid<Colour>| {
        let mut levels: Vec<f32> = inside.iter().map(|&pixel| luma(colours.values[pixel])).collect();
        percentile(&mut levels, 0.5)
    };
    median(&cut.ground) > DARK_GROUND && 255.0 - median(&cut.colours) > VISIBLE
}

impl Scale {
    fn level(self, colour: Colour, ground: Colour) -> f32 {
        let (brightness, behind) = (luma(colour), luma(ground));
        match self {
            Self::Darker => 255.0 * (behind - brightness) / behind.max(1.0),
            Self::Lighter => 255.0 * (brightness - behind) / (255.0 - behind).max(1.0),
            Self::Negative => 255.0 - brightness,
            Self::Distance => length(opponent(minus(colour, ground))),
        }
    }
}

/// The part of the working image around the garment. Where its edge is blurred, it ends in the middle of the blur.
pub(super) fn bounds(segmentation: &Segmentation, target: ImageShape) -> Option<Window> {
    let standing = &segmentation.standing;
    let highest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0, f32::max);
    let columns: Vec<f32> = (0..standing.width)
        .map(|column| highest(&mut (0..standing.height).map(|row| standing.at(column, row))))
        .collect();
    let rows: Vec<f32> = (0..standing.height)
        .map(|row| highest(&mut (0..standing.width).map(|column| standing.at(column, row))))
        .collect();
    let (across, down) = (extent(&columns)?, extent(&rows)?);
    // the edges may move by as much as one pixel of the target
    let reach =
        (across.len() as f32 / target.width as f32).max(down.len() as f32 / target.height as f32).ceil() as usize;
    let (across, down) = (sharp(&columns, across, reach), sharp(&rows, down, reach));
    Some(Window {
        left: across.start as f32,
        top: down.start as f32,
        width: across.len() as f32,
        height: down.len() as f32,
    })
}

/// From the first to the last value that is not 0.
fn extent(profile: &[f32]) -> Option<Range<usize>> {
    let first = profile.iter().position(|&value| value > 0.0)?;
    let last = profile.iter().rposition(|&value| value > 0.0)?;
    Some(first..last + 1)
}

/// The range without the ends that are less than half of what is within reach.
fn sharp(profile: &[f32], range: Range<usize>, reach: usize) -> Range<usize> {
    let skipped = |mut values: Vec<f32>| {
        values.truncate(reach + 1);
        let half = EDGE * values.iter().copied().fold(0.0, f32::max);
        values.iter().position(|&value| value >= half).unwrap_or(0)
    };
    let before = skipped(profile[range.clone()].to_vec());
    let after = skipped(profile[range.clone()].iter().rev().copied().collect());
    if before + after < range.len() { range.start + before..range.end - after } else { range }
}

/// The size of a window after its longer edge, by the measure of the target, is that of the target.
pub(super) fn fitted(window: Window, target: ImageShape) -> ImageShape {
    let scale = (target.width as f32 / window.width).min(target.height as f32 / window.height);
    let edge = |extent: f32, most: usize| ((extent * scale).round() as usize).clamp(1, most);
    ImageShape::grey(edge(window.height, target.height), edge(window.width, target.width))
}

/// Sharpens with a Gaussian of radius and standard deviation 1, as the data set was: its 3×3 kernel is negated, its
/// centre replaced by twice the sum of the Gaussian, and all of it scaled to sum 1. Beyond the edge lies the nearest pixel.
pub(super) fn sharpened(levels: &Grid<f32>) -> Grid<f32> {
    const BESIDE: f32 = 0.606_530_66; // exp(-1/2)
    const DIAGONAL: f32 = 0.367_879_44; // exp(-1)
    const SUM: f32 = 1.0 + 4.0 * (BESIDE + DIAGONAL);
    Grid::from_fn(levels.width, levels.height, |column, row| {
        let mut sharp = 2.0 * SUM * levels.at(column, row);
        for (down, right) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)] {
            // positions are one too large, so that -1 can be written
            let row = (row + down).clamp(1, levels.height) - 1;
            let column = (column + right).clamp(1, levels.width) - 1;
            let weight = if down == 1 || right == 1 { BESIDE } else { DIAGONAL };
            sharp -= weight * levels.at(column, row);
        }
        sharp / (SUM + 1.0)
    })
}

/// The image, neither edge of which is larger than the target's, in the middle of black.
pub(super) fn centred(levels: &Grid<f32>, target: ImageShape) -> Vec<u8> {
    let mut pixels = vec![0; target.width * target.height];
    let (left, top) = ((target.width - levels.width) / 2, (target.height - levels.height) / 2);
    for (row, line) in levels.values.chunks_exact(levels.width).enumerate() {
        let start = (top + row) * target.width + left;
        for (pixel, level) in pixels[start..].iter_mut().zip(line) {
            // a cast of a float saturates, which is what a level beyond the scale should do
            *pixel = level.round() as u8;
        }
    }
    pixels
}

/// How much of each pixel of a part of the working image is garment.
pub(super) fn coverage(mask: &Grid<bool>, window: Window, size: ImageShape) -> Grid<f32> {
    let covered = mask.map(|inside| f32::from(u8::from(inside)));
    scaled(&covered, window, size.width, size.height).map(|[share, _, _]| share)
}

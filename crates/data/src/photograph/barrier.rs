//! What can be reached from the border without a change of colour.
//!
//! A pixel is ground if a path leads to it from the border on which the colour hardly changes: the *barrier* of a path is
//! the range of colours on it, and that of a pixel is the least of all its paths (Strand, Ciesielski, Malmberg and Saha
//! 2013, "The minimum barrier distance"; computed by raster scans as Zhang et al. 2015, "Minimum Barrier Salient Object
//! Detection at 80 FPS"). A shadow that falls over the page has no barrier, since it can be entered from its own part of
//! the border, and neither has noise, since a path goes round it.

use super::ground::Surface;
use super::raster::{Colour, Grid, length, minus, opponent};

/// Rounds of scans from the upper left and the lower right.
const SCANS: usize = 3;
/// Over this share of the longer edge the light on the ground changes by less than the least barrier, and the edge of a
/// garment by more.
const SMOOTH: f32 = 0.02;
/// Shadows leave at least this share of the light, and at most the other.
const SHADOW: std::ops::Range<f32> = 0.3..0.97;
/// The largest shift of colour in a shadow, as a share of its change of brightness.
const SHADOW_TINT: f32 = 0.35;

/// The pixels of the border that paths begin at.
pub(super) struct Seeds {
    pub(super) positions: Vec<usize>,
    /// The part of the border that is ground. If none is, paths begin everywhere.
    pub(super) share: f32,
}

/// The pixels of the border that are ground: those of the model's colour, those to which the colour leads smoothly, and
/// those in a shadow that reaches round a corner. What else differs is a garment that reaches the border.
pub(super) fn seeds(image: &Grid<Colour>, surface: &Surface, least: f32) -> Seeds {
    let perimeter = image.perimeter();
    let count = perimeter.len();
    let place = |position: usize| (position % image.width, position / image.width);
    let model = |position: usize| {
        let (column, row) = place(position);
        surface.at(column, row)
    };
    let distance = |left: Colour, right: Colour| length(opponent(minus(left, right)));
    let differs: Vec<bool> =
        perimeter.iter().map(|&position| distance(image.values[position], model(position)) > least).collect();
    let Some(start) = differs.iter().position(|differs| !differs) else {
        return Seeds { positions: perimeter, share: 0.0 };
    };
    let corners = [(0, 0), (image.width - 1, 0), (0, image.height - 1), (image.width - 1, image.height - 1)];
    let step = ((SMOOTH * image.width.max(image.height) as f32).round() as usize).max(2);
    let is_smooth = |index: usize| {
        let beside = |steps: usize| distance(image.values[perimeter[index]], image.values[perimeter[steps % count]]);
        beside(index + step) < least && beside(index + count - step % count) < least
    };
    let mut seeds = Vec::with_capacity(count);
    let mut run: Vec<usize> = Vec::new();
    for index in (start + 1..=start + count).map(|index| index % count) {
        if differs[index] {
            run.push(index);
            continue;
        }
        let positions: Vec<usize> = run.iter().map(|&index| perimeter[index]).collect();
        let turns = positions.iter().any(|&position| corners.contains(&place(position)));
        if run.iter().all(|&index| is_smooth(index)) || (turns && is_shadow(image, &positions, model)) {
            seeds.extend(positions);
        }
        run.clear();
        seeds.push(perimeter[index]);
    }
    let share = seeds.len() as f32 / count as f32;
    Seeds { positions: seeds, share }
}

/// Whether these pixels are the ground in less light.
fn is_shadow(image: &Grid<Colour>, positions: &[usize], model: impl Fn(usize) -> Colour) -> bool {
    let is_shaded = |&&position: &&usize| {
        let (lit, shaded) = (opponent(model(position)), opponent(image.values[position]));
        let share = shaded[0] / lit[0].max(1.0);
        let tint = length([0.0, shaded[1] - share * lit[1], shaded[2] - share * lit[2]]);
        SHADOW.contains(&share) && tint <= SHADOW_TINT * (lit[0] - shaded[0]).abs()
    };
    positions.iter().filter(is_shaded).count() * 10 >= positions.len() * 9
}

/// The least barrier of every pixel.
pub(super) fn least_barriers(image: &Grid<Colour>, seeds: &[usize]) -> Grid<f32> {
    let mut lowest = image.clone();
    let mut highest = image.clone();
    let mut barriers = Grid::filled(image.width, image.height, f32::INFINITY);
    for &seed in seeds {
        barriers.values[seed] = 0.0;
    }
    let width = image.width;
    let mut step = |position: usize, from: usize| {
        if barriers.values[from] >= barriers.values[position] {
            return;
        }
        let colour = image.values[position];
        let low: Colour = std::array::from_fn(|channel| lowest.values[from][channel].min(colour[channel]));
        let high: Colour = std::array::from_fn(|channel| highest.values[from][channel].max(colour[channel]));
        let barrier = length(minus(high, low));
        if barrier < barriers.values[position] {
            barriers.values[position] = barrier;
            lowest.values[position] = low;
            highest.values[position] = high;
        }
    };
    for _ in 0..SCANS {
        for row in 0..image.height {
            for column in 0..width {
                let position = row * width + column;
                if row > 0 {
                    step(position, position - width);
                }
                if column > 0 {
                    step(position, position - 1);
                }
            }
        }
        for row in (0..image.height).rev() {
            for column in (0..width).rev() {
                let position = row * width + column;
                if row + 1 < image.height {
                    step(position, position + width);
                }
                if column + 1 < width {
                    step(position, position + 1);
                }
            }
        }
    }
    barriers
}

//! What on a photograph is garment.
//!
//! A pixel is ground if a path leads to it from the border on which the colour hardly changes: the *barrier* of a path is
//! the range of colours on it, and that of a pixel is the least of all its paths (Strand, Ciesielski, Malmberg and Saha
//! 2013, "The minimum barrier distance"; computed by raster scans as Zhang et al. 2015, "Minimum Barrier Salient Object
//! Detection at 80 FPS"). A shadow that falls over the page has no barrier, since it can be entered from its own part of
//! the border, and neither has noise, since a path goes round it.

use super::ground::Surface;
use super::raster::{Colour, Grid, length, minus, opponent, percentile, smoothed};

/// Rounds of scans from the upper left and the lower right.
const SCANS: usize = 3;
/// The least barrier of a garment, in levels: 5 % of the full range, by which the data set's images were trimmed.
const LEAST_BARRIER: f32 = 12.0;
/// How many standard deviations of the noise that is left count as a barrier.
const NOISE_BARRIER: f32 = 4.5;
/// The noise that is left after smoothing, in levels.
const BEARABLE_NOISE: f32 = 1.2;
/// Shadows leave at least this share of the light, and at most the other.
const SHADOW: std::ops::Range<f32> = 0.3..0.97;
/// The largest shift of colour in a shadow, as a share of its change of brightness.
const SHADOW_TINT: f32 = 0.35;
/// A piece belongs to the garment if it has this share of the mass of the largest one, wherever it lies.
const LARGE_PIECE: f32 = 0.25;
/// A piece near the garment belongs to it if it has this share of the mass of the largest one.
const SMALL_PIECE: f32 = 0.004;
/// How near is near, as a share of the longer edge of the photograph.
const NEAR: f32 = 0.06;

/// Where the garment is, and what speaks for it.
#[derive(Clone, Debug)]
pub(super) struct Segmentation {
    /// Whether a pixel belongs to the garment.
    pub(super) mask: Grid<bool>,
    /// Whether a pixel is surely ground.
    pub(super) ground: Grid<bool>,
    pub(super) evidence: Evidence,
}

/// What a confidence is made of. All but the contrast are shares from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Evidence {
    /// How far the garment stands out from the ground, in units of the least barrier.
    pub(super) contrast: f32,
    /// The part of the border whose colour is that of the ground model.
    pub(super) even_border: f32,
    /// The part of the photograph that is garment.
    pub(super) area: f32,
    /// The part of everything that stands out which belongs to the garment.
    pub(super) alone: f32,
    /// The part of the border that is garment.
    pub(super) cut_off: f32,
}

/// One piece of what stands out.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Sum of the barriers of its pixels.
    mass: f32,
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

/// Finds the garment; nothing if the photograph is even.
pub(super) fn segment(image: &Grid<Colour>, noise: f32) -> Option<Segmentation> {
    // the noise that a Gaussian leaves is 1 / (2 sqrt(π) deviation) of it
    let deviation = noise / BEARABLE_NOISE / (2.0 * std::f32::consts::PI.sqrt());
    let (image, noise) =
        if deviation < 0.3 { (image.clone(), noise) } else { (smoothed(image, deviation.min(3.0)), BEARABLE_NOISE) };
    let least = LEAST_BARRIER.max(NOISE_BARRIER * noise);
    let surface = Surface::of_border(&image);
    let flat = surface.removed_from(&image).map(opponent);
    let barriers = barriers(&flat, &seeds(&image, &surface, least));
    // once more with all of the ground
    let ground: Vec<usize> = (0..barriers.values.len()).filter(|&position| barriers.values[position] < least).collect();
    let surface = Surface::through(&image, ground);
    let flat = surface.removed_from(&image).map(opponent);
    let barriers = barriers_again(&image, &surface, &flat, least);
    pieces_of(&barriers, &flat, least)
}

fn barriers_again(image: &Grid<Colour>, surface: &Surface, flat: &Grid<Colour>, least: f32) -> Grid<f32> {
    barriers(flat, &seeds(image, surface, least))
}

/// The pixels of the border that are ground: those of the model's colour, and those in a shadow that reaches round a
/// corner. What else differs is a garment that reaches the border.
fn seeds(image: &Grid<Colour>, surface: &Surface, least: f32) -> Vec<usize> {
    let perimeter = image.perimeter();
    let place = |position: usize| (position % image.width, position / image.width);
    let model = |position: usize| {
        let (column, row) = place(position);
        surface.at(column, row)
    };
    let differs: Vec<bool> = perimeter
        .iter()
        .map(|&position| length(opponent(minus(image.values[position], model(position)))) > least)
        .collect();
    let Some(start) = differs.iter().position(|differs| !differs) else { return perimeter };
    let corners = [(0, 0), (image.width - 1, 0), (0, image.height - 1), (image.width - 1, image.height - 1)];
    let count = perimeter.len();
    let mut seeds = Vec::with_capacity(count);
    let mut run = Vec::new();
    for step in 0..=count {
        let index = (start + step) % count;
        if differs[index] {
            run.push(perimeter[index]);
            continue;
        }
        let turns = run.iter().any(|&position| corners.contains(&place(position)));
        if turns && is_shadow(image, &run, model) {
            seeds.append(&mut run);
        }
        run.clear();
        seeds.push(perimeter[index]);
    }
    seeds
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
fn barriers(image: &Grid<Colour>, seeds: &[usize]) -> Grid<f32> {
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

/// The largest piece of what stands out and those that belong to it.
fn pieces_of(barriers: &Grid<f32>, flat: &Grid<Colour>, least: f32) -> Option<Segmentation> {
    let (labels, pieces) = pieces(barriers, least);
    let heaviest = pieces.iter().copied().max_by(|left, right| left.mass.total_cmp(&right.mass))?;
    let near = (NEAR * barriers.width.max(barriers.height) as f32) as usize;
    let belongs: Vec<bool> = pieces
        .iter()
        .map(|piece| {
            piece.mass >= LARGE_PIECE * heaviest.mass
                || (piece.mass >= SMALL_PIECE * heaviest.mass && heaviest.is_near(piece, near))
        })
        .collect();
    let mask = labels.map(|label| label.is_some_and(|label: u32| belongs[label as usize]));
    let ground = barriers.map(|barrier| barrier < least);
    let mut standing: Vec<f32> = Vec::new();
    for (&barrier, &inside) in barriers.values.iter().zip(&mask.values) {
        if inside {
            standing.push(barrier);
        }
    }
    let (all, kept) = pieces.iter().zip(&belongs).fold((0.0, 0.0), |(all, kept), (piece, &belongs)| {
        (all + piece.mass, if belongs { kept + piece.mass } else { kept })
    });
    let perimeter = mask.perimeter();
    let share = |is: &dyn Fn(usize) -> bool| {
        perimeter.iter().filter(|&&position| is(position)).count() as f32 / perimeter.len() as f32
    };
    let evidence = Evidence {
        contrast: percentile(&mut standing, 0.75) / least,
        even_border: share(&|position| length(flat.values[position]) <= 2.0 * least),
        area: standing.len() as f32 / mask.values.len() as f32,
        alone: kept / all,
        cut_off: share(&|position| mask.values[position]),
    };
    Some(Segmentation { mask, ground, evidence })
}

/// Labels the connected parts, corners being connected too, whose barriers are at least `least`.
fn pieces(barriers: &Grid<f32>, least: f32) -> (Grid<Option<u32>>, Vec<Piece>) {
    let mut labels: Grid<Option<u32>> = Grid::filled(barriers.width, barriers.height, None);
    let mut pieces = Vec::new();
    let mut open = Vec::new();
    for start in 0..barriers.values.len() {
        if labels.values[start].is_some() || barriers.values[start] < least {
            continue;
        }
        let label = pieces.len() as u32;
        let (column, row) = (start % barriers.width, start / barriers.width);
        let mut piece = Piece { mass: 0.0, left: column, right: column, top: row, bottom: row };
        labels.values[start] = Some(label);
        open.push((column, row));
        while let Some((column, row)) = open.pop() {
            piece.add(column, row, barriers.at(column, row));
            for row in row.saturating_sub(1)..=(row + 1).min(barriers.height - 1) {
                for column in column.saturating_sub(1)..=(column + 1).min(barriers.width - 1) {
                    let position = row * barriers.width + column;
                    if labels.values[position].is_none() && barriers.values[position] >= least {
                        labels.values[position] = Some(label);
                        open.push((column, row));
                    }
                }
            }
        }
        pieces.push(piece);
    }
    (labels, pieces)
}

impl Piece {
    fn add(&mut self, column: usize, row: usize, barrier: f32) {
        // a seed may be unreachable in a photograph of a single pixel
        self.mass += if barrier.is_finite() { barrier } else { 0.0 };
        (self.left, self.right) = (self.left.min(column), self.right.max(column));
        (self.top, self.bottom) = (self.top.min(row), self.bottom.max(row));
    }

    /// Whether another piece is within this distance of the rectangle around this one.
    fn is_near(&self, other: &Self, distance: usize) -> bool {
        other.left <= self.right + distance
            && self.left <= other.right + distance
            && other.top <= self.bottom + distance
            && self.top <= other.bottom + distance
    }
}

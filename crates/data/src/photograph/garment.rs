//! What on a photograph is garment: what stands out from the ground, in one piece or in some near each other.

use super::barrier::{least_barriers, seeds};
use super::ground::{Surface, continued};
use super::raster::{Colour, Grid, length, minus, opponent, percentile, smoothed};

/// The least barrier of a garment, in levels: 5 % of the full range, by which the data set's images were trimmed.
const LEAST_BARRIER: f32 = 12.0;
/// The same as a share of how far the garment stands out.
const BARRIER_SHARE: f32 = 0.1;
/// The least barrier of a garment that hardly stands out, in levels.
const FAINT_BARRIER: f32 = 5.0;
/// How many standard deviations of the noise that is left count as a barrier.
const NOISE_BARRIER: f32 = 4.5;
/// The noise that smoothing leaves, in levels.
const BEARABLE_NOISE: f32 = 1.2;
/// Standard deviations of the Gaussians between which smoothing does any good and no harm, in pixels.
const NARROWEST: f32 = 0.3;
const WIDEST: f32 = 3.0;
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
    /// How far the pixels of the garment stand out from the ground, in levels; 0 elsewhere.
    pub(super) standing: Grid<f32>,
    /// The ground, continued behind the garment.
    pub(super) behind: Grid<Colour>,
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
    // a Gaussian leaves 1 / (2 sqrt(π) deviation) of the noise
    let unit = 2.0 * std::f32::consts::PI.sqrt();
    let deviation = (noise / BEARABLE_NOISE / unit).min(WIDEST);
    let (image, noise) = if deviation < NARROWEST {
        (image.clone(), noise)
    } else {
        (smoothed(image, deviation), noise / (unit * deviation))
    };
    let noise_barrier = NOISE_BARRIER * noise;
    let clear = LEAST_BARRIER.max(noise_barrier);
    let barriers_around = |surface: &Surface| {
        let seeds = seeds(&image, surface, clear);
        (least_barriers(&surface.removed_from(&image).map(opponent), &seeds.positions), seeds.share)
    };
    let (barriers, _) = barriers_around(&Surface::of_border(&image));
    // once more with all of the ground
    let ground = (0..barriers.values.len()).filter(|&position| barriers.values[position] < clear).collect();
    let (barriers, even_border) = barriers_around(&Surface::through(&image, ground));
    let mut standing: Vec<f32> = barriers.values.iter().copied().filter(|&barrier| barrier >= clear).collect();
    if standing.is_empty() {
        return None;
    }
    // a garment that hardly stands out has pale parts that stand out even less
    let least =
        (BARRIER_SHARE * percentile(&mut standing, 0.95)).clamp(FAINT_BARRIER, LEAST_BARRIER).max(noise_barrier);
    let ground = barriers.map(|barrier| barrier < least);
    let behind = continued(&image, &ground);
    // the edge of a shadow has a barrier, but it is no different from the ground on both of its sides
    let standing = Grid::from_fn(image.width, image.height, |column, row| {
        let distance = length(opponent(minus(image.at(column, row), behind.at(column, row))));
        barriers.at(column, row).min(distance)
    });
    let (kept, evidence) = pieces_of(&standing, even_border, least, clear)?;
    let mask = grown(&kept, &barriers, least);
    Some(Segmentation { mask, standing: masked(&standing, &kept), behind, evidence })
}

/// The pieces with a barrier that any of these pixels is part of.
fn grown(kept: &Grid<bool>, barriers: &Grid<f32>, least: f32) -> Grid<bool> {
    let (labels, pieces) = pieces(barriers, least);
    let mut holds_kept = vec![false; pieces.len()];
    for (label, &kept) in labels.values.iter().zip(&kept.values) {
        if let Some(label) = label.filter(|_| kept) {
            holds_kept[label as usize] = true;
        }
    }
    labels.map(|label| label.is_some_and(|label| holds_kept[label as usize]))
}

fn masked(values: &Grid<f32>, mask: &Grid<bool>) -> Grid<f32> {
    Grid::from_fn(
        values.width,
        values.height,
        |column, row| {
            if mask.at(column, row) { values.at(column, row) } else { 0.0 }
        },
    )
}

/// The largest piece of what stands out and those that belong to it.
fn pieces_of(barriers: &Grid<f32>, even_border: f32, least: f32, clear: f32) -> Option<(Grid<bool>, Evidence)> {
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
    let on_border = perimeter.iter().filter(|&&position| mask.values[position]).count();
    let evidence = Evidence {
        contrast: percentile(&mut standing, 0.75) / clear,
        even_border,
        area: standing.len() as f32 / mask.values.len() as f32,
        alone: kept / all,
        cut_off: on_border as f32 / perimeter.len() as f32,
    };
    Some((mask, evidence))
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

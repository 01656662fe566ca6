use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};

use super::SegmentationError;
use crate::execution::Cancellation;

/// Settings of SLIC superpixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlicConfig {
    /// The largest number of superpixels.
    pub segments: usize,
    /// How much distance in the plane counts beside distance in value: two pixels one grid step apart are as far from
    /// each other as two whose values differ by this fraction of the image's range. Larger gives squarer segments.
    pub compactness: f64,
    /// Rounds of assignment and update.
    pub iterations: usize,
    /// Pieces smaller than this fraction of the mean segment are joined to the neighbour of the nearest value.
    pub smallest: f64,
}

impl Default for SlicConfig {
    /// Forty segments, about as many as the default grid has cells, ten rounds as in the paper, and a compactness at
    /// which the outline of a garment on black is followed and a flat background is cut into squares.
    fn default() -> Self {
        Self { segments: 40, compactness: 0.3, iterations: 10, smallest: 0.25 }
    }
}

impl SlicConfig {
    /// Checks every range.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first setting outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("segments", self.segments, 1..)?;
        require_within("compactness", self.compactness, f64::MIN_POSITIVE..=1e6)?;
        require_within("iterations", self.iterations, 1..=1000)?;
        require_within("smallest", self.smallest, 0.0..=1.0)
    }
}

/// An image whose values are divided by its range, with the channels of a pixel side by side.
struct Pixels {
    height: usize,
    width: usize,
    channels: usize,
    values: Vec<f64>,
}

/// The centre of a superpixel: a place and the mean value of each channel.
struct Centre {
    row: f64,
    column: f64,
    value: Vec<f64>,
}

/// Labels of the superpixels, numbered in the order in which a reader meets them.
///
/// # Errors
/// If it is cancelled.
pub(super) fn labels(
    image: &[f32],
    height: usize,
    width: usize,
    config: &SlicConfig,
    cancellation: &Cancellation,
) -> Result<Vec<usize>, SegmentationError> {
    let pixels = Pixels::new(image, height, width);
    let step = ((height * width) as f64 / config.segments as f64).sqrt().max(1.0);
    let mut centres = pixels.first_centres(step);
    let mut labels = vec![0; height * width];
    for _ in 0..config.iterations {
        labels = pixels.assign(&centres, step, config.compactness, cancellation)?;
        pixels.move_centres(&mut centres, &labels);
    }
    let pieces = connected_pieces(&labels, height, width);
    let smallest = config.smallest * (height * width) as f64 / config.segments as f64;
    pixels.join_small_pieces(&pieces, config.segments, smallest, cancellation)
}

/// How many pixels are assigned between two looks at the cancellation.
const CHECK_EVERY: usize = 256;

fn check(cancellation: &Cancellation, what: &'static str, done: usize, total: usize) -> Result<(), SegmentationError> {
    if cancellation.is_cancelled() { Err(SegmentationError::Cancelled { what, done, total }) } else { Ok(()) }
}

impl Pixels {
    fn new(image: &[f32], height: usize, width: usize) -> Self {
        let plane = height * width;
        let channels = image.len() / plane;
        let darkest = image.iter().copied().fold(f32::INFINITY, f32::min);
        let brightest = image.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let range = f64::from(brightest) - f64::from(darkest);
        let scale = if range > 0.0 { 1.0 / range } else { 0.0 };
        let value =
            |pixel: usize, channel: usize| (f64::from(image[channel * plane + pixel]) - f64::from(darkest)) * scale;
        let values = (0..plane).flat_map(|pixel| (0..channels).map(move |channel| value(pixel, channel))).collect();
        Self { height, width, channels, values }
    }

    fn value(&self, pixel: usize) -> &[f64] {
        &self.values[pixel * self.channels..(pixel + 1) * self.channels]
    }

    /// Centres on a regular grid, each moved to the lowest gradient of its 3 x 3 neighbourhood.
    fn first_centres(&self, step: f64) -> Vec<Centre> {
        let rows = ((self.height as f64 / step).floor() as usize).clamp(1, self.height);
        let columns = ((self.width as f64 / step).floor() as usize).clamp(1, self.width);
        let mut centres = Vec::with_capacity(rows * columns);
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let row = (2 * row + 1) * self.height / (2 * rows);
            let column = (2 * column + 1) * self.width / (2 * columns);
            let (row, column) = self.lowest_gradient_around(row, column);
            let value = self.value(row * self.width + column).to_vec();
            centres.push(Centre { row: row as f64, column: column as f64, value });
        }
        centres
    }

    fn lowest_gradient_around(&self, row: usize, column: usize) -> (usize, usize) {
        let mut best = (row, column);
        let mut lowest = self.squared_gradient(row, column);
        for near_row in row.saturating_sub(1)..=(row + 1).min(self.height - 1) {
            for near_column in column.saturating_sub(1)..=(column + 1).min(self.width - 1) {
                let gradient = self.squared_gradient(near_row, near_column);
                if gradient < lowest {
                    lowest = gradient;
                    best = (near_row, near_column);
                }
            }
        }
        best
    }

    fn squared_gradient(&self, row: usize, column: usize) -> f64 {
        let pixel = |row: usize, column: usize| row * self.width + column;
        let below = pixel((row + 1).min(self.height - 1), column);
        let above = pixel(row.saturating_sub(1), column);
        let right = pixel(row, (column + 1).min(self.width - 1));
        let left = pixel(row, column.saturating_sub(1));
        squared_distance(self.value(below), self.value(above)) + squared_distance(self.value(right), self.value(left))
    }

    /// The nearest centre of every pixel among those whose window of two steps to each side holds it; equally near
    /// centres, and pixels outside every window, go to the one that comes first among the nearest of all.
    fn assign(
        &self,
        centres: &[Centre],
        step: f64,
        compactness: f64,
        cancellation: &Cancellation,
    ) -> Result<Vec<usize>, SegmentationError> {
        let weight = (compactness / step).powi(2);
        let distance = |centre: &Centre, pixel: usize| {
            let row = (pixel / self.width) as f64 - centre.row;
            let column = (pixel % self.width) as f64 - centre.column;
            squared_distance(self.value(pixel), &centre.value) + weight * (row * row + column * column)
        };
        let nearest = |pixel: usize| {
            let (row, column) = ((pixel / self.width) as f64, (pixel % self.width) as f64);
            let in_window = |centre: &Centre| {
                (row - centre.row).abs() <= 2.0 * step && (column - centre.column).abs() <= 2.0 * step
            };
            let key = |centre: &Centre| (!in_window(centre), distance(centre, pixel));
            let mut best = (0, key(&centres[0]));
            for (index, centre) in centres.iter().enumerate().skip(1) {
                let candidate = key(centre);
                if candidate < best.1 {
                    best = (index, candidate);
                }
            }
            best.0
        };
        let total = self.height * self.width;
        let checked = |pixel: usize| {
            if pixel.is_multiple_of(CHECK_EVERY) {
                check(cancellation, "pixels of a superpixel round", pixel, total)?;
            }
            Ok(nearest(pixel))
        };
        (0..total).map(checked).collect()
    }

    /// Moves every centre to the mean place and value of its pixels; a centre without pixels stays.
    fn move_centres(&self, centres: &mut [Centre], labels: &[usize]) {
        let mut counts = vec![0.0_f64; centres.len()];
        let mut sums = vec![vec![0.0_f64; 2 + self.channels]; centres.len()];
        for (pixel, &label) in labels.iter().enumerate() {
            counts[label] += 1.0;
            sums[label][0] += (pixel / self.width) as f64;
            sums[label][1] += (pixel % self.width) as f64;
            for (sum, value) in sums[label][2..].iter_mut().zip(self.value(pixel)) {
                *sum += value;
            }
        }
        for ((centre, count), sum) in centres.iter_mut().zip(counts).zip(sums).filter(|((_, count), _)| *count > 0.0) {
            centre.row = sum[0] / count;
            centre.column = sum[1] / count;
            centre.value = sum[2..].iter().map(|sum| sum / count).collect();
        }
    }

    /// Joins the smallest piece to its neighbour of the nearest mean value until none is below `smallest` pixels and
    /// there are at most `most` of them.
    fn join_small_pieces(
        &self,
        pieces: &[usize],
        most: usize,
        smallest: f64,
        cancellation: &Cancellation,
    ) -> Result<Vec<usize>, SegmentationError> {
        let mut labels = pieces.to_vec();
        let mut regions = self.regions(pieces);
        for joined in 0.. {
            check(cancellation, "small superpixels", joined, regions.len())?;
            let alive = || regions.iter().enumerate().filter(|(_, region)| region.size > 0);
            let count = alive().count();
            let Some((small, size)) =
                alive().map(|(index, region)| (index, region.size)).min_by_key(|&(index, size)| (size, index))
            else {
                break;
            };
            if count == 1 || (count <= most && size as f64 >= smallest) {
                break;
            }
            let nearest = regions[small].neighbours.iter().copied().min_by(|&a, &b| {
                let distance = |other: usize| squared_distance(&regions[small].mean(), &regions[other].mean());
                distance(a).total_cmp(&distance(b))
            });
            // A piece of a connected image that is not alone has a neighbour.
            let Some(into) = nearest else { break };
            join(&mut regions, small, into);
            labels.iter_mut().filter(|label| **label == small).for_each(|label| *label = into);
        }
        Ok(in_reading_order(&labels))
    }

    fn regions(&self, pieces: &[usize]) -> Vec<Region> {
        let count = pieces.iter().max().map_or(0, |largest| largest + 1);
        let mut regions: Vec<Region> = (0..count).map(|_| Region::new(self.channels)).collect();
        for (pixel, &piece) in pieces.iter().enumerate() {
            regions[piece].size += 1;
            for (sum, value) in regions[piece].sum.iter_mut().zip(self.value(pixel)) {
                *sum += value;
            }
            for near in neighbours(pixel, self.height, self.width) {
                if pieces[near] != piece {
                    regions[piece].neighbours.insert(pieces[near]);
                }
            }
        }
        regions
    }
}

/// A connected piece: its size, the sum of its values and the pieces it touches.
struct Region {
    size: usize,
    sum: Vec<f64>,
    neighbours: BTreeSet<usize>,
}

impl Region {
    fn new(channels: usize) -> Self {
        Self { size: 0, sum: vec![0.0; channels], neighbours: BTreeSet::new() }
    }

    fn mean(&self) -> Vec<f64> {
        self.sum.iter().map(|sum| sum / self.size as f64).collect()
    }
}

fn join(regions: &mut [Region], from: usize, into: usize) {
    let gone = std::mem::replace(&mut regions[from], Region::new(0));
    for &neighbour in &gone.neighbours {
        regions[neighbour].neighbours.remove(&from);
        if neighbour != into {
            regions[neighbour].neighbours.insert(into);
            regions[into].neighbours.insert(neighbour);
        }
    }
    regions[into].size += gone.size;
    for (sum, more) in regions[into].sum.iter_mut().zip(gone.sum) {
        *sum += more;
    }
}

/// Numbers the connected pieces (four neighbours) of equal label.
fn connected_pieces(labels: &[usize], height: usize, width: usize) -> Vec<usize> {
    let mut pieces = vec![usize::MAX; labels.len()];
    let mut count = 0;
    let mut open = Vec::new();
    for start in 0..labels.len() {
        if pieces[start] != usize::MAX {
            continue;
        }
        pieces[start] = count;
        open.push(start);
        while let Some(pixel) = open.pop() {
            for near in neighbours(pixel, height, width) {
                if pieces[near] == usize::MAX && labels[near] == labels[start] {
                    pieces[near] = count;
                    open.push(near);
                }
            }
        }
        count += 1;
    }
    pieces
}

fn neighbours(pixel: usize, height: usize, width: usize) -> impl Iterator<Item = usize> {
    let (row, column) = (pixel / width, pixel % width);
    let above = (row > 0).then(|| pixel - width);
    let left = (column > 0).then(|| pixel - 1);
    let right = (column + 1 < width).then_some(pixel + 1);
    let below = (row + 1 < height).then_some(pixel + width);
    [above, left, right, below].into_iter().flatten()
}

fn in_reading_order(labels: &[usize]) -> Vec<usize> {
    let mut numbers = vec![None; labels.iter().max().map_or(0, |largest| largest + 1)];
    let mut next = 0;
    labels
        .iter()
        .map(|&label| {
            *numbers[label].get_or_insert_with(|| {
                next += 1;
                next - 1
            })
        })
        .collect()
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

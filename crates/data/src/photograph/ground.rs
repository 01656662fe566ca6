//! The ground of a photograph: what its colour is at every place, as the light makes it.

use super::raster::{Colour, Grid, length, minus, opponent, percentile};

/// The values of a quadratic surface's six terms at a place, from -1 to 1 in both directions.
type Terms = [f32; 6];

/// Samples of the ground that a surface is fitted to; more would change nothing.
const SAMPLES: usize = 2000;
/// Width of the ring of border pixels that are samples, as a share of the shorter edge.
const RING: f32 = 0.03;
/// Repetitions of the fit, each with weights from the distances of the one before.
const REPETITIONS: usize = 12;
/// Distances beyond this many times the typical one do not count in a fit (Tukey's biweight).
const BIWEIGHT: f32 = 4.685;
/// A richer surface is taken only if it leaves less than this share of the typical distance.
const WORTHWHILE: f32 = 0.85;

/// A smooth surface for each of the three colours.
#[derive(Clone, Debug)]
pub(super) struct Surface {
    width: usize,
    height: usize,
    coefficients: [Terms; 3],
}

impl Surface {
    /// The surface through most of the border, whatever stands on the rest of it.
    pub(super) fn of_border(image: &Grid<Colour>) -> Self {
        let ring = ((RING * image.width.min(image.height) as f32).round() as usize).max(1);
        let is_in_ring = |position: &usize| {
            let (column, row) = (position % image.width, position / image.width);
            column.min(row).min(image.width - 1 - column).min(image.height - 1 - row) < ring
        };
        Self::through(image, (0..image.values.len()).filter(is_in_ring).collect())
    }

    /// The surface through most of the pixels at these positions.
    pub(super) fn through(image: &Grid<Colour>, positions: Vec<usize>) -> Self {
        let step = positions.len().div_ceil(SAMPLES).max(1);
        let samples: Vec<(Terms, Colour)> = positions
            .into_iter()
            .step_by(step)
            .map(|position| {
                let (column, row) = (position % image.width, position / image.width);
                (terms(image, column, row), image.values[position])
            })
            .collect();
        // a constant, a plane, a quadratic surface
        let mut best = Fit::of(&samples, 1);
        for count in [3, 6] {
            let richer = Fit::of(&samples, count);
            if richer.typical < WORTHWHILE * best.typical {
                best = richer;
            }
        }
        Self { width: image.width, height: image.height, coefficients: best.coefficients }
    }

    pub(super) fn at(&self, column: usize, row: usize) -> Colour {
        let grid = Grid { width: self.width, height: self.height, values: Vec::<Colour>::new() };
        let terms = terms(&grid, column, row);
        self.coefficients.map(|coefficients| dot(&coefficients, &terms))
    }

    /// The image without the surface.
    pub(super) fn removed_from(&self, image: &Grid<Colour>) -> Grid<Colour> {
        Grid::from_fn(image.width, image.height, |column, row| minus(image.at(column, row), self.at(column, row)))
    }
}

/// A surface with the first few terms.
struct Fit {
    coefficients: [Terms; 3],
    /// The median distance of the samples from it.
    typical: f32,
}

impl Fit {
    fn of(samples: &[(Terms, Colour)], count: usize) -> Self {
        let mut weights = vec![1.0; samples.len()];
        let mut coefficients = [[0.0; 6]; 3];
        let mut typical = 0.0;
        for repetition in 0..REPETITIONS {
            coefficients = least_squares(samples, &weights, count);
            let distances: Vec<f32> = samples
                .iter()
                .map(|(terms, colour)| {
                    length(opponent(minus(*colour, coefficients.map(|coefficients| dot(&coefficients, terms)))))
                })
                .collect();
            typical = percentile(&mut distances.clone(), 0.5);
            // at first every sample counts by its distance alone, so that half of them may be anything; then those far
            // away do not count at all
            let bound = BIWEIGHT * (1.4826 * typical).max(1.0);
            for (weight, distance) in weights.iter_mut().zip(distances) {
                *weight = if repetition < REPETITIONS / 2 {
                    1.0 / distance.max(1.0)
                } else {
                    (1.0 - (distance / bound).powi(2)).max(0.0).powi(2)
                };
            }
        }
        Self { coefficients, typical }
    }
}

fn terms<T>(image: &Grid<T>, column: usize, row: usize) -> Terms {
    let scale = |place: usize, edge: usize| (2 * place + 1) as f32 / edge as f32 - 1.0;
    let (x, y) = (scale(column, image.width), scale(row, image.height));
    [1.0, x, y, x * x, x * y, y * y]
}

fn dot(left: &Terms, right: &Terms) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// The coefficients of the first `count` terms, the others being 0.
fn least_squares(samples: &[(Terms, Colour)], weights: &[f32], count: usize) -> [Terms; 3] {
    // in each row the products of a term with all terms, and with the three colours
    let mut system = [[0.0_f64; 9]; 6];
    for ((terms, colour), &weight) in samples.iter().zip(weights) {
        for (row, &term) in system.iter_mut().zip(&terms[..count]) {
            for (entry, &other) in row.iter_mut().zip(terms.iter().chain(colour)) {
                *entry += f64::from(weight) * f64::from(term) * f64::from(other);
            }
        }
    }
    for (term, row) in system.iter_mut().enumerate() {
        // keeps the system solvable where samples are too few or on a line; nothing otherwise
        row[term] += 1e-6;
    }
    for pivot in 0..count {
        let pivot_row = system[pivot];
        for (term, row) in system.iter_mut().enumerate().take(count) {
            if term != pivot {
                let factor = row[pivot] / pivot_row[pivot];
                for (entry, subtracted) in row.iter_mut().zip(pivot_row) {
                    *entry -= factor * subtracted;
                }
            }
        }
    }
    std::array::from_fn(|channel| {
        std::array::from_fn(
            |term| if term < count { (system[term][6 + channel] / system[term][term]) as f32 } else { 0.0 },
        )
    })
}

/// The standard deviation of the noise of a pixel, by its difference from the next: the median, so that edges and the
/// slow changes of light do not count.
pub(super) fn noise(image: &Grid<Colour>) -> f32 {
    if image.width < 2 {
        return 0.0;
    }
    let difference = |row: &[Colour]| row.windows(2).map(|pair| (opponent(minus(pair[1], pair[0]))[0]).abs()).collect();
    let mut differences: Vec<f32> =
        image.values.chunks_exact(image.width).flat_map(|row| -> Vec<f32> { difference(row) }).collect();
    1.4826 * percentile(&mut differences, 0.5) / std::f32::consts::SQRT_2
}

/// Continues what is known smoothly into what is not: where `known` is false, a value is the mean of those around it,
/// from as far away as need be.
pub(super) fn continued(values: &Grid<Colour>, known: &Grid<bool>) -> Grid<Colour> {
    let weighted = Grid::from_fn(values.width, values.height, |column, row| {
        let weight = f32::from(u8::from(known.at(column, row)));
        let [red, green, blue] = values.at(column, row);
        [weight * red, weight * green, weight * blue, weight]
    });
    pulled_and_pushed(&weighted).map(|[red, green, blue, _]| [red, green, blue])
}

/// Values with weights, filled in from the image of half the size where the weight is less than 1.
fn pulled_and_pushed(weighted: &Grid<[f32; 4]>) -> Grid<[f32; 4]> {
    let normalised = |value: [f32; 4]| if value[3] > 0.0 { value.map(|entry| entry / value[3]) } else { [0.0; 4] };
    if weighted.width == 1 && weighted.height == 1 {
        return weighted.map(normalised);
    }
    let (width, height) = (weighted.width.div_ceil(2), weighted.height.div_ceil(2));
    let half = Grid::from_fn(width, height, |column, row| {
        let mut sum = [0.0; 4];
        for (right, down) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let (column, row) = (2 * column + right, 2 * row + down);
            if column < weighted.width && row < weighted.height {
                for (sum, entry) in sum.iter_mut().zip(weighted.at(column, row)) {
                    *sum += entry;
                }
            }
        }
        // four known pixels weigh no more than one
        let excess = sum[3].max(1.0);
        sum.map(|entry| entry / excess)
    });
    let coarse = pulled_and_pushed(&half);
    Grid::from_fn(weighted.width, weighted.height, |column, row| {
        let own = weighted.at(column, row);
        let missing = 1.0 - own[3].min(1.0);
        if missing <= 0.0 {
            return own;
        }
        let around = between(&coarse, column, row);
        std::array::from_fn(|entry| own[entry] + missing * around[entry])
    })
}

/// The value of an image of half the size at the place of a pixel, interpolated.
fn between(half: &Grid<[f32; 4]>, column: usize, row: usize) -> [f32; 4] {
    let place = |position: usize, edge: usize| {
        let centre = (0.5 * position as f32 - 0.25).clamp(0.0, (edge - 1) as f32);
        (centre.floor() as usize, centre.fract())
    };
    let ((left, right_share), (top, bottom_share)) = (place(column, half.width), place(row, half.height));
    let (right, bottom) = ((left + 1).min(half.width - 1), (top + 1).min(half.height - 1));
    let mix = |from: f32, to: f32, share: f32| from + share * (to - from);
    std::array::from_fn(|entry| {
        let above = mix(half.at(left, top)[entry], half.at(right, top)[entry], right_share);
        let below = mix(half.at(left, bottom)[entry], half.at(right, bottom)[entry], right_share);
        mix(above, below, bottom_share)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_falling_light_is_followed_although_a_third_of_the_border_is_covered() {
        let light = |column: usize, row: usize| 200.0 - 0.5 * column as f32 + 0.2 * row as f32;
        let image = Grid::from_fn(80, 60, |column, row| {
            if (20..70).contains(&column) && row < 40 { [20.0; 3] } else { [light(column, row); 3] }
        });
        let surface = Surface::of_border(&image);
        for (column, row) in [(0, 0), (79, 0), (0, 59), (79, 59), (40, 30)] {
            let distance = surface.at(column, row)[0] - light(column, row);
            assert!(distance.abs() < 1.0, "{distance} at {column}, {row}");
        }
    }

    #[test]
    fn a_vignette_is_followed() {
        let light =
            |column: usize, row: usize| 240.0 - 0.02 * ((column as f32 - 40.0).powi(2) + (row as f32 - 30.0).powi(2));
        let image = Grid::from_fn(80, 60, |column, row| [light(column, row); 3]);
        let surface = Surface::of_border(&image);
        assert!((surface.at(40, 30)[1] - light(40, 30)).abs() < 1.0);
    }

    #[test]
    fn noise_is_measured_beside_edges_and_slopes() {
        // a pattern with the differences 1, 2, 3, 4 in turn, on a slope of half a level
        let even = Grid::from_fn(64, 64, |column, _| [if column < 32 { 0.0 } else { 200.0 } + 0.5 * column as f32; 3]);
        assert!((noise(&even) - 0.524).abs() < 0.01, "{}", noise(&even));
        assert!(noise(&Grid::filled(1, 5, [0.0; 3])) < 1e-6);
    }

    #[test]
    fn what_is_unknown_is_continued_from_what_is_known() {
        let values = Grid::from_fn(33, 20, |column, _| [column as f32; 3]);
        let known = Grid::from_fn(33, 20, |column, _| !(10..20).contains(&column));
        let filled = continued(&values, &known);
        assert!((filled.at(3, 3)[0] - 3.0).abs() < 1e-4);
        let middle = filled.at(15, 10)[0];
        assert!((9.0..21.0).contains(&middle), "{middle}");
        let nothing = continued(&values, &known.map(|_| false));
        assert!(nothing.values.iter().all(|colour| colour[0].abs() < 1e-6));
    }
}

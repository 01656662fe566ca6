//! Images in numbers, and how they are scaled and smoothed.

/// A colour in levels from 0 to 255: red, green, blue.
pub(super) type Colour = [f32; 3];

/// How much a difference of colour counts beside one of brightness.
const COLOURFULNESS: f32 = 0.75;

/// A part of an image in its pixels, which may begin and end between two of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Window {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

/// Values in rows from the top.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grid<T> {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<T>,
}

impl<T: Copy> Grid<T> {
    pub(super) fn filled(width: usize, height: usize, value: T) -> Self {
        Self { width, height, values: vec![value; width * height] }
    }

    /// The values of a function of column and row.
    pub(super) fn from_fn(width: usize, height: usize, mut function: impl FnMut(usize, usize) -> T) -> Self {
        let mut values = Vec::with_capacity(width * height);
        for row in 0..height {
            values.extend((0..width).map(|column| function(column, row)));
        }
        Self { width, height, values }
    }

    pub(super) fn at(&self, column: usize, row: usize) -> T {
        self.values[row * self.width + column]
    }

    /// The values of the same places after a function.
    pub(super) fn map<U: Copy>(&self, function: impl Fn(T) -> U) -> Grid<U> {
        Grid { width: self.width, height: self.height, values: self.values.iter().copied().map(function).collect() }
    }

    /// The positions of the outermost pixels, clockwise from the upper left corner.
    pub(super) fn perimeter(&self) -> Vec<usize> {
        let (right, bottom) = (self.width - 1, self.height - 1);
        let place = |column: usize, row: usize| row * self.width + column;
        if self.width == 1 || self.height == 1 {
            return (0..self.values.len()).collect();
        }
        let sides = (0..right).map(|column| place(column, 0));
        let sides = sides.chain((0..bottom).map(|row| place(right, row)));
        let sides = sides.chain((1..=right).rev().map(|column| place(column, bottom)));
        sides.chain((1..=bottom).rev().map(|row| place(0, row))).collect()
    }
}

/// Rows of colours that something larger is made of.
pub(super) trait Rows {
    fn colour(&self, column: usize, row: usize) -> Colour;
    fn columns(&self) -> usize;
    fn rows(&self) -> usize;
}

impl Rows for Grid<Colour> {
    fn colour(&self, column: usize, row: usize) -> Colour {
        self.at(column, row)
    }

    fn columns(&self) -> usize {
        self.width
    }

    fn rows(&self) -> usize {
        self.height
    }
}

impl Rows for Grid<f32> {
    fn colour(&self, column: usize, row: usize) -> Colour {
        [self.at(column, row); 3]
    }

    fn columns(&self) -> usize {
        self.width
    }

    fn rows(&self) -> usize {
        self.height
    }
}

/// The pixels along one axis that a scaled pixel is made of.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Scales a part of an image to `width` × `height` pixels. Where it becomes smaller, every pixel is the mean of the area
/// that it covers, so that noise and fine patterns do not turn into blotches; where it becomes larger, it is interpolated.
pub(super) fn scaled(source: &impl Rows, window: Window, width: usize, height: usize) -> Grid<Colour> {
    let across = taps(window.left, window.width, width, source.columns());
    let down = taps(window.top, window.height, height, source.rows());
    let mut result = Grid::filled(width, height, [0.0; 3]);
    let mut line = vec![[0.0; 3]; width];
    let mut line_row = None;
    for (row, vertical) in down.iter().enumerate() {
        for (source_row, &weight) in (vertical.first..).zip(&vertical.weights) {
            if line_row != Some(source_row) {
                for (target, taps) in line.iter_mut().zip(&across) {
                    *target = [0.0; 3];
                    for (column, &weight) in (taps.first..).zip(&taps.weights) {
                        add(target, source.colour(column, source_row), weight);
                    }
                }
                line_row = Some(source_row);
            }
            for (target, &colour) in result.values[row * width..(row + 1) * width].iter_mut().zip(&line) {
                add(target, colour, weight);
            }
        }
    }
    result
}

fn add(target: &mut Colour, colour: Colour, weight: f32) {
    for (target, level) in target.iter_mut().zip(colour) {
        *target += weight * level;
    }
}

fn taps(start: f32, extent: f32, count: usize, available: usize) -> Vec<Taps> {
    let step = extent / count as f32;
    let last = available - 1;
    let tap = |position: usize| {
        if step >= 1.0 {
            let (from, to) = (start + position as f32 * step, start + (position + 1) as f32 * step);
            let first = (from.max(0.0) as usize).min(last);
            let end = (to.ceil() as usize).clamp(first + 1, available);
            let share = |pixel: usize| (to.min(pixel as f32 + 1.0) - from.max(pixel as f32)).max(0.0);
            return Taps { first, weights: normalised((first..end).map(share).collect()) };
        }
        let centre = (start + (position as f32 + 0.5) * step - 0.5).clamp(0.0, last as f32);
        let first = centre.floor() as usize;
        let behind = centre - first as f32;
        let weights = if first == last { vec![1.0] } else { vec![1.0 - behind, behind] };
        Taps { first, weights }
    };
    (0..count).map(tap).collect()
}

/// Weights with sum 1; the first alone counts if all are 0.
fn normalised(mut weights: Vec<f32>) -> Vec<f32> {
    let sum: f32 = weights.iter().sum();
    if sum <= 0.0 {
        weights.truncate(1);
        return vec![1.0; weights.len()];
    }
    for weight in &mut weights {
        *weight /= sum;
    }
    weights
}

/// Smooths with a Gaussian of this standard deviation. Beyond the edge lies the nearest pixel.
pub(super) fn smoothed(image: &Grid<Colour>, deviation: f32) -> Grid<Colour> {
    let reach = (2.5 * deviation).ceil() as isize;
    let weights = (-reach..=reach).map(|step| (-0.5 * (step as f32 / deviation).powi(2)).exp()).collect();
    let weights = normalised(weights);
    let along = |image: &Grid<Colour>, [right, down]: [isize; 2]| {
        Grid::from_fn(image.width, image.height, |column, row| {
            let mut sum = [0.0; 3];
            for (step, &weight) in (-reach..=reach).zip(&weights) {
                let beside = |place: usize, way: isize, edge: usize| {
                    (place as isize + way * step).clamp(0, edge as isize - 1) as usize
                };
                let colour = image.at(beside(column, right, image.width), beside(row, down, image.height));
                add(&mut sum, colour, weight);
            }
            sum
        })
    };
    along(&along(image, [1, 0]), [0, 1])
}

/// The value below which lies this share of the values; 0 of none.
pub(super) fn percentile(values: &mut [f32], share: f32) -> f32 {
    let Some(last) = values.len().checked_sub(1) else { return 0.0 };
    *values.select_nth_unstable_by((share * last as f32).round() as usize, f32::total_cmp).1
}

/// Brightness as the eye weighs colours (ITU-R BT.709).
pub(super) fn luma([red, green, blue]: Colour) -> f32 {
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// Brightness and two differences of colour, scaled so that the length of a difference says how far apart two colours
/// look; of two greys it is the difference of their levels.
pub(super) fn opponent(colour: Colour) -> Colour {
    let brightness = luma(colour);
    [brightness, COLOURFULNESS * (colour[0] - brightness), COLOURFULNESS * (colour[2] - brightness)]
}

pub(super) fn length([first, second, third]: Colour) -> f32 {
    (first * first + second * second + third * third).sqrt()
}

pub(super) fn minus(left: Colour, right: Colour) -> Colour {
    [left[0] - right[0], left[1] - right[1], left[2] - right[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, levels: &[f32]) -> Grid<Colour> {
        Grid { width, height: levels.len() / width, values: levels.iter().map(|&level| [level; 3]).collect() }
    }

    fn whole(image: &Grid<Colour>) -> Window {
        Window { left: 0.0, top: 0.0, width: image.width as f32, height: image.height as f32 }
    }

    #[test]
    fn shrinking_averages_the_area() {
        let image = grey(4, &[0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]);
        assert_eq!(scaled(&image, whole(&image), 2, 1), grey(2, &[25.0, 45.0]));
        let thirds =
            scaled(&grey(3, &[0.0, 30.0, 60.0]), Window { left: 0.0, top: 0.0, width: 3.0, height: 1.0 }, 2, 1);
        assert!((thirds.values[0][0] - 10.0).abs() < 1e-4, "{thirds:?}");
    }

    #[test]
    fn the_same_size_is_the_same_image_and_a_larger_one_is_interpolated() {
        let image = grey(2, &[0.0, 100.0, 50.0, 150.0]);
        assert_eq!(scaled(&image, whole(&image), 2, 2), image);
        let larger = scaled(&image, whole(&image), 4, 4);
        assert_eq!(larger.values[..4].iter().map(|colour| colour[0]).collect::<Vec<_>>(), [0.0, 25.0, 75.0, 100.0]);
    }

    #[test]
    fn a_part_is_cut_out_between_pixels() {
        let image = grey(4, &[0.0, 10.0, 20.0, 30.0]);
        let window = Window { left: 0.5, top: 0.0, width: 2.0, height: 1.0 };
        assert_eq!(scaled(&image, window, 2, 1), grey(2, &[5.0, 15.0]));
    }

    #[test]
    fn the_perimeter_goes_round_once() {
        let grid = Grid::filled(3, 3, 0.0);
        assert_eq!(grid.perimeter(), [0, 1, 2, 5, 8, 7, 6, 3]);
        assert_eq!(Grid::filled(1, 4, 0.0).perimeter(), [0, 1, 2, 3]);
        assert_eq!(Grid::filled(2, 2, 0.0).perimeter(), [0, 1, 3, 2]);
    }

    #[test]
    fn smoothing_keeps_what_is_even_and_lessens_noise() {
        let even = Grid::filled(9, 9, [80.0; 3]);
        assert!(smoothed(&even, 1.5).values.iter().all(|colour| (colour[0] - 80.0).abs() < 1e-3));
        let mut speck = Grid::filled(9, 9, [0.0; 3]);
        speck.values[40] = [100.0; 3];
        let middle = smoothed(&speck, 1.0).at(4, 4)[0];
        assert!((15.0..17.0).contains(&middle), "1 / 2π of 100, but {middle}");
    }

    #[test]
    fn greys_are_as_far_apart_as_their_levels() {
        assert!((length(minus(opponent([70.0; 3]), opponent([200.0; 3]))) - 130.0).abs() < 1e-3);
        assert!(length(minus(opponent([90.0, 150.0, 70.0]), opponent([215.0, 110.0, 120.0]))) > 50.0);
    }
}

//! A garment of the data set as a smooth function of the place.

/// Levels up to this one are ground: a pixel of it belongs to the garment only if the garment surrounds it.
const GROUND: u8 = 8;

/// The levels of a square image, looked up at any place. Outside of it everything is ground.
pub(super) struct Garment {
    side: usize,
    levels: Vec<f32>,
    /// 1 where there is cloth, 0 where there is ground.
    coverage: Vec<f32>,
}

impl Garment {
    /// # Panics
    /// If there are not `side * side` levels.
    pub(super) fn new(levels: &[u8], side: usize) -> Self {
        assert_eq!(levels.len(), side * side, "a garment is a square image");
        Self { side, levels: levels.iter().copied().map(f32::from).collect(), coverage: covered(levels, side) }
    }

    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// The level at a place, in pixels from the upper left corner, by the spline of Catmull and Rom.
    pub(super) fn level(&self, place: [f32; 2]) -> f32 {
        spline(&self.levels, self.side, place).clamp(0.0, 255.0)
    }

    /// The share of the place that is covered by cloth.
    pub(super) fn coverage(&self, place: [f32; 2]) -> f32 {
        spline(&self.coverage, self.side, place).clamp(0.0, 1.0)
    }

    /// The image itself, turned by this many degrees.
    pub(super) fn turned(&self, degrees: f32) -> Vec<u8> {
        let (sine, cosine) = degrees.to_radians().sin_cos();
        let half = self.side as f32 / 2.0;
        let level = |position: usize| {
            let [right, down] = [position % self.side, position / self.side].map(|step| step as f32 + 0.5 - half);
            let place = [cosine * right + sine * down + half, cosine * down - sine * right + half];
            self.level(place).round() as u8
        };
        (0..self.levels.len()).map(level).collect()
    }

    /// The shape of a soft shadow of the garment, as levels from 0 to 1.
    pub(super) fn blurred_coverage(&self) -> Self {
        let near = |position: usize| position.saturating_sub(1)..=(position + 1).min(self.side - 1);
        let mean = |position: usize| {
            let (row, column) = (position / self.side, position % self.side);
            let rows =
                near(row).map(|row| near(column).map(|column| self.coverage[row * self.side + column]).sum::<f32>());
            rows.sum::<f32>() / 9.0
        };
        let levels: Vec<f32> = (0..self.levels.len()).map(mean).collect();
        Self { side: self.side, coverage: levels.clone(), levels }
    }
}

/// Everything that ground from the edge of the image does not reach.
fn covered(levels: &[u8], side: usize) -> Vec<f32> {
    let mut coverage = vec![1.0; levels.len()];
    let edge = (0..side).flat_map(|step| [step, (side - 1) * side + step, step * side, step * side + side - 1]);
    let mut open: Vec<usize> = edge.collect();
    while let Some(position) = open.pop() {
        if coverage[position] == 0.0 || levels[position] > GROUND {
            continue;
        }
        coverage[position] = 0.0;
        let (row, column) = (position / side, position % side);
        open.extend((row > 0).then(|| position - side));
        open.extend((row + 1 < side).then(|| position + side));
        open.extend((column > 0).then(|| position - 1));
        open.extend((column + 1 < side).then(|| position + 1));
    }
    coverage
}

fn spline(values: &[f32], side: usize, [x, y]: [f32; 2]) -> f32 {
    let reach = side as f32 + 1.5;
    if x < -1.5 || y < -1.5 || x > reach || y > reach {
        return 0.0;
    }
    let (x, y) = (x - 0.5, y - 0.5);
    let (columns, rows) = (weights(x - x.floor()), weights(y - y.floor()));
    let mut sum = 0.0;
    for (row, vertical) in (y.floor() as isize - 1..).zip(rows) {
        for (column, horizontal) in (x.floor() as isize - 1..).zip(columns) {
            let inside = (0..side as isize).contains(&row) && (0..side as isize).contains(&column);
            if inside {
                sum += vertical * horizontal * values[row as usize * side + column as usize];
            }
        }
    }
    sum
}

/// The weights of the four values around a place, which lies this far behind the second of them.
fn weights(behind: f32) -> [f32; 4] {
    let [square, cube] = [behind * behind, behind * behind * behind];
    [
        0.5 * (-cube + 2.0 * square - behind),
        0.5 * (3.0 * cube - 5.0 * square + 2.0),
        0.5 * (-3.0 * cube + 4.0 * square + behind),
        0.5 * (cube - square),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_pixel_has_its_level_and_outside_is_ground() {
        let levels: Vec<u8> = (0..16).map(|level| 10 * level).collect();
        let garment = Garment::new(&levels, 4);
        for (position, &level) in levels.iter().enumerate() {
            let place = [(position % 4) as f32 + 0.5, (position / 4) as f32 + 0.5];
            assert!((garment.level(place) - f32::from(level)).abs() < 1e-4);
        }
        assert!(garment.level([-3.0, 2.0]).max(garment.level([2.0, 9.0])) < 1e-6);
    }

    #[test]
    fn a_quarter_turn_exchanges_rows_and_columns() {
        let garment = Garment::new(&[10, 20, 30, 40], 2);
        assert_eq!(garment.turned(0.0), [10, 20, 30, 40]);
        assert_eq!(garment.turned(90.0), [30, 10, 40, 20]);
    }

    #[test]
    fn ground_inside_the_garment_is_cloth_and_ground_that_reaches_the_edge_is_not() {
        #[rustfmt::skip]
        let levels = [
            0, 0,   0,   0,   0,
            0, 200, 200, 200, 0,
            0, 200, 0,   200, 0,
            0, 200, 200, 200, 0,
            0, 0,   0,   0,   0,
        ];
        let garment = Garment::new(&levels, 5);
        assert!(garment.coverage([2.5, 2.5]) > 0.999);
        assert!(garment.coverage([0.5, 2.5]) < 0.001);
    }
}

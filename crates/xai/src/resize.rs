/// A position between two neighbours of a line: the lower one, the upper one, and how far it is on the way.
#[derive(Clone, Copy, Debug)]
struct Between {
    lower: usize,
    upper: usize,
    share: f64,
}

/// A map `[rows, columns]` made `[height, width]` large by bilinear interpolation between the centres of its cells; what
/// lies outside the outermost centres has their value (`align_corners=False` in PyTorch).
pub(crate) fn upsample(map: &[f64], size: [usize; 2], to: [usize; 2]) -> Vec<f64> {
    let [rows, columns] = size;
    let [height, width] = to;
    let across: Vec<Between> = (0..width).map(|place| between(place, width, columns)).collect();
    let mut values = Vec::with_capacity(height * width);
    for place in 0..height {
        let down = between(place, height, rows);
        let row = |row: usize, at: Between| {
            let line = &map[row * columns..(row + 1) * columns];
            line[at.lower] + at.share * (line[at.upper] - line[at.lower])
        };
        values.extend(across.iter().map(|&at| {
            let above = row(down.lower, at);
            above + down.share * (row(down.upper, at) - above)
        }));
    }
    values
}

/// Where the centre of pixel `place` of `length` lies among the centres of `cells` cells.
fn between(place: usize, length: usize, cells: usize) -> Between {
    let position = ((place as f64 + 0.5) * cells as f64 / length as f64 - 0.5).clamp(0.0, cells as f64 - 1.0);
    let lower = position.floor() as usize;
    Between { lower, upper: (lower + 1).min(cells - 1), share: position - lower as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_interpolated_as_pytorch_does() {
        // torch.nn.functional.interpolate([[0, 4]], size=(1, 4), mode="bilinear", align_corners=False)
        assert_eq!(upsample(&[0.0, 4.0], [1, 2], [1, 4]), [0.0, 1.0, 3.0, 4.0]);
        assert_eq!(upsample(&[0.0, 4.0], [2, 1], [4, 2]), [0.0, 0.0, 1.0, 1.0, 3.0, 3.0, 4.0, 4.0]);
        assert_eq!(upsample(&[3.0], [1, 1], [2, 3]), [3.0; 6]);
    }

    #[test]
    fn a_plane_stays_a_plane_between_the_centres() {
        let map: Vec<f64> = (0..12).map(|cell| f64::from(cell / 4) * 10.0 + f64::from(cell % 4)).collect();
        let large = upsample(&map, [3, 4], [9, 16]);
        for (row, column) in [(1, 2), (4, 7), (7, 13), (5, 2)] {
            let expected = ((row as f64 + 0.5) / 3.0 - 0.5) * 10.0 + (column as f64 + 0.5) / 4.0 - 0.5;
            assert!((large[row * 16 + column] - expected).abs() < 1e-12);
        }
    }
}

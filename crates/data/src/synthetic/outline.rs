//! Outlines in garment coordinates: x to the right, y down, both about -1 to 1.

use std::f32::consts::TAU;

/// A point as `[x, y]`.
pub(super) type Point = [f32; 2];

/// A closed polygon; the last point joins the first.
pub(super) type Outline = Vec<Point>;

/// The outline seen in a mirror that stands on the vertical axis.
pub(super) fn mirrored(outline: &[Point]) -> Outline {
    outline.iter().map(|&[x, y]| [-x, y]).collect()
}

/// A shape that is its own mirror image, from its right half read downwards.
pub(super) fn symmetric(right_half: &[Point]) -> Outline {
    let left_half = mirrored(right_half);
    right_half.iter().copied().chain(left_half.into_iter().rev()).collect()
}

/// A round spot.
pub(super) fn disc([x, y]: Point, radius: f32) -> Outline {
    const CORNERS: usize = 12;
    let corner = |corner: usize| TAU * corner as f32 / CORNERS as f32;
    (0..CORNERS).map(corner).map(|angle| [x + radius * angle.cos(), y + radius * angle.sin()]).collect()
}

/// An upright rectangle.
pub(super) fn rectangle([left, top]: Point, [right, bottom]: Point) -> Outline {
    vec![[left, top], [right, top], [right, bottom], [left, bottom]]
}

/// A ribbon of constant width along a line of at least two points.
pub(super) fn band(line: &[Point], half_width: f32) -> Outline {
    let offset = |index: usize, side: f32| {
        let [before, after] = [line[index.saturating_sub(1)], line[(index + 1).min(line.len() - 1)]];
        let [dx, dy] = [after[0] - before[0], after[1] - before[1]];
        let factor = side * half_width / dx.hypot(dy).max(f32::EPSILON);
        [line[index][0] - dy * factor, line[index][1] + dx * factor]
    };
    let there = (0..line.len()).map(|index| offset(index, 1.0));
    let back = (0..line.len()).rev().map(|index| offset(index, -1.0));
    there.chain(back).collect()
}

/// A tapering limb that leaves `from` in the direction `angle` (0 to the right, a quarter turn down).
pub(super) fn limb(from: Point, angle: f32, length: f32, [start, end]: [f32; 2]) -> Outline {
    let [along_x, along_y] = [angle.cos(), angle.sin()];
    let at = |along: f32, across: f32| {
        [from[0] + along * along_x - across * along_y, from[1] + along * along_y + across * along_x]
    };
    vec![at(0.0, -start), at(length, -end), at(length, end), at(0.0, start)]
}

/// Half an ellipse that stands on its two ends like a handle, drawn from left to right.
pub(super) fn arch(centre: Point, half_width: f32, height: f32) -> Outline {
    const STEPS: usize = 10;
    let angle = |step: usize| TAU / 2.0 * step as f32 / STEPS as f32;
    (0..=STEPS)
        .map(angle)
        .map(|angle| [centre[0] - half_width * angle.cos(), centre[1] - height * angle.sin()])
        .collect()
}

/// Signed distance from a point to the border of a polygon, negative inside; inside and outside are told apart by the
/// parity of the crossings of a horizontal ray (Shimrat 1962).
pub(super) fn signed_distance(outline: &[Point], [x, y]: Point) -> f32 {
    let mut squared = f32::INFINITY;
    let mut is_inside = false;
    let mut previous = outline.len() - 1;
    for (current, &[end_x, end_y]) in outline.iter().enumerate() {
        let [start_x, start_y] = outline[previous];
        let [edge_x, edge_y] = [end_x - start_x, end_y - start_y];
        let [to_x, to_y] = [x - start_x, y - start_y];
        let length = (edge_x * edge_x + edge_y * edge_y).max(f32::MIN_POSITIVE);
        let along = ((to_x * edge_x + to_y * edge_y) / length).clamp(0.0, 1.0);
        let [off_x, off_y] = [to_x - along * edge_x, to_y - along * edge_y];
        squared = squared.min(off_x * off_x + off_y * off_y);
        if (start_y > y) != (end_y > y) && to_x * edge_y.abs() < edge_x * to_y * edge_y.signum() {
            is_inside = !is_inside;
        }
        previous = current;
    }
    if is_inside { -squared.sqrt() } else { squared.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_to_a_square_are_exact() {
        let square = rectangle([-1.0, -1.0], [1.0, 1.0]);
        for (point, expected) in
            [([0.0, 0.0], -1.0), ([0.5, 0.0], -0.5), ([3.0, 0.0], 2.0), ([4.0, 5.0], 5.0), ([-0.9, 0.3], -0.1)]
        {
            assert!((signed_distance(&square, point) - expected).abs() < 1e-6, "{point:?}");
            assert!((signed_distance(&mirrored(&square), point) - expected).abs() < 1e-6, "{point:?} mirrored");
        }
    }

    #[test]
    fn a_band_is_as_wide_as_said() {
        let ribbon = band(&[[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]], 0.5);
        assert!((signed_distance(&ribbon, [2.0, 0.0]) + 0.5).abs() < 1e-6);
        assert!((signed_distance(&ribbon, [2.0, 0.75]) - 0.25).abs() < 1e-6);
    }
}

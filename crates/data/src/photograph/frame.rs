//! Frames and bars around a photograph.

use super::raster::{Colour, Grid, length, minus, opponent};

/// Colours of a frame are the same up to this distance.
const SAME: f32 = 10.0;
/// The part of a line that must be of one colour for the line to belong to a frame.
const EVEN: f32 = 0.97;
/// The part of a line that changes where the photograph begins, so that no straight edge of a garment is taken for it.
const CHANGING: f32 = 0.85;
/// Within how many lines it changes: a frame ends sharply.
const SHARP: usize = 2;
/// The largest part of an edge that a frame takes up on each side.
const LARGEST: f32 = 0.4;
/// Frames within frames that are cut away.
const NESTED: usize = 3;

/// How many lines are no part of the photograph, on each side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) top: usize,
    pub(super) bottom: usize,
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Left,
    Right,
    Top,
    Bottom,
}

/// Finds frames on all sides, and bars on two. `noise` is the standard deviation of a pixel.
pub(super) fn frame(image: &Grid<Colour>, noise: f32) -> Frame {
    let mut frame = Frame::default();
    let same = SAME.max(4.0 * noise);
    for _ in 0..NESTED {
        // a bar comes with one on the opposite side; alone it would rather be a straight edge of the garment
        let top = bar(image, &frame, Side::Top, same);
        let bottom = bar(image, &frame, Side::Bottom, same);
        if top > 0 && bottom > 0 {
            frame = Frame { top: frame.top + top, bottom: frame.bottom + bottom, ..frame };
        }
        let left = bar(image, &frame, Side::Left, same);
        let right = bar(image, &frame, Side::Right, same);
        if left > 0 && right > 0 {
            frame = Frame { left: frame.left + left, right: frame.right + right, ..frame };
        } else if top == 0 || bottom == 0 {
            break;
        }
    }
    frame
}

/// The lines of a bar on one side of what an outer frame leaves.
fn bar(image: &Grid<Colour>, outer: &Frame, side: Side, same: f32) -> usize {
    let (columns, rows) = (outer.left..image.width - outer.right, outer.top..image.height - outer.bottom);
    let (lines, across) = match side {
        Side::Left | Side::Right => (columns.len(), rows.len()),
        Side::Top | Side::Bottom => (rows.len(), columns.len()),
    };
    let colour = |line: usize, place: usize| {
        opponent(match side {
            Side::Left => image.at(columns.start + line, rows.start + place),
            Side::Right => image.at(columns.end - 1 - line, rows.start + place),
            Side::Top => image.at(columns.start + place, rows.start + line),
            Side::Bottom => image.at(columns.start + place, rows.end - 1 - line),
        })
    };
    let reference = colour(0, across / 2);
    // without the ends of a line, which belong to the bars of the other sides
    let ends = across / 10;
    let differing = |line: usize| {
        let count = (ends..across - ends).filter(|&place| length(minus(colour(line, place), reference)) > same).count();
        count as f32 / (across - 2 * ends).max(1) as f32
    };
    let limit = (LARGEST * lines as f32) as usize;
    let thickness = (0..limit).take_while(|&line| differing(line) <= 1.0 - EVEN).count();
    if thickness == 0 || thickness == limit {
        return 0;
    }
    let begins = (thickness..(thickness + SHARP).min(lines)).position(|line| differing(line) >= CHANGING);
    // one line more than needed, which may be half of either
    begins.map_or(0, |blurred| thickness + blurred + 1)
}

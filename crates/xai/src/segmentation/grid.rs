use super::SegmentationError;

/// Labels of a regular grid: pixel row `y` lies in cell row `y * rows / height`, so that all cells are as equal as
/// whole pixels allow.
pub(super) fn labels(
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
) -> Result<Vec<usize>, SegmentationError> {
    if !(1..=height).contains(&rows) || !(1..=width).contains(&columns) {
        return Err(SegmentationError::Grid { rows, columns, height, width });
    }
    let cell = |pixel: usize| (pixel / width) * rows / height * columns + (pixel % width) * columns / width;
    Ok((0..height * width).map(cell).collect())
}

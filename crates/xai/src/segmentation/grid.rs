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
    // Products in u128: the caller may ask for an image whose memory is there but whose squares do not fit.
    let part = |place: usize, parts: usize, size: usize| (place as u128 * parts as u128 / size as u128) as usize;
    let cell = |pixel: usize| part(pixel / width, rows, height) * columns + part(pixel % width, columns, width);
    let mut labels = Vec::new();
    let pixels = height * width;
    labels.try_reserve_exact(pixels).map_err(|_| SegmentationError::TooLarge { channels: 1, height, width })?;
    labels.extend((0..pixels).map(cell));
    Ok(labels)
}

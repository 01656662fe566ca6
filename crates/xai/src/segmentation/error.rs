use thiserror::Error;

/// Why labels, masks or counts do not make a segmentation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SegmentationError {
    /// An image without pixels.
    #[error("image of {height} x {width} pixels has nothing to segment")]
    NoPixels {
        /// The height that was given.
        height: usize,
        /// The width that was given.
        width: usize,
    },
    /// A slice whose length is not that of the image.
    #[error("{what} has {found} values, expected {expected}")]
    Length {
        /// Which slice.
        what: &'static str,
        /// How many values it holds.
        found: usize,
        /// How many were expected.
        expected: usize,
    },
    /// A segment to which no pixel belongs.
    #[error("segment {segment} of {count} holds no pixel, expected labels 0 to {} to be used each", count - 1)]
    EmptySegment {
        /// The first such segment.
        segment: usize,
        /// How many segments there are.
        count: usize,
    },
    /// A pixel that belongs to two segments.
    #[error("the pixel in row {row}, column {column} belongs to segments {first} and {second}, expected one")]
    Overlap {
        /// Row of the first such pixel.
        row: usize,
        /// Column of the first such pixel.
        column: usize,
        /// The first segment that holds it.
        first: usize,
        /// The next segment that holds it.
        second: usize,
    },
    /// A pixel that belongs to no segment.
    #[error("the pixel in row {row}, column {column} belongs to no segment, expected one")]
    Uncovered {
        /// Row of the first such pixel.
        row: usize,
        /// Column of the first such pixel.
        column: usize,
    },
    /// A grid with more rows or columns than the image has pixels, or with none.
    #[error("grid of {rows} x {columns} cells, expected 1 to {height} rows and 1 to {width} columns")]
    Grid {
        /// The rows that were asked for.
        rows: usize,
        /// The columns that were asked for.
        columns: usize,
        /// Height of the image.
        height: usize,
        /// Width of the image.
        width: usize,
    },
    /// An image value that is NaN or infinite.
    #[error("image value {index} is {value}, expected a finite number")]
    NotFinite {
        /// Position in the slice.
        index: usize,
        /// Its value in words, because NaN equals nothing.
        value: String,
    },
    /// An image whose number of values does not fit into an address.
    #[error("image of {channels} channels of {height} x {width} pixels has more values than there are addresses")]
    TooLarge {
        /// The channels that were given.
        channels: usize,
        /// The height that was given.
        height: usize,
        /// The width that was given.
        width: usize,
    },
    /// The call was cancelled.
    #[error("cancelled after {done} of {total} {what}")]
    Cancelled {
        /// What was being counted.
        what: &'static str,
        /// How many were done.
        done: usize,
        /// How many there were to do.
        total: usize,
    },
    /// A setting outside its range.
    #[error(transparent)]
    Setting(#[from] tinylsa_settings::InvalidSetting),
}

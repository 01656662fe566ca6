//! What can be wrong with the numbers, images and texts that a report is made of.

/// Why an image, chart or page could not be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A figure was asked for without anything to draw.
    #[error("{figure}: nothing to draw, expected at least one {item}")]
    Empty {
        /// The figure.
        figure: &'static str,
        /// What it is made of.
        item: &'static str,
    },

    /// A NaN or an infinite number among the values of a figure.
    #[error("{figure}: found {value} at {position}, expected a finite number")]
    NotFinite {
        /// The figure or map.
        figure: &'static str,
        /// Where the value stands.
        position: String,
        /// The value.
        value: f64,
    },

    /// A number outside the range that it may have.
    #[error("{figure}: found {value} at {position}, expected a number from {low} to {high}")]
    OutOfRange {
        /// The figure or map.
        figure: &'static str,
        /// Where the value stands.
        position: String,
        /// The value.
        value: f64,
        /// The smallest value that is allowed.
        low: f64,
        /// The largest value that is allowed.
        high: f64,
    },

    /// Two things that belong together differ in length or size.
    #[error("{figure}: found {found} {item}, expected {expected}")]
    Size {
        /// The figure or map.
        figure: &'static str,
        /// What was counted.
        item: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },

    /// An image or map with a side that is too long to be drawn.
    #[error("{figure}: found {height}x{width}, expected sides of at most {largest}")]
    TooLarge {
        /// The figure or map.
        figure: &'static str,
        /// Height that was found.
        height: usize,
        /// Width that was found.
        width: usize,
        /// The longest side that is allowed.
        largest: usize,
    },

    /// Two images or maps that belong together differ in height and width.
    #[error("{figure}: found {found_height}x{found_width}, expected {expected}")]
    Shape {
        /// The figure or map.
        figure: &'static str,
        /// Height that was found.
        found_height: usize,
        /// Width that was found.
        found_width: usize,
        /// What was expected, in words.
        expected: String,
    },

    /// The bytes or text given as a figure of the page are not of the kind that was named.
    #[error("figure \"{caption}\": expected {expected}")]
    NotAFigure {
        /// The figure's caption.
        caption: String,
        /// The kind that was named.
        expected: &'static str,
    },

    /// The chart library failed.
    #[error("{figure}: {message}")]
    Chart {
        /// The figure.
        figure: &'static str,
        /// What the chart library says.
        message: String,
    },

    /// An image that is neither grey nor red, green and blue.
    #[error("image: found {found} channels, expected 1 (grey) or 3 (red, green and blue)")]
    Channels {
        /// How many channels it has.
        found: usize,
    },

    /// A figure could not be written as PNG.
    #[error("failed to write a PNG file")]
    Encode(#[from] png::EncodingError),

    /// A figure could not be read from PNG.
    #[error("failed to read a PNG file")]
    Decode(#[from] png::DecodingError),

    /// The numbers of a live image could not be packed.
    #[error("failed to pack the numbers of a live image")]
    Pack(#[from] std::io::Error),
}

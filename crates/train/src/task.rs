use tinylsa_model::ImageShape;

/// What a network takes and tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// The shape of its images.
    pub input: ImageShape,
    /// The number of its classes.
    pub classes: usize,
}

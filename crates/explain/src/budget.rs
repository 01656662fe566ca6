/// What a method may cost that is run again and again, for scores that explain the same image many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Gradients along a path, without refinement.
    pub steps: usize,
    /// Images of a background.
    pub background: usize,
    /// Noisy copies of the image.
    pub noisy: usize,
    /// Coalitions of segments, or random masks.
    pub coalitions: usize,
    /// Permutations of segments.
    pub permutations: usize,
}

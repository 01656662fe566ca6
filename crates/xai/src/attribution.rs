use serde::{Deserialize, Serialize};

use crate::error::{ExplainError, require_index};
use crate::scorer::{Scores, require_finite_score};

/// Which class is explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The class with the highest score of the picture itself.
    #[default]
    Predicted,
    /// The class of this number.
    Class(usize),
}

impl Target {
    /// The number of the class, given the scores of the picture.
    ///
    /// # Errors
    /// If there is no such class, or its score is not finite.
    pub(crate) fn class(self, scores: &Scores) -> Result<usize, ExplainError> {
        let class = match self {
            Self::Predicted => Ok(scores.predicted(0)),
            Self::Class(class) => require_index("class", class, scores.classes()).map(|()| class),
        }?;
        require_finite_score(class, scores.of(0)[class])?;
        Ok(class)
    }
}

/// How much every input value speaks for (positive) or against (negative) a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// One value for each of the picture's, in units of the explained score.
    pub values: Vec<f32>,
    /// `[channels, height, width]`.
    pub shape: [usize; 3],
    /// The class that is explained.
    pub target: usize,
}

impl Attribution {
    /// The sum over the whole picture.
    pub fn sum(&self) -> f64 {
        self.values.iter().copied().map(f64::from).sum()
    }

    /// The sum over the channels, `[height, width]`.
    pub fn per_pixel(&self) -> Vec<f32> {
        let [_, height, width] = self.shape;
        let pixels = height.saturating_mul(width).min(self.values.len());
        let mut sums = vec![0.0_f64; pixels];
        for channel in self.values.chunks_exact(pixels.max(1)) {
            for (sum, &value) in sums.iter_mut().zip(channel) {
                *sum += f64::from(value);
            }
        }
        sums.into_iter().map(|sum| sum as f32).collect()
    }

    /// The largest magnitude, 0 for an empty attribution.
    pub fn largest_magnitude(&self) -> f32 {
        self.values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
    }
}

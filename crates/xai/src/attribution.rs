use std::fmt;

use serde::{Deserialize, Serialize};
use tinylsa_shape::ImageShape;

use crate::error::{ExplainError, require_index};
use crate::scorer::{Scores, require_finite_score};

/// Which score is explained.
///
/// Every method takes a target. The methods that evaluate the model once for all classes (segments, occlusion, RISE) take
/// [`Targets`], into which a `Target` converts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The class with the highest score of the image itself.
    #[default]
    Predicted,
    /// The class of this number.
    Class(usize),
    /// The score of `class` minus that of `other`: what speaks for the one rather than the other.
    ///
    /// Methods that are linear in the score (gradients, Integrated Gradients with a fixed number of steps, the Shapley
    /// methods, LIME, occlusion, RISE) give the difference of the maps of the two classes.
    Against {
        /// The class that is explained.
        class: usize,
        /// The class that it is set against.
        other: usize,
    },
}

/// The score that a [`Target`] names for one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExplainedScore {
    /// The class whose score is explained.
    pub class: usize,
    /// The class whose score is subtracted, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<usize>,
}

impl fmt::Display for ExplainedScore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "class {}", self.class)?;
        self.against.map_or(Ok(()), |other| write!(formatter, " against class {other}"))
    }
}

impl From<usize> for ExplainedScore {
    /// The score of one class.
    fn from(class: usize) -> Self {
        Self { class, against: None }
    }
}

impl ExplainedScore {
    /// The value among the scores `[classes]` of one image.
    ///
    /// # Errors
    /// If there is no such class, or a score that it needs is not finite.
    pub fn of(self, scores: &[f32]) -> Result<f64, ExplainError> {
        let score = |class: usize| {
            require_index("class", class, scores.len())?;
            require_finite_score(class, scores[class]).map(|()| f64::from(scores[class]))
        };
        match self.against {
            None => score(self.class),
            Some(other) => Ok(score(self.class)? - score(other)?),
        }
    }
}

impl From<ExplainedScore> for Target {
    fn from(score: ExplainedScore) -> Self {
        let class = score.class;
        score.against.map_or(Self::Class(class), |other| Self::Against { class, other })
    }
}

impl Target {
    /// The score that is meant, given the scores of the image.
    ///
    /// # Errors
    /// If there is no such class, its score is not finite, or a class is set against itself.
    pub fn resolve(self, scores: &Scores) -> Result<ExplainedScore, ExplainError> {
        let explained = match self {
            Self::Predicted => scores.predicted(0).into(),
            Self::Class(class) => class.into(),
            Self::Against { class, other } if class == other => {
                let reason = "the class is set against itself, so that every map would be 0";
                return Err(ExplainError::Undefined { what: "the difference of the two scores", reason });
            }
            Self::Against { class, other } => ExplainedScore { class, against: Some(other) },
        };
        explained.of(scores.of(0)).map(|_| explained)
    }
}

/// Which scores are explained by a method that explains several at the cost of one.
///
/// ```
/// use tinylsa_xai::{Target, Targets};
///
/// assert_eq!(Targets::from(Target::Predicted), Targets::These(vec![Target::Predicted]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// Every class, in order.
    EveryClass,
    /// These, in order.
    These(Vec<Target>),
}

impl From<Target> for Targets {
    fn from(target: Target) -> Self {
        Self::These(vec![target])
    }
}

impl From<Vec<Target>> for Targets {
    fn from(targets: Vec<Target>) -> Self {
        Self::These(targets)
    }
}

impl Targets {
    /// The scores that are meant, given the scores of the image.
    ///
    /// # Errors
    /// If there are none, or as [`Target::resolve`].
    pub fn resolve(&self, scores: &Scores) -> Result<Vec<ExplainedScore>, ExplainError> {
        let explained: Vec<ExplainedScore> = match self {
            Self::EveryClass => {
                (0..scores.classes()).map(|class| Target::Class(class).resolve(scores)).collect::<Result<_, _>>()?
            }
            Self::These(targets) => targets.iter().map(|target| target.resolve(scores)).collect::<Result<_, _>>()?,
        };
        if explained.is_empty() { Err(ExplainError::Empty { what: "list of targets" }) } else { Ok(explained) }
    }
}

/// How much every input value speaks for (positive) or against (negative) what is explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribution {
    /// One value for each of the image's, in units of the explained score.
    pub values: Vec<f32>,
    /// The shape of the image.
    pub shape: ImageShape,
    /// The score that is explained.
    pub target: ExplainedScore,
}

impl Attribution {
    /// The sum over the whole image.
    pub fn sum(&self) -> f64 {
        self.values.iter().copied().map(f64::from).sum()
    }

    /// The sum over the channels, `[height, width]`.
    pub fn per_pixel(&self) -> Vec<f32> {
        let pixels = self.shape.pixels().min(self.values.len());
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

//! The scores of all images, method by method.

use serde::{Deserialize, Serialize};
use tinylsa_settings::counted;
use tinylsa_xai::{Direction, MeanInterval, OverallRanking, ScoreKind};

/// What the explanations of several images scored, method by method: `explanations/scores.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreTable {
    /// What the images are that the means are over.
    pub sample: ImageSample,
    /// How many images were scored.
    pub images: usize,
    /// The methods and the controls, by name.
    pub methods: Vec<String>,
    /// Those of them that are controls which every other one is set against: `random`, `sobel` and `input-gradient`.
    pub controls: Vec<String>,
    /// The methods in order of all kinds of score together.
    pub overall: OverallRanking,
    /// One entry for each score, the kinds in the order of [`ScoreKind::ALL`].
    pub scores: Vec<ScoreColumn>,
    /// The curves of deletion and insertion, the mean over the images.
    pub curves: Vec<MeanCurves>,
    /// What a reader of the table must know, a sentence each: budgets, scales, how token maps become pixels.
    pub notes: Vec<String>,
}

/// What the images of a table of scores are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSample {
    /// Images that somebody or something chose. Means over them say nothing of other images.
    #[default]
    Chosen,
    /// Images drawn at random, so that means and intervals hold for the images that they were drawn from.
    Random,
}

impl ImageSample {
    /// Such as "20 images drawn at random".
    pub fn describe(self, images: usize) -> String {
        match self {
            Self::Chosen => format!("{} that were chosen", counted(images, "image")),
            Self::Random => format!("{} drawn at random", counted(images, "image")),
        }
    }
}

/// One score of all methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreColumn {
    /// Which score.
    pub kind: ScoreKind,
    /// Whether more or less is better.
    pub direction: Direction,
    /// The baseline, the scale and the budget, where the score has them: "black, logits".
    pub variant: String,
    /// Whether the column stands for its kind where only one is shown: the first baseline and scale of the config, the
    /// randomisation of all layers.
    pub headline: bool,
    /// On how many images the score was measured.
    pub images: usize,
    /// On how many of them all methods that are ranked have the score. The means and ranks of these methods are over them.
    pub compared: usize,
    /// In the order of [`ScoreTable::methods`].
    pub entries: Vec<ScoreEntry>,
}

/// One score of one method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreEntry {
    /// The name of the method or control.
    pub method: String,
    /// The mean over the images with its interval; nothing if the score is not defined for the method.
    pub mean: Option<MeanInterval>,
    /// The place among the methods, 1 is the best; equal ones share the mean of their places. Nothing if the method has
    /// the score on half of the images or fewer.
    pub rank: Option<f64>,
    /// For how many images the score was measured and not defined.
    pub undefined: usize,
    /// The differences to the controls.
    pub against: Vec<ControlDifference>,
}

/// How much the score of a method differs from that of a control on the same images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ControlDifference {
    /// The name of the control.
    pub control: String,
    /// The mean of the method's score minus the control's over the images that have both, with its interval.
    pub difference: MeanInterval,
    /// Whether the interval leaves out 0, and on which side it lies.
    pub verdict: Verdict,
}

/// What the interval of a difference says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The method is better than the control: the interval leaves out 0.
    Better,
    /// The method is worse than the control: the interval leaves out 0.
    Worse,
    /// The interval holds 0, or there are too few images.
    Undecided,
}

impl Verdict {
    /// What the interval of a difference in a score of this direction says.
    pub(super) fn of(difference: &MeanInterval, direction: Direction) -> Self {
        let is_higher = difference.mean > 0.0;
        match direction {
            _ if !difference.excludes(0.0) => Self::Undecided,
            Direction::Higher if is_higher => Self::Better,
            Direction::Lower if !is_higher => Self::Better,
            Direction::Higher | Direction::Lower => Self::Worse,
        }
    }
}

/// In how many kinds of score a method is better than a control, in how many worse, and in how many that is undecided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Better.
    pub better: usize,
    /// Worse.
    pub worse: usize,
    /// Undecided.
    pub undecided: usize,
}

impl ScoreTable {
    /// How a method does against a control, over the columns that stand for their kinds.
    pub fn comparison(&self, method: &str, control: &str) -> Comparison {
        let mut found = Comparison::default();
        for column in self.scores.iter().filter(|column| column.headline) {
            let entry = column.entries.iter().find(|entry| entry.method == method);
            match entry.and_then(|entry| entry.against(control)).map(|against| against.verdict) {
                Some(Verdict::Better) => found.better += 1,
                Some(Verdict::Worse) => found.worse += 1,
                Some(Verdict::Undecided) => found.undecided += 1,
                None => {}
            }
        }
        found
    }
}

impl ScoreEntry {
    /// The difference to a control.
    pub fn against(&self, control: &str) -> Option<&ControlDifference> {
        self.against.iter().find(|against| against.control == control)
    }
}

/// The class's score while pixels are deleted and inserted, the mean over the images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanCurves {
    /// The name of the method or control.
    pub method: String,
    /// Baseline and scale.
    pub variant: String,
    /// The score after each step of deletion.
    pub deletion: Vec<f64>,
    /// The score after each step of insertion.
    pub insertion: Vec<f64>,
}

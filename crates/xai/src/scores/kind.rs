use serde::{Deserialize, Serialize};

/// Whether more or less of a score is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// The scores of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ScoreKind {
    /// Area under the deletion curve.
    DeletionArea,
    /// Area under the insertion curve.
    InsertionArea,
    /// Faithfulness correlation.
    FaithfulnessCorrelation,
    /// μFidelity.
    MuFidelity,
    /// Infidelity with the optimal scale.
    Infidelity,
    /// Max-sensitivity.
    MaxSensitivity,
    /// Sparseness.
    Sparseness,
    /// Complexity.
    Complexity,
    /// Magnitude of the rank correlation with the explanation of a model of random parameters.
    ParameterRandomisation,
    /// The pointing game.
    PointingGame,
    /// Relevance rank accuracy.
    RelevanceRankAccuracy,
    /// Relevance mass accuracy.
    RelevanceMassAccuracy,
    /// Completeness.
    Completeness,
}

/// What a score is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// The class's score, or its square, whose size the model decides.
    Model,
    /// A scale of its own: a correlation, a share, an index, a relative error.
    Own,
}

/// Everything that is known of a kind of score.
struct ScoreFacts {
    title: &'static str,
    heading: &'static str,
    direction: Direction,
    unit: Unit,
    ignores_sign: bool,
}

/// How far apart two means may be and still differ by nothing but the rounding of scores in f32.
const ROUNDING: f64 = 1e-5;

impl ScoreKind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::DeletionArea,
        Self::InsertionArea,
        Self::FaithfulnessCorrelation,
        Self::MuFidelity,
        Self::Infidelity,
        Self::MaxSensitivity,
        Self::Sparseness,
        Self::Complexity,
        Self::ParameterRandomisation,
        Self::PointingGame,
        Self::RelevanceRankAccuracy,
        Self::RelevanceMassAccuracy,
        Self::Completeness,
    ];

    /// Its name in a sentence, such as "deletion area".
    pub fn title(self) -> &'static str {
        self.facts().title
    }

    /// A word that fits above a column of a terminal.
    pub fn heading(self) -> &'static str {
        self.facts().heading
    }

    /// Whether more or less of it is better.
    pub fn direction(self) -> Direction {
        self.facts().direction
    }

    /// Whether a map and its negative have the same score.
    pub fn ignores_sign(self) -> bool {
        self.facts().ignores_sign
    }

    /// The least and the largest value that the score can have, for a model whose scores may be anything.
    pub fn bounds(self) -> [f64; 2] {
        match self {
            Self::DeletionArea | Self::InsertionArea => [f64::NEG_INFINITY, f64::INFINITY],
            Self::FaithfulnessCorrelation | Self::MuFidelity => [-1.0, 1.0],
            Self::Infidelity | Self::MaxSensitivity | Self::Complexity | Self::Completeness => [0.0, f64::INFINITY],
            Self::Sparseness
            | Self::ParameterRandomisation
            | Self::PointingGame
            | Self::RelevanceRankAccuracy
            | Self::RelevanceMassAccuracy => [0.0, 1.0],
        }
    }

    /// Whether two means differ by no more than rounding, so that none of them is better: by at most 1e-5 of the larger
    /// one where the score has the unit of the model's scores, and by at most 1e-5 where it has a scale of its own.
    pub fn is_tie(self, a: f64, b: f64) -> bool {
        let size = match self.facts().unit {
            Unit::Model => a.abs().max(b.abs()),
            Unit::Own => 1.0,
        };
        (a - b).abs() <= ROUNDING * size
    }

    fn facts(self) -> ScoreFacts {
        use Direction::{Higher, Lower};
        let facts =
            |title, heading, direction| ScoreFacts { title, heading, direction, unit: Unit::Own, ignores_sign: false };
        let of_model = |facts| ScoreFacts { unit: Unit::Model, ..facts };
        let sign_blind = |facts| ScoreFacts { ignores_sign: true, ..facts };
        match self {
            Self::DeletionArea => of_model(facts("deletion area", "deletion", Lower)),
            Self::InsertionArea => of_model(facts("insertion area", "insertion", Higher)),
            Self::FaithfulnessCorrelation => facts("faithfulness correlation", "faithful", Higher),
            Self::MuFidelity => facts("\u{3bc}Fidelity", "\u{3bc}Fidelity", Higher),
            Self::Infidelity => sign_blind(of_model(facts("infidelity with the optimal scale", "infidelity", Lower))),
            Self::MaxSensitivity => sign_blind(facts("max-sensitivity", "sensitive", Lower)),
            Self::Sparseness => sign_blind(facts("sparseness", "sparse", Higher)),
            Self::Complexity => sign_blind(facts("complexity", "complex", Lower)),
            Self::ParameterRandomisation => sign_blind(facts("parameter randomisation", "randomised", Lower)),
            Self::PointingGame => facts("pointing game", "pointing", Higher),
            Self::RelevanceRankAccuracy => facts("relevance rank accuracy", "rank", Higher),
            Self::RelevanceMassAccuracy => facts("relevance mass accuracy", "mass", Higher),
            Self::Completeness => facts("completeness error", "complete", Lower),
        }
    }
}

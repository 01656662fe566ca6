//! How sure it is that what was found is the garment.

use std::fmt;

use serde::Serialize;

use super::garment::Evidence;

/// Below this confidence a garment is found by chance.
pub(super) const DOUBTFUL: f32 = 0.5;

/// How sure it is that the garment was found, and what speaks against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// From 0 to 1: the product of how far each [`Doubt`] can be ruled out. It orders photographs by how easily their
    /// garment is told from the ground; it is not a probability.
    pub confidence: f32,
    /// What makes the confidence low, the worst first; nothing if it is high.
    pub doubts: Vec<Doubt>,
}

/// What speaks against a garment that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// It hardly stands out from its ground.
    Faint,
    /// The border of the photograph is of many colours, so that there is no ground to tell a garment from.
    UnevenGround,
    /// It is a small part of the photograph.
    Small,
    /// It is nearly all of the photograph.
    FillsPhotograph,
    /// Other things of its size are beside it.
    NotAlone,
    /// Much of the photograph's border runs through it.
    CutOff,
}

impl Found {
    /// What an image in the form of the data set says of itself.
    pub(super) fn certain() -> Self {
        Self { confidence: 1.0, doubts: Vec::new() }
    }

    pub(super) fn by(evidence: &Evidence) -> Self {
        let Evidence { contrast, even_border, area, alone, cut_off } = *evidence;
        let mut factors = [
            (Doubt::Faint, step(contrast, 1.0, 2.5)),
            (Doubt::UnevenGround, step(even_border, 0.25, 0.75)),
            (Doubt::Small, step(area, 0.0005, 0.01)),
            (Doubt::FillsPhotograph, 1.0 - step(area, 0.85, 0.98)),
            (Doubt::NotAlone, step(alone, 0.3, 0.8)),
            (Doubt::CutOff, 1.0 - step(cut_off, 0.4, 0.8)),
        ];
        factors.sort_by(|left, right| left.1.total_cmp(&right.1));
        let doubts = factors.iter().filter(|(_, factor)| *factor < 0.7).map(|(doubt, _)| *doubt).collect();
        Self { confidence: factors.iter().map(|(_, factor)| factor).product(), doubts }
    }

    /// Whether the garment may have been missed.
    pub fn is_doubtful(&self) -> bool {
        self.confidence < DOUBTFUL
    }
}

/// From 0 below `from` to 1 above `to`, smoothly.
fn step(value: f32, from: f32, to: f32) -> f32 {
    let place = ((value - from) / (to - from)).clamp(0.0, 1.0);
    place * place * (3.0 - 2.0 * place)
}

impl fmt::Display for Doubt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Faint => "it hardly stands out from the ground",
            Self::UnevenGround => "the ground has no even colour",
            Self::Small => "it is a very small part of the image",
            Self::FillsPhotograph => "it fills the image to the edges",
            Self::NotAlone => "there are other things beside it",
            Self::CutOff => "the edge of the image cuts through it",
        })
    }
}

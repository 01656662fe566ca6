use serde::{Deserialize, Serialize};
use tinylsa_xai::{Attribution, Segmentation, relative_entropy};

use super::support::gradients::completeness_sentence;
use crate::budget::Budget;
use crate::error::{Context, Result};
use crate::explainable::TokenEvidence;
use crate::maps::{Maps, NamedTensor, PixelMap, Quantity, ScoreDifference, SegmentMap};
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;

/// What each token says for the class, `E_cj = A_cj (w_c · z_j)`: the summands of the logit. It has no settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassEvidence {}

impl Registered for ClassEvidence {
    const FACTS: MethodFacts = MethodFacts {
        name: "class-evidence",
        title: "Class evidence",
        meaning: Meaning {
            shows: "what each token adds to the logit: the values sum to the logit less the bias of the class, exactly",
            does_not_show: "what in the image made the token say so: a token sees more than the part of the image it covers",
        },
        needs: Needs::TokenEvidence,
        reads: &[],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct EvidenceDiagnostics {
    /// The logit less its bias.
    difference: f64,
    /// What the sum of the evidence misses of it.
    delta: f64,
    /// Entropy of how the class counts the tokens, as a share of that of an even count.
    relative_entropy: f64,
    largest_weight: f64,
}

impl Diagnostics for EvidenceDiagnostics {
    fn sentences(&self) -> Vec<String> {
        vec![
            completeness_sentence(self.difference, self.delta),
            format!(
                "the class counts tokens with an entropy of {:.3} of ln N, one token {:.1} % at the most",
                self.relative_entropy,
                100.0 * self.largest_weight
            ),
        ]
    }
}

impl Method for ClassEvidence {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let source = at.model.token_evidence().context("the model's scores are no sums over tokens")?;
        let found = source.evidence(at.image_pair())?;
        let class = at.explained.class;
        let row = |rows: &[Vec<f64>], class: usize| rows.get(class).cloned().context("the class has no evidence");
        let mut values = row(&found.evidence, class)?;
        let mut ends = ScoreDifference { score: found.scores[class], baseline_score: found.biases[class] };
        if let Some(other) = at.explained.against {
            values.iter_mut().zip(row(&found.evidence, other)?).for_each(|(value, of_other)| *value -= of_other);
            ends.score -= found.scores[other];
            ends.baseline_score -= found.biases[other];
        }
        let weights = row(&found.attention, class)?;
        let difference = ends.score - ends.baseline_score;
        let diagnostics = EvidenceDiagnostics {
            difference,
            delta: values.iter().sum::<f64>() - difference,
            relative_entropy: relative_entropy(&weights),
            largest_weight: weights.iter().copied().fold(0.0, f64::max),
        };
        let shape = at.image.shape();
        let segmentation = Segmentation::grid(shape.height, shape.width, found.grid.rows, found.grid.columns)?;
        let plane = segmentation.spread(&values)?;
        let share = |value: f64| (value / shape.channels as f64) as f32;
        let of_channel: Vec<f32> = plane.into_iter().map(share).collect();
        let attribution = Attribution { values: of_channel.repeat(shape.channels), shape, target: at.explained };
        Ok(Explained {
            maps: Maps::Pixels(PixelMap {
                attribution,
                quantity: Quantity::SegmentContribution,
                standard_error: None,
                segments: Some(SegmentMap { segmentation, values, standard_errors: None }),
                accounts_for: Some(ends),
            }),
            diagnostics: Box::new(diagnostics),
            warnings: Vec::new(),
            evidence: tensors(&found),
        })
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}

/// The evidence and the attention of every class, `[classes, tokens]`, and the biases.
fn tensors(found: &TokenEvidence) -> Vec<NamedTensor> {
    let matrix = |name: &str, rows: &[Vec<f64>]| {
        let shape = vec![rows.len(), rows.first().map_or(0, Vec::len)];
        NamedTensor::f64(name, shape, rows.concat())
    };
    vec![
        matrix("evidence", &found.evidence),
        matrix("class_attention", &found.attention),
        NamedTensor::vector("biases", found.biases.clone()),
    ]
}

use serde::{Deserialize, Serialize};
use tinylsa_settings::{InvalidSetting, require_within};

use crate::attention::grid::TokenGrid;
use crate::attention::matrix::{HeadFusion, LayerAttention, TokenMatrix, require_same_tokens, residual_matrices};
use crate::error::{ExplainError, require_count, require_finite};
use crate::execution::Cancellation;

/// Attention rollout (Abnar and Zuidema 2020, section 3): attention multiplied through the layers.
///
/// With the heads of layer `l` fused into `A_l`, `Â_l` is `(1 − r) A_l + r I` with rows scaled to sum to 1, and the
/// rollout is `R = Â_L ⋯ Â_1`. It is the same for every class and ignores values, output projections and the
/// feed-forward part; see [`gradient_rollout`] for a class-specific relative.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionRolloutConfig {
    /// The share `r` of the residual connection, 0 to 1.
    pub residual: f64,
    /// How heads become one.
    pub fusion: HeadFusion,
}

impl Default for AttentionRolloutConfig {
    /// Half of each layer is the residual connection, heads are averaged.
    fn default() -> Self {
        Self { residual: 0.5, fusion: HeadFusion::Mean }
    }
}

impl AttentionRolloutConfig {
    /// Checks every setting.
    ///
    /// # Errors
    /// [`InvalidSetting`] with the key of the first one that is outside its range.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        require_within("residual", self.residual, 0.0..=1.0)
    }
}

/// The rollout of layers in the order in which the image passes through them.
///
/// # Errors
/// If a setting is out of range, there is no layer, the layers differ in their number of tokens, or the call is cancelled.
///
#[doc = include_str!("../../docs/methods/attention-rollout.md")]
pub fn attention_rollout(
    layers: &[LayerAttention],
    config: &AttentionRolloutConfig,
    cancellation: &Cancellation,
) -> Result<Rollout, ExplainError> {
    config.validate()?;
    let matrices = residual_matrices(layers, config.fusion, config.residual)?;
    let tokens = matrices[0].tokens();
    let start = TokenMatrix::identity(tokens);
    let product = matrices.iter().try_fold(start, |product, layer| layer.times(&product, cancellation))?;
    Ok(Rollout { matrix: product })
}

/// What every token after the last layer takes from every token before the first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rollout {
    /// Row `i` is the map of query `i`. Of [`attention_rollout`] it sums to 1.
    pub matrix: TokenMatrix,
}

impl Rollout {
    /// The map `[rows, columns]` of what the classifying head reads: of the class token, the first token, if the grid has
    /// prefix tokens, and else of the mean of all tokens, `1ᵀR / N`. The part of a class token's row that falls on prefix
    /// tokens is left out, so that the map then sums to less than the row.
    ///
    /// # Errors
    /// If the grid has another number of tokens than the matrix.
    pub fn pooled(&self, grid: TokenGrid) -> Result<Vec<f64>, ExplainError> {
        let read = if grid.prefix > 0 { self.matrix.row(0)?.to_vec() } else { self.matrix.mean_row() };
        Ok(grid.restrict(&read)?.to_vec())
    }

    /// The map `[rows, columns]` of a head that counts the tokens by weights of its own, such as the attention of a class:
    /// `Σᵢ wᵢ Rᵢ`.
    ///
    /// # Errors
    /// If there is not one weight for each token, or the grid has another number of tokens than the matrix.
    pub fn weighted(&self, weights: &[f64], grid: TokenGrid) -> Result<Vec<f64>, ExplainError> {
        require_count("the weights of the tokens", weights.len(), self.matrix.tokens())?;
        Ok(grid.restrict(&weighted_sum(self.matrix.rows(), weights))?.to_vec())
    }

    /// The map of one token.
    ///
    /// # Errors
    /// If there is no such token.
    pub fn of_query(&self, token: usize) -> Result<&[f64], ExplainError> {
        self.matrix.row(token)
    }
}

/// The sum of the rows, each times its weight.
pub(super) fn weighted_sum<'a>(rows: impl Iterator<Item = &'a [f64]>, weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; weights.len()];
    for (row, weight) in rows.zip(weights) {
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
    }
    sum
}

/// The rollout of attention weighted by the gradient of one class (Chefer et al. 2021, "Generic attention-model
/// explainability", equations 5 and 6): with `Ā_l` the mean over the heads of the positive part of `∇A_l ⊙ A_l`,
/// `R ← R + Ā_l R` from `R = I`.
///
/// `gradients` holds, for each layer, the gradient of the class's score with respect to that layer's attention,
/// `[heads, tokens, tokens]`. The returned matrix is `R − I`: the identity, which says only that every token is itself,
/// is taken away, so that maps start at 0. Rows do not sum to 1.
///
/// # Errors
/// If there is no layer, the layers differ in their number of tokens, a gradient does not fit or is not finite, or the call
/// is cancelled.
pub fn gradient_rollout(
    layers: &[LayerAttention],
    gradients: &[Vec<f64>],
    cancellation: &Cancellation,
) -> Result<Rollout, ExplainError> {
    let tokens = require_same_tokens(layers)?;
    require_count("the list of attention gradients", gradients.len(), layers.len())?;
    let mut relevance = TokenMatrix::from_parts(vec![0.0; tokens * tokens], tokens);
    for (layer, gradient) in layers.iter().zip(gradients) {
        require_count("an attention gradient", gradient.len(), layer.values().len())?;
        require_finite("an attention gradient", gradient)?;
        let size = tokens * tokens;
        let mut weighted = vec![0.0; size];
        for (index, (attention, gradient)) in layer.values().iter().zip(gradient).enumerate() {
            weighted[index % size] += (attention * gradient).max(0.0) / layer.heads() as f64;
        }
        // with R = I + S the step R ← R + Ā R reads S ← S + Ā S + Ā
        let weighted = TokenMatrix::from_parts(weighted, tokens);
        let passed_on = weighted.times(&relevance, cancellation)?;
        let sums = relevance.values().iter().zip(passed_on.values()).zip(weighted.values());
        relevance = TokenMatrix::from_parts(sums.map(|((old, passed), new)| old + passed + new).collect(), tokens);
    }
    Ok(Rollout { matrix: relevance })
}

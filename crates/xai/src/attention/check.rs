use burn::tensor::Tensor;
use serde::Serialize;

use crate::attention::rows::AttentionRows;
use crate::error::{ExplainError, require_finite, require_shape};
use crate::scorer::read_tensor;

/// How well attention matrices account for the layer's own output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AttentionCheck {
    /// The largest magnitude of `A V - output`, at most some 1e-6 for a layer in f32.
    pub largest_deviation: f64,
    /// How far a row of `A` sums from 1 at most.
    pub largest_row_error: f64,
}

/// Compares `A V` with what the layer itself computed from the same values: both `[heads, tokens, width]`, before any
/// projection of the output.
///
/// A layer that adds a small constant to its denominator, or masks or normalises otherwise, shows here.
///
/// # Errors
/// If the shapes do not fit, a value is not finite, or the device fails.
pub fn check_attention<A: AttentionRows + ?Sized>(
    attention: &A,
    values: Tensor<3>,
    output: Tensor<3>,
) -> Result<AttentionCheck, ExplainError> {
    let (heads, tokens) = (attention.heads(), attention.tokens());
    let [_, _, width] = values.dims();
    require_shape("the values", &values.dims(), &[heads, tokens, width])?;
    require_shape("the output", &output.dims(), &[heads, tokens, width])?;
    let values = read_tensor("the values", values)?;
    let output = read_tensor("the output", output)?;
    require_finite("the values", &values)?;
    require_finite("the output", &output)?;
    let mut check = AttentionCheck { largest_deviation: 0.0, largest_row_error: 0.0 };
    for index in 0..heads * tokens {
        let head = index / tokens;
        let row = attention.attention_row(head, index % tokens)?;
        check.largest_row_error = check.largest_row_error.max((row.iter().sum::<f64>() - 1.0).abs());
        let mut expected = vec![0.0; width];
        let head_values = &values[head * tokens * width..(head + 1) * tokens * width];
        for (weight, value) in row.iter().zip(head_values.chunks_exact(width)) {
            expected.iter_mut().zip(value).for_each(|(sum, &value)| *sum += weight * f64::from(value));
        }
        for (expected, &found) in expected.iter().zip(&output[index * width..(index + 1) * width]) {
            check.largest_deviation = check.largest_deviation.max((expected - f64::from(found)).abs());
        }
    }
    Ok(check)
}

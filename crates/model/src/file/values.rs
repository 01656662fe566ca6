//! Which values a network can compute with.

use super::error::ModelFileError;
use crate::folding::fold;
use crate::state::{HostTensor, State};

/// Refuses a state with a value that no network can compute with: NaN, an infinity, a variance below zero.
///
/// # Errors
/// [`ModelFileError::Value`] names the first such value.
pub fn require_sound(state: &State) -> Result<(), ModelFileError> {
    state.iter().try_for_each(|(name, tensor)| require_values(name, tensor))
}

/// Refuses values that no network can compute with: NaN, infinities, and variances below zero.
pub(super) fn require_values(name: &str, tensor: &HostTensor) -> Result<(), ModelFileError> {
    require_each(name, tensor, "a finite number", f32::is_finite)?;
    match name.rsplit(['.', '/']).next() {
        // The names of our own batch normalisation and of burn's.
        Some("running_variance" | "running_var") => {
            require_each(name, tensor, "a variance of at least 0", |variance| variance >= 0.0)
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses weights that are finite, but no longer so when the batch normalisation behind them is folded in. The
/// rectifier behind that would turn the NaN that comes of it into 0.
pub(crate) fn require_finite_folds(state: &State) -> Result<(), ModelFileError> {
    const EXPECTED: &str = "a number that stays finite when the batch normalisation is folded in";
    let layers = state.keys().filter_map(|name| name.strip_suffix(".running_variance"));
    for layer in layers {
        let part = |part: &str| state.get_key_value(&format!("{layer}.{part}"));
        let values = |name: &str| part(name).map_or(&[][..], |(_, tensor)| &tensor.values);
        let folded =
            fold(values("weight"), values("gamma"), values("beta"), values("running_mean"), values("running_variance"));
        for (name, folded) in [("weight", folded.weight), ("beta", folded.bias)] {
            if let (Some(index), Some((name, tensor))) = (folded.iter().position(|x| !x.is_finite()), part(name)) {
                return Err(wrong_value(name, tensor, index, EXPECTED));
            }
        }
    }
    Ok(())
}

fn require_each(
    name: &str,
    tensor: &HostTensor,
    expected: &'static str,
    holds: impl Fn(f32) -> bool,
) -> Result<(), ModelFileError> {
    match tensor.values.iter().position(|&value| !holds(value)) {
        Some(index) => Err(wrong_value(name, tensor, index, expected)),
        None => Ok(()),
    }
}

fn wrong_value(name: &str, tensor: &HostTensor, index: usize, expected: &'static str) -> ModelFileError {
    let (value, position) = (tensor.values[index], position(index, &tensor.shape));
    ModelFileError::Value { name: name.to_owned(), position, value, expected }
}

/// The index in each dimension of the value at `index` in row-major order.
fn position(index: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = index;
    let mut position: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let place = rest % size.max(1);
            rest /= size.max(1);
            place
        })
        .collect();
    position.reverse();
    position
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_has_an_index_for_each_dimension() {
        assert_eq!(position(0, &[2, 3, 4]), [0, 0, 0]);
        assert_eq!(position(23, &[2, 3, 4]), [1, 2, 3]);
        assert_eq!(position(13, &[2, 3, 4]), [1, 0, 1]);
        assert_eq!(position(5, &[7]), [5]);
    }

    #[test]
    fn the_first_value_that_is_wrong_is_named() {
        let tensor = |values: &[f32]| HostTensor { shape: vec![2, 2], values: values.to_vec() };
        let refused = |name: &str, values: &[f32]| require_values(name, &tensor(values)).unwrap_err().to_string();
        let expected = "the tensor head.weight holds NaN at [1, 0], expected a finite number";
        assert_eq!(refused("head.weight", &[0.0, 1.0, f32::NAN, f32::INFINITY]), expected);
        let expected = "the tensor a.gamma holds -inf at [0, 1], expected a finite number";
        assert_eq!(refused("a.gamma", &[0.0, f32::NEG_INFINITY, 0.0, 0.0]), expected);
        let expected =
            "the tensor average/a.running_variance holds -1e-30 at [1, 1], expected a variance of at least 0";
        assert_eq!(refused("average/a.running_variance", &[0.0, 1.0, -0.0, -1e-30]), expected);
        require_values("a.running_mean", &tensor(&[-1.0; 4])).unwrap();
        require_values("a.weight", &tensor(&[f32::MAX, f32::MIN, 1e-45, -0.0])).unwrap();
    }
}

use super::{AdamW, AdamWState, Nesterov, NesterovState};
use burn::tensor::Tensor;

/// [`adamw`](super::adamw()) in stock burn operations.
///
/// # Panics
///
/// If the shapes differ.
pub fn adamw_reference<const D: usize>(state: AdamWState<D>, gradient: Tensor<D>, options: &AdamW) -> AdamWState<D> {
    let AdamWState { parameter, mean, mean_square } = state;
    let AdamW { learning_rate, beta_1, beta_2, epsilon, weight_decay, step } = *options;
    let mean = mean.mul_scalar(beta_1) + gradient.clone().mul_scalar(1.0 - beta_1);
    let mean_square = mean_square.mul_scalar(beta_2) + (gradient.clone() * gradient).mul_scalar(1.0 - beta_2);
    let corrected = mean.clone().div_scalar(1.0 - beta_1.powi(step as i32));
    let root = mean_square.clone().div_scalar(1.0 - beta_2.powi(step as i32)).sqrt();
    let parameter = parameter.mul_scalar(1.0 - learning_rate * weight_decay)
        - (corrected / root.add_scalar(epsilon)).mul_scalar(learning_rate);
    AdamWState { parameter, mean, mean_square }
}

/// [`nesterov`](super::nesterov()) in stock burn operations.
///
/// # Panics
///
/// If the shapes differ.
pub fn nesterov_reference<const D: usize>(
    state: NesterovState<D>,
    gradient: Tensor<D>,
    options: &Nesterov,
) -> NesterovState<D> {
    let NesterovState { parameter, velocity } = state;
    let gradient = gradient + parameter.clone().mul_scalar(options.weight_decay);
    let velocity = velocity.mul_scalar(options.momentum) + gradient.clone();
    let direction = gradient + velocity.clone().mul_scalar(options.momentum);
    NesterovState { parameter: parameter - direction.mul_scalar(options.learning_rate), velocity }
}

/// [`exponential_average`](super::exponential_average()) in stock burn operations.
///
/// # Panics
///
/// If the shapes differ.
pub fn exponential_average_reference<const D: usize>(average: Tensor<D>, value: Tensor<D>, decay: f64) -> Tensor<D> {
    average.mul_scalar(decay) + value.mul_scalar(1.0 - decay)
}

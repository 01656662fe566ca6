use serde::Serialize;

/// What the model says of an image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct PredictionAnswer {
    pub(crate) logits: Vec<f32>,
    probabilities: Vec<f32>,
    /// Of the logits divided by the temperature; null for a model without one.
    calibrated: Option<Vec<f32>>,
    pub(crate) predicted: usize,
}

impl PredictionAnswer {
    /// From the logits of an image, at least one.
    pub(crate) fn new(logits: Vec<f32>, temperature: Option<f64>) -> Self {
        let probabilities = softmax(&logits, 1.0);
        let calibrated = temperature.map(|temperature| softmax(&logits, temperature as f32));
        let predicted =
            (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best });
        Self { logits, probabilities, calibrated, predicted }
    }
}

/// The softmax of logits divided by a temperature.
fn softmax(logits: &[f32], temperature: f32) -> Vec<f32> {
    let scaled = || logits.iter().map(|logit| logit / temperature);
    let largest = scaled().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = scaled().map(|logit| (logit - largest).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.into_iter().map(|value| value / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_changes_how_sure_a_prediction_is_and_not_what_it_is() {
        let answer = PredictionAnswer::new(vec![1.0, 3.0, 2.0], Some(2.0));
        assert_eq!(answer.predicted, 1);
        let calibrated = answer.calibrated.unwrap();
        assert!(calibrated[1] < answer.probabilities[1]);
        assert!((calibrated.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(PredictionAnswer::new(vec![1.0, 1.0], None).calibrated, None);
    }
}

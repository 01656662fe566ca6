use serde::Serialize;
use tinylsa_xai::{GradCam, GradCamConfig, SplitScorer, grad_cam};

use super::support::gradients::pixels;
use crate::budget::Budget;
use crate::error::{Context, Result};
use crate::maps::{NamedTensor, Quantity};
use crate::method::{Diagnostics, Explained, Meaning, Method, MethodContext, MethodFacts, Registered};
use crate::needs::Needs;

impl Registered for GradCamConfig {
    const FACTS: MethodFacts = MethodFacts {
        name: "grad-cam",
        title: "Grad-CAM",
        meaning: Meaning {
            shows: "where the last feature maps are active that speak for the class, as coarse as these maps are",
            does_not_show: "single pixels, what speaks against the class, or contributions that add up to the logit",
        },
        needs: Needs::FeatureMaps,
        reads: &[],
        draws: false,
        is_scored: true,
        is_control: false,
    };
}

#[derive(Debug, Serialize)]
struct GradCamDiagnostics {
    size: [usize; 2],
    largest: f32,
    feature_maps: usize,
}

impl Diagnostics for GradCamDiagnostics {
    fn sentences(&self) -> Vec<String> {
        let [rows, columns] = self.size;
        vec![format!("a map of {rows} × {columns} values from {} feature maps, upsampled", self.feature_maps)]
    }
}

impl Method for GradCamConfig {
    fn facts(&self) -> &'static MethodFacts {
        &Self::FACTS
    }

    fn explain(&self, at: &MethodContext<'_>) -> Result<Explained> {
        let model = at.model.feature_maps().context("the model gives no feature maps")?;
        let split = SplitScorer {
            scorer: &at.differentiable(),
            features: |images| model.features(images),
            head: |maps| model.scores_from(maps),
        };
        let GradCam { attribution, map, size, weights } = grad_cam(&split, at.image, at.target(), self, &at.execution)?;
        let largest = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut warnings = Vec::new();
        if map.iter().all(|&value| value == 0.0) {
            warnings.push("no feature map speaks for the class: the map is 0 everywhere".to_owned());
        }
        Ok(Explained {
            diagnostics: Box::new(GradCamDiagnostics { size, largest, feature_maps: weights.len() }),
            evidence: vec![
                NamedTensor::f32("map", size.to_vec(), map),
                NamedTensor::vector("feature_weights", weights),
            ],
            maps: pixels(attribution, Quantity::Activation, None, None),
            warnings,
        })
    }

    fn budgeted(&self, _budget: &Budget) -> Box<dyn Method> {
        Box::new(self.clone())
    }
}

//! Which lane a method is computed on.

use tinylsa_explain::{MethodId, Needs};

use crate::lanes::{Lane, Lanes};

/// Whether a method answers within the pause of a stroke: it neither perturbs the image nor draws at random.
pub(crate) fn is_quick(method: MethodId) -> bool {
    let facts = method.facts();
    match facts.needs {
        Needs::Scores => false,
        Needs::Gradients | Needs::Attention | Needs::FeatureMaps | Needs::TokenEvidence => !facts.draws,
    }
}

/// The lane of some methods, and its name.
pub(crate) fn lane_of<'a>(lanes: &'a Lanes, methods: &[MethodId]) -> (&'a Lane, &'static str) {
    if methods.iter().all(|&method| is_quick(method)) { (&lanes.quick, "quick") } else { (&lanes.heavy, "heavy") }
}

//! Copies of a model whose layers are initialised again, one after the other from the top.

use tinylsa_model::{ModuleLayer, State};

use crate::error::{Context, ExplanationError, Result};
use crate::explainable::{Explainable, RandomisedModel};

/// Copies of a model with its top 1, 2, … layers initialised again. `layers` come from the logits down and hold every
/// tensor of the model; `model` makes a model of a state.
///
/// # Errors
/// If a layer names a tensor that the model does not have, or a tensor belongs to no layer; what `model` says.
pub(crate) fn cascade(
    mut state: State,
    fresh: &State,
    layers: &[ModuleLayer],
    model: impl Fn(State) -> Result<Box<dyn Explainable>>,
) -> Result<Vec<RandomisedModel>> {
    let belongs = |tensor: &String| layers.iter().any(|layer| layer.tensors.contains(tensor));
    if let Some(tensor) = state.keys().find(|tensor| !belongs(tensor)) {
        return Err(ExplanationError::Missing(format!("the tensor {tensor} belongs to no layer of the network")));
    }
    let mut copies = Vec::with_capacity(layers.len());
    for (depth, layer) in layers.iter().enumerate() {
        for tensor in &layer.tensors {
            let missing = || format!("layer {} has no tensor {tensor}", layer.name);
            let value = fresh.get(tensor).with_context(missing)?;
            state.get_mut(tensor).with_context(missing)?.clone_from(value);
        }
        let layers = match depth {
            0 => layer.name.clone(),
            _ if depth + 1 == layers.len() => "all layers".to_owned(),
            _ => format!("{} to {}", layers[0].name, layer.name),
        };
        copies.push(RandomisedModel { layers, model: model(state.clone())? });
    }
    Ok(copies)
}

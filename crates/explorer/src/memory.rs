//! Explanations that were made, so that downloads and questions need not make them again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tinylsa_explain::{Elements, Maps, MethodExplanation};

use crate::limits::MEMORY;

/// What an explanation is known by: a digest of everything that its bits depend on.
pub(crate) type Key = String;

#[derive(Debug)]
struct Remembered {
    explanation: Arc<MethodExplanation>,
    bytes: usize,
    used: u64,
}

#[derive(Debug, Default)]
struct Shelf {
    all: HashMap<Key, Remembered>,
    bytes: usize,
    clock: u64,
}

/// The explanations that were used last, up to a number of bytes.
#[derive(Debug, Default)]
pub(crate) struct Memory(Mutex<Shelf>);

impl Memory {
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<MethodExplanation>> {
        let mut shelf = self.lock();
        shelf.clock += 1;
        let now = shelf.clock;
        let found = shelf.all.get_mut(key)?;
        found.used = now;
        Some(Arc::clone(&found.explanation))
    }

    pub(crate) fn keep(&self, key: Key, explanation: &Arc<MethodExplanation>) {
        self.keep_within(key, explanation, MEMORY);
    }

    fn keep_within(&self, key: Key, explanation: &Arc<MethodExplanation>, most: usize) {
        let bytes = size_of_explanation(explanation);
        if bytes > most {
            return;
        }
        let mut shelf = self.lock();
        shelf.clock += 1;
        let used = shelf.clock;
        let new = Remembered { explanation: Arc::clone(explanation), bytes, used };
        if let Some(before) = shelf.all.insert(key, new) {
            shelf.bytes -= before.bytes;
        }
        shelf.bytes += bytes;
        while shelf.bytes > most {
            let oldest = shelf.all.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone());
            let Some(forgotten) = oldest.and_then(|key| shelf.all.remove(&key)) else { return };
            shelf.bytes -= forgotten.bytes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About how many bytes an explanation takes.
fn size_of_explanation(explanation: &MethodExplanation) -> usize {
    let of_tensors: usize = explanation.evidence.iter().map(|tensor| size_of_elements(&tensor.elements)).sum();
    // a serialised value of a number takes about as much as a small string
    let of_values = 64 * (count(&explanation.diagnostics) + count(&explanation.settings));
    4096 + of_tensors + of_values + size_of_maps(&explanation.maps)
}

fn size_of_elements(elements: &Elements) -> usize {
    match elements {
        Elements::F32(list) => 4 * list.len(),
        Elements::F64(list) => 8 * list.len(),
        Elements::I64(list) => 8 * list.len(),
        Elements::U8(list) => list.len(),
    }
}

fn size_of_maps(maps: &Maps) -> usize {
    match maps {
        Maps::Pixels(map) => {
            let segments = map.segments.as_ref().map_or(0, |segments| segments.segmentation.labels().len());
            16 * map.attribution.values.len() + 8 * segments
        }
        Maps::Attention(maps) => {
            let matrices: usize = maps.layers.iter().map(|layer| layer.heads.len() + 1).sum();
            let tokens = maps.layers.first().map_or(0, |layer| layer.fused.matrix.tokens());
            16 * matrices * tokens * tokens
        }
        Maps::Rollout(maps) => 8 * maps.matrix.values().len(),
        Maps::Flow(map) => 8 * map.flows.flows.len(),
        Maps::FixedQueries(maps) => {
            let rows: usize = maps.layers.iter().flatten().map(|query| query.heads.len() + 1).sum();
            8 * rows * maps.mean_rows.first().map_or(0, Vec::len)
        }
    }
}

fn count(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Array(list) => list.iter().map(count).sum(),
        serde_json::Value::Object(table) => table.values().map(|value| 1 + count(value)).sum(),
        serde_json::Value::Null
        | serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tinylsa_explain::{MethodId, NamedTensor, PixelMap, Quantity};
    use tinylsa_xai::{Attribution, ImageShape};

    use super::*;

    fn explanation(seconds: f64) -> Arc<MethodExplanation> {
        let shape = ImageShape::grey(2, 2);
        let attribution = Attribution { values: vec![0.0; 4], shape, target: 0.into() };
        let quantity = Quantity::Contribution;
        let map = PixelMap { attribution, quantity, standard_error: None, segments: None, accounts_for: None };
        Arc::new(MethodExplanation {
            method: MethodId::named("lime").unwrap(),
            seconds,
            maps: Maps::Pixels(map),
            diagnostics: json!({"score": 1.0}),
            sentences: Vec::new(),
            settings: json!({}),
            warnings: Vec::new(),
            evidence: vec![NamedTensor::u8("masks", vec![1000], vec![0; 1000])],
        })
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten_first() {
        let memory = Memory::default();
        let room = 2 * size_of_explanation(&explanation(0.0));
        let keep = |name: &str, seconds| memory.keep_within(name.to_owned(), &explanation(seconds), room);
        let seconds = |name: &str| memory.get(&name.to_owned()).map(|found| found.seconds);
        keep("a", 1.0);
        keep("b", 2.0);
        keep("b", 3.0);
        assert_eq!(seconds("a"), Some(1.0));
        keep("c", 4.0);
        assert_eq!((seconds("a"), seconds("b"), seconds("c")), (Some(1.0), None, Some(4.0)));
        memory.keep_within("large".to_owned(), &explanation(5.0), 100);
        assert_eq!((seconds("large"), seconds("a")), (None, Some(1.0)));
    }
}

//! `attributions.safetensors` and `diagnostics.json` of a picture; `docs/explanations.md` names the tensors.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, Result};
use safetensors::tensor::{Dtype, View, serialize};
use serde::Serialize;
use serde_json::Value;
use tinylsa_system::write_atomically;
use tinylsa_xai::{Cancellation, TokenMatrix};

use super::Method;
use super::pictures::{NamedPicture, draw};
use super::result::{
    AttentionMaps, Elements, FixedQueryMaps, FlowMap, MethodMaps, PictureExplanation, PixelMap, RolloutMaps,
    TensorValues,
};

/// The file of the maps.
pub(super) const ATTRIBUTIONS: &str = "attributions.safetensors";
/// The file of everything else.
pub(super) const DIAGNOSTICS: &str = "diagnostics.json";
/// The one metadata key: a map with several would not always be written in the same order.
const METADATA_KEY: &str = "tinylsa";

/// Where an explanation comes from, for its metadata.
#[derive(Clone, Debug, Serialize)]
pub struct Origin {
    /// SHA-256 of the model file.
    pub model: String,
    /// The collection of the pictures; nothing for files.
    pub dataset: Option<String>,
    /// The seed of the run, from which each picture's is made.
    pub seed: u64,
}

/// What was written of a picture.
#[derive(Clone, Debug)]
pub struct WrittenPicture {
    /// The bytes of the maps.
    pub attributions: Vec<u8>,
    pub pictures: Vec<NamedPicture>,
}

/// Writes the maps, the drawn maps and the diagnostics of a picture into its folder, the diagnostics last: a folder that
/// has them is complete.
///
/// # Errors
/// If a map cannot be drawn; if it is cancelled before anything is written; what the file system says.
pub fn write_picture(
    folder: &Path,
    explanation: &PictureExplanation,
    origin: &Origin,
    cancellation: &Cancellation,
) -> Result<WrittenPicture> {
    let attributions = attributions(explanation, origin)?;
    let mut diagnostics = serde_json::to_vec_pretty(&diagnostics(explanation, origin))?;
    diagnostics.push(b'\n');
    let pictures =
        draw(explanation, cancellation).with_context(|| format!("failed to draw the maps of {}", explanation.id))?;
    let drawn = pictures.iter().map(|picture| (picture.name.as_str(), &picture.png));
    let files = std::iter::once((ATTRIBUTIONS, &attributions)).chain(drawn).chain([(DIAGNOSTICS, &diagnostics)]);
    std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        write_atomically(&path, bytes).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(WrittenPicture { attributions, pictures })
}

/// What stands in the metadata of the maps: the same bits whenever the maps are.
#[derive(Serialize)]
struct Metadata<'a> {
    picture: &'a str,
    #[serde(flatten)]
    origin: &'a Origin,
    /// The seed of the picture's own draws.
    picture_seed: u64,
    target: usize,
    predicted: usize,
    label: Option<usize>,
    settings: BTreeMap<Method, &'a Value>,
}

fn attributions(explanation: &PictureExplanation, origin: &Origin) -> Result<Vec<u8>> {
    let metadata = Metadata {
        picture: &explanation.id,
        origin,
        picture_seed: explanation.seed,
        target: explanation.target,
        predicted: explanation.predicted,
        label: explanation.label,
        settings: explanation.methods.iter().map(|method| (method.method, &method.settings)).collect(),
    };
    let text = serde_json::to_string(&metadata)?;
    let tensors = tensors(explanation).into_iter().map(|(name, values)| (name, StoredTensor::from(values)));
    Ok(serialize(tensors, Some(HashMap::from([(METADATA_KEY.to_owned(), text)])))?)
}

/// Every tensor of a picture by its name.
fn tensors(explanation: &PictureExplanation) -> BTreeMap<String, TensorValues> {
    let mut tensors = BTreeMap::new();
    let picture = &explanation.picture;
    let classes = vec![explanation.logits.len()];
    tensors.insert("picture".to_owned(), single(picture.shape().to_vec(), picture.values().to_vec()));
    tensors.insert("logits".to_owned(), single(classes.clone(), explanation.logits.clone()));
    tensors.insert("probabilities".to_owned(), single(classes, explanation.probabilities.clone()));
    if let Some(mask) = &explanation.truth_mask {
        let [_, height, width] = picture.shape();
        let elements = Elements::U8(mask.iter().map(|&inside| u8::from(inside)).collect());
        tensors.insert("truth_mask".to_owned(), TensorValues { shape: vec![height, width], elements });
    }
    for method in &explanation.methods {
        let maps = match &method.maps {
            MethodMaps::Pixels(map) => pixel_tensors(map),
            MethodMaps::Attention(maps) => attention_tensors(maps, method.method == Method::MultiHeadAttention),
            MethodMaps::Rollout(maps) => rollout_tensors(maps),
            MethodMaps::Flow(map) => flow_tensors(map),
            MethodMaps::FixedQueries(maps) => query_tensors(maps),
        };
        let all = maps.into_iter().chain(method.evidence.iter().cloned());
        tensors.extend(all.map(|(name, values)| (format!("{}/{name}", method.method), values)));
    }
    tensors
}

type Named = Vec<(String, TensorValues)>;

fn single(shape: Vec<usize>, values: Vec<f32>) -> TensorValues {
    TensorValues { shape, elements: Elements::F32(values) }
}

fn double(shape: Vec<usize>, values: Vec<f64>) -> TensorValues {
    TensorValues { shape, elements: Elements::F64(values) }
}

fn matrix(of: &TokenMatrix) -> TensorValues {
    double(vec![of.tokens(); 2], of.values().to_vec())
}

fn row(values: &[f64]) -> TensorValues {
    double(vec![values.len()], values.to_vec())
}

fn pixel_tensors(map: &PixelMap) -> Named {
    let shape = map.attribution.shape.to_vec();
    let mut tensors = vec![("attribution".to_owned(), single(shape.clone(), map.attribution.values.clone()))];
    tensors.extend(map.standard_error.clone().map(|errors| ("standard_error".to_owned(), single(shape, errors))));
    tensors
}

fn attention_tensors(maps: &AttentionMaps, with_heads: bool) -> Named {
    let mut tensors = Vec::new();
    for (index, layer) in maps.layers.iter().enumerate() {
        if with_heads {
            for (head, of_head) in layer.heads.iter().enumerate() {
                tensors.push((format!("layer-{index}/head-{head}"), matrix(&of_head.matrix)));
            }
        }
        tensors.push((format!("layer-{index}/fused"), matrix(&layer.fused.matrix)));
        tensors.push((format!("layer-{index}/deviation"), matrix(&layer.fused.deviation)));
        tensors.push((format!("layer-{index}/mean_row"), row(&layer.fused.statistics.mean_row)));
    }
    tensors
}

fn rollout_tensors(maps: &RolloutMaps) -> Named {
    vec![("matrix".to_owned(), matrix(&maps.matrix)), ("pooled".to_owned(), row(&maps.pooled))]
}

fn flow_tensors(map: &FlowMap) -> Named {
    let flows = &map.flows;
    let shape = vec![flows.queries.len(), flows.tokens];
    vec![("flows".to_owned(), double(shape, flows.flows.clone())), ("pooled".to_owned(), row(&map.pooled))]
}

fn query_tensors(maps: &FixedQueryMaps) -> Named {
    let tokens = maps.queries.iter().map(|query| query.token as i64).collect();
    let mut tensors =
        vec![("queries".to_owned(), TensorValues { shape: vec![maps.queries.len()], elements: Elements::I64(tokens) })];
    for (index, (layer, mean_row)) in maps.layers.iter().zip(&maps.mean_rows).enumerate() {
        let heads = layer.first().map_or(0, |map| map.heads.len());
        for head in 0..heads {
            let rows: Vec<f64> = layer.iter().flat_map(|map| map.heads[head].iter().copied()).collect();
            tensors.push((format!("layer-{index}/head-{head}"), double(vec![layer.len(), mean_row.len()], rows)));
        }
        let fused: Vec<f64> = layer.iter().flat_map(|map| map.fused.iter().copied()).collect();
        tensors.push((format!("layer-{index}/fused"), double(vec![layer.len(), mean_row.len()], fused)));
        tensors.push((format!("layer-{index}/mean_row"), row(mean_row)));
    }
    tensors
}

/// A tensor as the file holds it.
struct StoredTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl From<TensorValues> for StoredTensor {
    fn from(values: TensorValues) -> Self {
        let (dtype, bytes) = match values.elements {
            Elements::F32(list) => (Dtype::F32, list.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Elements::F64(list) => (Dtype::F64, list.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Elements::I64(list) => (Dtype::I64, list.iter().flat_map(|value| value.to_le_bytes()).collect()),
            Elements::U8(list) => (Dtype::U8, list),
        };
        Self { dtype, shape: values.shape, bytes }
    }
}

impl View for StoredTensor {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// `diagnostics.json`.
#[derive(Serialize)]
struct Diagnostics<'a> {
    picture: &'a str,
    source: String,
    choice: &'a Option<String>,
    #[serde(flatten)]
    origin: &'a Origin,
    picture_seed: u64,
    /// The number by which logits are divided to be calibrated; null for a model without one.
    temperature: Option<f64>,
    label: Option<ClassLogit<'a>>,
    predicted: ClassLogit<'a>,
    target: ClassLogit<'a>,
    methods: BTreeMap<Method, MethodDiagnostics<'a>>,
}

#[derive(Serialize)]
struct ClassLogit<'a> {
    class: usize,
    name: &'a str,
    logit: f32,
    /// The softmax of the logits.
    probability_raw: f32,
    /// The softmax of the logits divided by the temperature; null for a model without one.
    probability_calibrated: Option<f32>,
}

#[derive(Serialize)]
struct MethodDiagnostics<'a> {
    seconds: f64,
    warnings: &'a [String],
    settings: &'a Value,
    diagnostics: &'a Value,
}

fn diagnostics<'a>(explanation: &'a PictureExplanation, origin: &'a Origin) -> Diagnostics<'a> {
    let class = |class: usize| ClassLogit {
        class,
        name: explanation.class_names.get(class).map_or("", String::as_str),
        logit: explanation.logits[class],
        probability_raw: explanation.probabilities[class],
        probability_calibrated: explanation.calibrated.as_ref().map(|calibrated| calibrated[class]),
    };
    let of_method = |method: &'a super::result::MethodExplanation| MethodDiagnostics {
        seconds: method.seconds,
        warnings: &method.warnings,
        settings: &method.settings,
        diagnostics: &method.diagnostics,
    };
    Diagnostics {
        picture: &explanation.id,
        source: explanation.source.to_string(),
        choice: &explanation.choice,
        origin,
        picture_seed: explanation.seed,
        temperature: explanation.temperature,
        label: explanation.label.map(class),
        predicted: class(explanation.predicted),
        target: class(explanation.target),
        methods: explanation.methods.iter().map(|method| (method.method, of_method(method))).collect(),
    }
}

//! `attributions.safetensors` and `diagnostics.json` of an image; `docs/explanations.md` names the tensors.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::error::{Context, Result};
use safetensors::tensor::{Dtype, View, serialize};
use serde::Serialize;
use serde_json::Value;
use tinylsa_system::write_atomically;
use tinylsa_xai::{Cancellation, TokenMatrix};

use crate::drawing::{NamedDrawing, draw};
use crate::explanation::ImageExplanation;
use crate::explanation::MethodExplanation;
use crate::maps::{AttentionMaps, AttentionView, Elements, FixedQueryMaps, FlowMap, Maps, NamedTensor, PixelMap};
use crate::page::{IMAGE_PAGE, image_page};
use crate::registry::MethodId;

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
    /// The collection of the images; nothing for files.
    pub dataset: Option<String>,
    /// The seed of the run, from which each image's is made.
    pub seed: u64,
}

/// What was written of an image.
#[derive(Clone, Debug)]
pub struct WrittenImage {
    /// The bytes of the maps.
    pub attributions: Vec<u8>,
    /// The drawings.
    pub drawings: Vec<NamedDrawing>,
}

/// Writes the maps, the drawn maps and the diagnostics of an image into its folder, the diagnostics last: a folder that
/// has them is complete.
///
/// # Errors
/// If a map cannot be drawn; if it is cancelled before anything is written; what the file system says.
pub fn write_image(
    folder: &Path,
    explanation: &ImageExplanation,
    origin: &Origin,
    cancellation: &Cancellation,
) -> Result<WrittenImage> {
    let attributions = attributions_file(explanation, origin)?;
    let diagnostics = diagnostics_file(explanation, origin)?;
    let drawings =
        draw(explanation, cancellation).with_context(|| format!("failed to draw the maps of {}", explanation.id))?;
    let page = image_page(explanation, &drawings)?.into_bytes();
    let drawn = drawings.iter().map(|drawing| (drawing.name.as_str(), &drawing.png));
    let files = std::iter::once((ATTRIBUTIONS, &attributions))
        .chain(drawn)
        .chain([(IMAGE_PAGE, &page), (DIAGNOSTICS, &diagnostics)]);
    std::fs::create_dir_all(folder).with_context(|| format!("failed to create {}", folder.display()))?;
    for (name, bytes) in files {
        let path = folder.join(name);
        write_atomically(&path, bytes).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(WrittenImage { attributions, drawings })
}

/// What stands in the metadata of the maps: the same bits whenever the maps are.
#[derive(Serialize)]
struct Metadata<'a> {
    image: &'a str,
    #[serde(flatten)]
    origin: &'a Origin,
    /// The seed of the image's own draws.
    image_seed: u64,
    target: usize,
    /// The class that the target is set against, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<usize>,
    predicted: usize,
    label: Option<usize>,
    settings: BTreeMap<MethodId, &'a Value>,
}

/// The bytes of `attributions.safetensors`: the maps of an image, and what another library needs to check them.
///
/// # Errors
/// If a name or a shape has no form in the file.
pub fn attributions_file(explanation: &ImageExplanation, origin: &Origin) -> Result<Vec<u8>> {
    let metadata = Metadata {
        image: &explanation.id,
        origin,
        image_seed: explanation.seed,
        target: explanation.target.class,
        against: explanation.target.against,
        predicted: explanation.predicted,
        label: explanation.label,
        settings: explanation.methods.iter().map(|method| (method.method, &method.settings)).collect(),
    };
    let text = serde_json::to_string(&metadata)?;
    let tensors = tensors(explanation).into_iter().map(|(name, values)| (name, StoredTensor::from(values)));
    Ok(serialize(tensors, Some(HashMap::from([(METADATA_KEY.to_owned(), text)])))?)
}

/// Every tensor of an image by its name.
fn tensors(explanation: &ImageExplanation) -> BTreeMap<String, NamedTensor> {
    let image = &explanation.image;
    let classes = vec![explanation.logits.len()];
    let mut own = vec![
        NamedTensor::f32("image", image.shape().dims().to_vec(), image.values().to_vec()),
        NamedTensor::f32("logits", classes.clone(), explanation.logits.clone()),
        NamedTensor::f32("probabilities", classes, explanation.probabilities.clone()),
    ];
    if let Some(mask) = &explanation.truth_mask {
        let [_, height, width] = image.shape().dims();
        let inside = mask.iter().map(|&inside| u8::from(inside)).collect();
        own.push(NamedTensor::u8("truth_mask", vec![height, width], inside));
    }
    let mut tensors: BTreeMap<String, NamedTensor> =
        own.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
    for method in &explanation.methods {
        let all = map_tensors(&method.maps).into_iter().chain(method.evidence.iter().cloned());
        tensors.extend(all.map(|tensor| (format!("{}/{}", method.method, tensor.name), tensor)));
    }
    tensors
}

fn map_tensors(maps: &Maps) -> Vec<NamedTensor> {
    match maps {
        Maps::Pixels(map) => pixel_tensors(map),
        Maps::Attention(maps) => attention_tensors(maps),
        Maps::Rollout(maps) => {
            vec![matrix("matrix", &maps.matrix), NamedTensor::vector("pooled", maps.pooled.clone())]
        }
        Maps::Flow(map) => flow_tensors(map),
        Maps::FixedQueries(maps) => query_tensors(maps),
    }
}

fn matrix(name: impl Into<String>, of: &TokenMatrix) -> NamedTensor {
    NamedTensor::f64(name, vec![of.tokens(); 2], of.values().to_vec())
}

fn pixel_tensors(map: &PixelMap) -> Vec<NamedTensor> {
    let shape = map.attribution.shape.dims().to_vec();
    let mut tensors = vec![NamedTensor::f32("attribution", shape.clone(), map.attribution.values.clone())];
    // A method knows the error of every value, or that of the sum over the channels.
    let [_, height, width] = map.attribution.shape.dims();
    let of_errors =
        |errors: &[f32]| if errors.len() == height * width { vec![1, height, width] } else { shape.clone() };
    let errors = map.standard_error.clone();
    tensors.extend(errors.map(|errors| NamedTensor::f32("standard_error", of_errors(&errors), errors)));
    tensors
}

fn attention_tensors(maps: &AttentionMaps) -> Vec<NamedTensor> {
    let mut tensors = Vec::new();
    for (index, layer) in maps.layers.iter().enumerate() {
        if maps.view == AttentionView::Heads {
            for (head, of_head) in layer.heads.iter().enumerate() {
                tensors.push(matrix(format!("layer-{index}/head-{head}"), &of_head.matrix));
            }
        }
        tensors.push(matrix(format!("layer-{index}/fused"), &layer.fused.matrix));
        tensors.push(matrix(format!("layer-{index}/deviation"), &layer.fused.deviation));
        tensors.push(NamedTensor::vector(format!("layer-{index}/mean_row"), layer.fused.matrix.mean_row()));
    }
    tensors
}

fn flow_tensors(map: &FlowMap) -> Vec<NamedTensor> {
    let flows = &map.flows;
    let shape = vec![flows.queries.len(), flows.tokens];
    vec![NamedTensor::f64("flows", shape, flows.flows.clone()), NamedTensor::vector("pooled", map.pooled.clone())]
}

fn query_tensors(maps: &FixedQueryMaps) -> Vec<NamedTensor> {
    let tokens = maps.queries.iter().map(|query| query.token as i64).collect();
    let mut tensors = vec![NamedTensor::i64("queries", vec![maps.queries.len()], tokens)];
    for (index, (layer, mean_row)) in maps.layers.iter().zip(&maps.mean_rows).enumerate() {
        let shape = vec![layer.len(), mean_row.len()];
        let heads = layer.first().map_or(0, |map| map.heads.len());
        for head in 0..heads {
            let rows: Vec<f64> = layer.iter().flat_map(|map| map.heads[head].iter().copied()).collect();
            tensors.push(NamedTensor::f64(format!("layer-{index}/head-{head}"), shape.clone(), rows));
        }
        let fused: Vec<f64> = layer.iter().flat_map(|map| map.fused.iter().copied()).collect();
        tensors.push(NamedTensor::f64(format!("layer-{index}/fused"), shape, fused));
        tensors.push(NamedTensor::vector(format!("layer-{index}/mean_row"), mean_row.clone()));
    }
    tensors
}

/// A tensor as the file holds it.
struct StoredTensor {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl From<NamedTensor> for StoredTensor {
    fn from(values: NamedTensor) -> Self {
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

/// The bytes of `diagnostics.json`: what tells how far to trust the maps of an image.
///
/// # Errors
/// If a number has no form in JSON.
pub fn diagnostics_file(explanation: &ImageExplanation, origin: &Origin) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(&diagnostics(explanation, origin))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// `diagnostics.json`.
#[derive(Serialize)]
struct Diagnostics<'a> {
    image: &'a str,
    source: String,
    choice: &'a Option<String>,
    #[serde(flatten)]
    origin: &'a Origin,
    image_seed: u64,
    /// The number by which logits are divided to be calibrated; null for a model without one.
    temperature: Option<f64>,
    label: Option<ClassLogit<'a>>,
    predicted: ClassLogit<'a>,
    target: ClassLogit<'a>,
    /// The class that the target is set against, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<ClassLogit<'a>>,
    methods: BTreeMap<MethodId, MethodDiagnostics<'a>>,
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

fn diagnostics<'a>(explanation: &'a ImageExplanation, origin: &'a Origin) -> Diagnostics<'a> {
    let class = |class: usize| ClassLogit {
        class,
        name: explanation.class_names.get(class).map_or("", String::as_str),
        logit: explanation.logits[class],
        probability_raw: explanation.probabilities[class],
        probability_calibrated: explanation.calibrated.as_ref().map(|calibrated| calibrated[class]),
    };
    let of_method = |method: &'a MethodExplanation| MethodDiagnostics {
        seconds: method.seconds,
        warnings: &method.warnings,
        settings: &method.settings,
        diagnostics: &method.diagnostics,
    };
    Diagnostics {
        image: &explanation.id,
        source: explanation.source.to_string(),
        choice: &explanation.choice,
        origin,
        image_seed: explanation.seed,
        temperature: explanation.temperature,
        label: explanation.label.map(class),
        predicted: class(explanation.predicted),
        target: class(explanation.target.class),
        against: explanation.target.against.map(class),
        methods: explanation.methods.iter().map(|method| (method.method, of_method(method))).collect(),
    }
}
